import { availableParallelism } from 'node:os'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { limits } from '../../sys/index.js'
import { Starts } from './starts.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const many = availableParallelism() + 1

function isQuiet(starts: Starts): { yet: boolean } {
  const told = { yet: false }
  void starts.quiet().then(() => {
    told.yet = true
  })
  return told
}

const turn = () => vi.advanceTimersByTimeAsync(0)

it('nobody waits for as many starts as there are processors', async () => {
  const starts = new Starts()
  for (let i = 1; i < many; i++) starts.begin()
  const told = isQuiet(starts)
  await turn()
  expect(told.yet).toBe(true)
})

it('what is over waits until no more than that are left', async () => {
  const starts = new Starts()
  const begun = Array.from({ length: many + 1 }, () => starts.begin())
  const told = isQuiet(starts)
  begun[0]()
  begun[0]()
  await turn()
  expect(told.yet).toBe(false)
  begun[1]()
  await turn()
  expect(told.yet).toBe(true)
})

it('a start that takes long holds nobody up', async () => {
  const starts = new Starts()
  const begun = Array.from({ length: many + 1 }, () => starts.begin())
  const told = isQuiet(starts)
  await vi.advanceTimersByTimeAsync(limits.execStartGapMs - 1)
  begun[0]()
  await vi.advanceTimersByTimeAsync(limits.execStartGapMs - 1)
  expect(told.yet).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(told.yet).toBe(true)
})

it('nor do many, one after the other', async () => {
  const starts = new Starts()
  for (let i = 0; i < many; i++) starts.begin()
  const told = isQuiet(starts)
  for (let ms = 0; ms < limits.execStartsMs; ms++) {
    expect(told.yet).toBe(false)
    starts.begin()()
    await vi.advanceTimersByTimeAsync(1)
  }
  expect(told.yet).toBe(true)
})
