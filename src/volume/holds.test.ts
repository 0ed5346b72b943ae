import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CorruptError } from '../errors.js'
import { Holds, readHolds } from './holds.js'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-holds-'))
  path = join(folder, 'holds')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('writes what is held when the head moves on, and nothing when nothing is', () => {
  const holds = new Holds(path)
  const user = {}
  const end = holds.add(user, ['b', 'a', ''], 7)
  holds.add(user, ['a'])
  expect(readHolds(path)).toEqual([])
  holds.save()
  expect(readHolds(path)).toEqual(['a', 'b'])
  expect(holds.fromPack).toBe(7)
  end()
  holds.save()
  expect(readHolds(path)).toEqual(['a'])
  expect(holds.fromPack).toBe(Number.POSITIVE_INFINITY)
  holds.clear()
  expect(existsSync(path)).toBe(false)
})

it('forgets what a killed process held, and does not read damage as nothing', () => {
  writeFileSync(path, '{"format":1,"roots":["a"]}\n')
  expect(readHolds(path)).toEqual(['a'])
  writeFileSync(path, '{"format":1,"ro')
  expect(() => readHolds(path)).toThrow(CorruptError)
  new Holds(path)
  expect(readHolds(path)).toEqual([])
})
