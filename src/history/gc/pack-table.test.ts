import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PACK_ID_BYTES } from '../../codec/index.js'
import { PackTable } from './pack-table.js'

describe('values by pack id', () => {
  it('are found where the id stands in something longer, and only for the whole id', () => {
    const ids = randomBytes(PACK_ID_BYTES * 1000)
    const table = new PackTable<number>()
    for (let i = 0; i < 1000; i++) {
      expect(table.get(ids, i * PACK_ID_BYTES)).toBeUndefined()
      table.add(ids, i * PACK_ID_BYTES, i)
    }
    for (let i = 0; i < 1000; i++) expect(table.get(ids, i * PACK_ID_BYTES)).toBe(i)
    for (let at = 0; at < PACK_ID_BYTES; at++) {
      const near = Buffer.from(ids.subarray(0, PACK_ID_BYTES))
      near[at] ^= 1
      expect(table.get(near, 0)).toBeUndefined()
    }
  })

  it('are told apart when ids differ in their last bytes alone, as those of one volume do', () => {
    const id = Buffer.alloc(PACK_ID_BYTES, 7)
    const table = new PackTable<number>()
    for (let i = 1; i <= 500; i++) {
      id.writeUInt32BE(i, PACK_ID_BYTES - 4)
      table.add(id, 0, i)
    }
    for (let i = 1; i <= 500; i++) {
      id.writeUInt32BE(i, PACK_ID_BYTES - 4)
      expect(table.get(id, 0)).toBe(i)
    }
  })
})
