import { expect, it } from 'vitest'
import { limits } from '../sys/index.js'
import { FileAhead } from './file-ahead.js'

const MIB = 2 ** 20

function reader(): { ahead: FileAhead; told: Array<[number, number, number]> } {
  const told: Array<[number, number, number]> = []
  return { told, ahead: new FileAhead((...args) => told.push(args)) }
}

it('stays ahead of who reads a file in order, each byte once, up to a bound', () => {
  const { ahead, told } = reader()
  for (let i = 0; i < 200; i++) {
    ahead.reads(7, i * MIB, MIB)
    const to = told.at(-1)?.[2] ?? 0
    if (i > 0) expect(to).toBeGreaterThan((i + 1) * MIB)
    expect(to).toBeLessThanOrEqual((i + 1) * MIB + limits.fileAheadBytes)
  }
  told.reduce((end, [, from, to]) => {
    expect(from).toBe(end)
    return to
  }, 0)
  // Not at every read, but a request's worth at a time.
  expect(told.length).toBeLessThan(60)
})

it('wants a large read at once, and for small ones here and there nothing', () => {
  const { ahead, told } = reader()
  ahead.reads(7, 100 * MIB, MIB)
  expect(told).toEqual([[7, 100 * MIB, 101 * MIB]])
  for (const offset of [900, 300, 700, 20, 500]) ahead.reads(8, offset * MIB, 4096)
  expect(told.length).toBe(1)
})

it('follows a reader whose requests come a little out of order', () => {
  const { ahead, told } = reader()
  for (const i of [0, 2, 1, 3, 5, 4, 6, 7]) ahead.reads(7, i * MIB, MIB)
  expect(told.at(-1)?.[2]).toBeGreaterThan(8 * MIB)
})
