import { describe, expect, test } from 'vitest'
import { ago, duration, exactTime, humanSize, inColumns, listTime, plural, printable, table } from './format.js'
import { joinPath, joinRaw, targetName } from './paths.js'
import { editDistance, nearest } from './suggest.js'

describe('numbers and times', () => {
  test.each([
    [0, '0'],
    [1023, '1023'],
    [1024, '1.0K'],
    [1025, '1.1K'],
    [10 * 1024, '10K'],
    [1024 * 1024 - 1, '1.0M'],
    [5.5 * 2 ** 30, '5.5G'],
  ])('%d bytes are %s', (bytes, text) => expect(humanSize(bytes)).toBe(text))

  test('lists show the time for half a year, then the year', () => {
    const now = new Date(2026, 10, 20, 12).getTime()
    expect(listTime(new Date(2026, 10, 5, 9, 7).getTime(), now)).toBe('Nov  5 09:07')
    expect(listTime(new Date(2025, 0, 15).getTime(), now)).toBe('Jan 15  2025')
    expect(listTime(new Date(2030, 0, 15).getTime(), now)).toBe('Jan 15  2030')
  })

  test('nanoseconds are kept', () => {
    expect(exactTime(BigInt(new Date(2026, 0, 2, 3, 4, 5).getTime()) * 1_000_000n + 123_456_789n)).toBe('2026-01-02 03:04:05.123456789')
  })

  test('durations and counts', () => {
    expect([duration(0.42), duration(12.3), duration(3210)]).toEqual(['0.4 ms', '12 ms', '3.21 s'])
    expect([plural(1, 'file'), plural(0, 'file')]).toEqual(['1 file', '0 files'])
    expect([ago(0, 5000), ago(0, 61_000), ago(0, 7_300_000)]).toEqual(['5 seconds ago', '1 minute ago', '2 hours ago'])
  })
})

describe('text', () => {
  test('control characters do not reach a terminal', () => {
    expect(printable('a\nb\u001b[31mc')).toBe('a?b?[31mc')
  })

  test('tables', () => {
    expect(
      table(
        [
          ['a', '1', 'x'],
          ['bbb', '22', 'y'],
        ],
        new Set([1]),
      ),
    ).toEqual(['a     1  x', 'bbb  22  y'])
  })

  test('columns run from top to bottom and fit', () => {
    const names = Array.from({ length: 10 }, (_, i) => `name-${i}`)
    const lines = inColumns(names, 30)
    expect(lines.every(line => line.length <= 30)).toBe(true)
    expect(lines[0].split(/\s+/)).toEqual(['name-0', 'name-3', 'name-6', 'name-9'])
    expect(inColumns(['x'.repeat(50), 'y'], 20)).toEqual(['x'.repeat(50), 'y'])
    expect(inColumns([], 20)).toEqual([])
    expect(inColumns(['a', 'b'], 80)).toEqual(['a  b'])
  })
})

describe('paths', () => {
  test('targets are named after their source', () => {
    expect(['/a/b', './x/', '/', '.', '..', 'a/..', '/a/.'].map(targetName)).toEqual(['b', 'x', '', '', '', '', ''])
  })

  test('joining', () => {
    expect([joinPath('/', 'a'), joinPath('/a', 'b'), joinPath('/a', '')]).toEqual(['/a', '/a/b', '/a'])
    expect(joinRaw(Buffer.from('/'), Buffer.from([0xff]))).toEqual(Buffer.from([0x2f, 0xff]))
  })
})

describe('suggestions', () => {
  test('distance counts inserts, deletes, replacements and swaps', () => {
    expect([editDistance('', 'abc'), editDistance('abc', 'abd'), editDistance('abc', 'acb'), editDistance('abc', 'abc')]).toEqual([3, 1, 1, 0])
  })

  test('only what is near is suggested', () => {
    const names = ['mount', 'unmount', 'checkpoint', 'ls', 'cat']
    expect(nearest('mout', names)).toBe('mount')
    expect(nearest('chekpiont', names)).toBe('checkpoint')
    expect(nearest('sl', names)).toBe('ls')
    expect(nearest('frobnicate', names)).toBeUndefined()
  })
})
