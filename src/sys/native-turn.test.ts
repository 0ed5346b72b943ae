import { Worker } from 'node:worker_threads'
import { afterEach, expect, it } from 'vitest'
import { inNativeTurn, leaveNativeTurn, shareNativeTurn, takeNativeTurn } from './native-turn.js'

/** Of a thread that takes the turn, says so, and gives it back when it is told to: words are the turn, what it says, what it is told. */
const HOLDER = `
  const { workerData: words } = require('node:worker_threads')
  while (Atomics.compareExchange(words, 0, 0, 1) !== 0) Atomics.wait(words, 0, 1)
  Atomics.store(words, 1, 1); Atomics.notify(words, 1)
  Atomics.wait(words, 2, 0)
  Atomics.store(words, 3, 1)
  Atomics.store(words, 0, 0); Atomics.notify(words, 0)`

let worker: Worker | undefined
afterEach(() => worker?.terminate())

it('waits for the thread that has the turn, and takes it as often as it likes itself', () => {
  const words = new Int32Array(new SharedArrayBuffer(16))
  shareNativeTurn(words.subarray(0, 1))
  worker = new Worker(HOLDER, { eval: true, workerData: words })
  Atomics.wait(words, 1, 0)
  expect(words[0]).toBe(1)
  Atomics.store(words, 2, 1)
  Atomics.notify(words, 2)
  // Not before the other one was done.
  expect(inNativeTurn(() => inNativeTurn(() => [words[0], words[3]]))).toEqual([1, 1])
  expect(words[0]).toBe(0)
  takeNativeTurn()
  expect(words[0]).toBe(1)
  leaveNativeTurn()
  expect(words[0]).toBe(0)
  expect(() =>
    inNativeTurn(() => {
      throw new Error('it cannot be loaded')
    }),
  ).toThrow('it cannot be loaded')
  expect(words[0]).toBe(0)
})
