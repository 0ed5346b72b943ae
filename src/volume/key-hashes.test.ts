import { expect, it } from 'vitest'
import { KeyHashes } from './key-hashes.js'

const key = (n: number): Buffer => Buffer.from(`xx${n}`)

it('has what was added, through any number of growths, and nothing else', () => {
  const set = new KeyHashes()
  for (let n = 0; n < 50_000; n += 2) for (let again = 0; again < 2; again++) set.add(key(n), 2, key(n).length - 2)
  for (let n = 0; n < 50_000; n++) expect(set.has(key(n), 2, key(n).length - 2)).toBe(n % 2 === 0)
})

it('tells keys apart that begin alike', () => {
  const set = new KeyHashes()
  set.add(Buffer.alloc(8), 0, 8)
  expect(set.has(Buffer.alloc(8), 0, 8)).toBe(true)
  expect(set.has(Buffer.alloc(8), 0, 7)).toBe(false)
  expect(set.has(Buffer.alloc(9), 0, 9)).toBe(false)
})
