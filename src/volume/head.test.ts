import { describe, expect, it } from 'vitest'
import type { Head } from '../codec/head.js'
import { posixError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { MemoryStore } from '../store/memory/index.js'
import { systemRandom } from '../sys/index.js'
import { HeadFile } from './head.js'

const first: Head = {
  format: 1,
  volume: '0123456789abcdef',
  name: 'v',
  createdMs: 1,
  epoch: 1,
  sequence: 1,
  nonce: '0011223344556677',
  root: '',
  history: '',
  watermark: 0,
  nextIno: 2,
  inodes: 0,
  bytes: 0,
  dirHashKey: '8899aabbccddeeff',
  arena: [0, 100],
}

/** Stores, then fails: as when the folder of a renamed file cannot be synced. */
function failingAfter(store: MemoryStore, fails: () => boolean): LocalStore {
  return new Proxy<LocalStore>(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args)
        if (name === 'putSync' && fails()) throw posixError(5, 'fsync')
        return result
      }
    },
  })
}

describe('the head of a volume', () => {
  it('whose put failed after it took effect is told to have failed, and still its own', () => {
    let failing = false
    const store = failingAfter(new MemoryStore(), () => failing)
    const head = HeadFile.create(store, first, systemRandom)
    failing = true
    expect(() => head.update({ inodes: 1 })).toThrow(expect.objectContaining({ code: 'EIO' }))
    failing = false
    head.update({ inodes: 2 })
    expect(HeadFile.read(store, first.volume, systemRandom)?.value.inodes).toBe(2)
  })

  it('that another writer changed is fenced', () => {
    const store = new MemoryStore()
    const head = HeadFile.create(store, first, systemRandom)
    HeadFile.read(store, first.volume, systemRandom)?.update({ inodes: 1 })
    expect(() => head.update({ inodes: 2 })).toThrow(expect.objectContaining({ code: 'ERR_FENCED' }))
  })
})
