import { expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import { CHUNK_BYTES } from './chunks.js'
import { mostAhead, ReadAhead } from './read-ahead.js'

function reader(most = 32): { ahead: ReadAhead; told: string[] } {
  const told: string[] = []
  return {
    told,
    ahead: new ReadAhead(
      (key, first, count) => told.push(`${key}:${first}+${count}`),
      () => most,
    ),
  }
}

it('has twice as much fetched each time for who reads on, up to a bound', () => {
  const { ahead, told } = reader(8)
  for (let chunk = 5; chunk < 40; chunk++) ahead.reads('a', chunk)
  expect(told.slice(0, 3)).toEqual(['a:7+1', 'a:8+3', 'a:11+6'])
  const chunks = told.flatMap(text => {
    const [first, count] = text.slice(2).split('+').map(Number)
    return Array.from({ length: count }, (_, i) => first + i)
  })
  expect(chunks).toEqual(Array.from({ length: chunks.length }, (_, i) => i + 7))
  expect(chunks.at(-1)).toBeGreaterThanOrEqual(39 + 4)
  expect(chunks.at(-1)).toBeLessThanOrEqual(39 + 8)
})

it('has nothing fetched for who reads here and there, or the same again', () => {
  const { ahead, told } = reader()
  for (const chunk of [0, 50, 50, 20, 90, 20, 40, 70, 10]) ahead.reads('a', chunk)
  expect(told).toEqual([])
})

it('tells several readers of one object, and of several, apart', () => {
  const { ahead, told } = reader()
  for (let i = 0; i < 3; i++) {
    ahead.reads('a', i)
    ahead.reads('a', 1000 + i)
    ahead.reads('b', i)
  }
  expect(told).toEqual(['a:2+1', 'a:1002+1', 'b:2+1', 'a:3+3', 'a:1003+3', 'b:3+3'])
})

it('forgets the reader who has not read for the longest time', () => {
  const { ahead, told } = reader()
  ahead.reads('first', 0)
  for (let i = 0; i < limits.storeStreams; i++) ahead.reads(`other-${i}`, 0)
  ahead.reads('first', 1)
  expect(told).toEqual([])
  ahead.reads('first', 2)
  expect(told).toEqual(['first:3+1'])
})

it('fetches no more ahead than a small cache can hold', () => {
  expect(mostAhead(4 * CHUNK_BYTES)).toBe(1)
  expect(mostAhead(2 ** 40)).toBe((limits.storeAheadBytes * 8) / CHUNK_BYTES)
})
