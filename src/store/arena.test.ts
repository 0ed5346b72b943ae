import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CairnError, CorruptError } from '../errors.js'
import { ARENA_KEY, allocateArenas } from './arena.js'
import type { LocalStore, PutOptions } from './contract.js'
import { openDirectoryStore } from './directory/index.js'
import { MemoryStore } from './memory/index.js'

describe('arenas', () => {
  it('are given out once, from 1 on, to all who have the store open', () => {
    const root = mkdtempSync(join(tmpdir(), 'cairn-arena-'))
    const stores = [openDirectoryStore(root, { create: true }), openDirectoryStore(root)]
    const taken = [1, 3, 1, 2].map((count, i) => [allocateArenas(stores[i % 2], count), count])
    expect(taken).toEqual([
      [1, 1],
      [2, 3],
      [5, 1],
      [6, 2],
    ])
    for (const store of stores) store.closeSync()
    rmSync(root, { recursive: true })
  })

  it('are taken again when another was faster, and not for ever', () => {
    class Contended extends MemoryStore {
      losses = 3
      override putSync(key: string, bytes: Uint8Array, options?: PutOptions): { version: string } {
        if (this.losses-- > 0) super.putSync(key, Buffer.from(JSON.stringify({ format: 1, next: 100 + this.losses })))
        return super.putSync(key, bytes, options)
      }
    }
    const store = new Contended()
    expect(allocateArenas(store, 1)).toBe(100)
    store.losses = 1000
    expect(() => allocateArenas(store, 1)).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT', retry: 'same-call' }))
  })

  it('of a damaged, a newer or an exhausted counter are refused', () => {
    const withCounter = (text: string): LocalStore => {
      const store = new MemoryStore()
      store.putSync(ARENA_KEY, Buffer.from(text))
      return store
    }
    for (const text of ['', 'null', '7', '{"format":1}', '{"format":1,"next":0}', '{"format":1,"next":1.5}'])
      expect(() => allocateArenas(withCounter(text), 1)).toThrow(CorruptError)
    expect(() => allocateArenas(withCounter('{"format":2,"next":5}'), 1)).toThrow(/format 2/)
    expect(allocateArenas(withCounter(`{"format":1,"next":${2 ** 31 - 1}}`), 1)).toBe(2 ** 31 - 1)
    expect(() => allocateArenas(withCounter(`{"format":1,"next":${2 ** 31 - 1}}`), 2)).toThrow(CairnError)
  })
})
