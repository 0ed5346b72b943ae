import { expect, test } from 'vitest'
import { limits } from '../../sys/index.js'
import { streamed } from './stream.js'
import type { ExecEvent, ExecResult } from './types.js'

const PIECE = Buffer.alloc(64 * 1024)
const PIECES = 200
const done = { exitCode: 0 } as ExecResult

/** Writes pieces as a command does whose pipe is full when it is told to wait. */
async function* written(read: (event: ExecEvent, ahead: number) => boolean): AsyncGenerator<number> {
  let sent = 0
  let taken = 0
  const events = streamed(async ({ onStdout, signal }) => {
    for (; sent < PIECES && signal?.aborted !== true; sent++) await onStdout?.(PIECE)
    return done
  }, {})
  for await (const event of events) {
    if (event.type === 'stdout') taken++
    yield sent - taken
    if (!read(event, sent - taken)) return
  }
}

test('a reader that is slower than the command holds it up, and gets all', async () => {
  let got = 0
  let result: ExecResult | undefined
  for await (const ahead of written(event => {
    if (event.type === 'stdout') got += event.data.length
    if (event.type === 'result') result = event.result
    return true
  })) {
    expect(ahead * PIECE.length).toBeLessThanOrEqual(limits.execUnreadBytes + PIECE.length)
  }
  expect(got).toBe(PIECES * PIECE.length)
  expect(result).toBe(done)
})

test('who stops reading lets the command go on to its end, and it is asked to', async () => {
  let seen = 0
  for await (const _ of written(() => ++seen < 3));
  expect(seen).toBe(3)
})
