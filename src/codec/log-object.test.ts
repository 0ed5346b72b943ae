import { describe, expect, it } from 'vitest'
import { decodeLogObject, encodeLogObject, firstOf, type LogObject, logCrc, logKey, logNumber } from './log-object.js'

const object: LogObject = {
  volume: '0123456789abcdef',
  number: 12,
  epoch: 2048,
  previous: 77,
  last: 9,
  batches: [Buffer.from('one'), Buffer.from('two, longer')],
}

describe('a log object', () => {
  it('comes back as it was, small and large, and says what is in it', () => {
    const large = { ...object, last: 40, batches: Array.from({ length: 33 }, (_, i) => Buffer.alloc(200, `batch ${i} `)) }
    for (const one of [object, large]) {
      const found = decodeLogObject(encodeLogObject(one), 'k')
      expect(found.batches?.map(batch => Buffer.from(batch).toString())).toEqual(one.batches?.map(batch => batch.toString()))
      expect({ ...found, batches: 0 }).toEqual({ ...one, batches: 0 })
    }
    expect(firstOf(object)).toBe(8)
    expect(encodeLogObject(large).length).toBeLessThan(1000)
  })

  it('is a fence without batches', () => {
    const { batches: _, ...fence } = object
    expect(decodeLogObject(encodeLogObject(fence), 'k')).toEqual(fence)
    expect(encodeLogObject(fence).length).toBe(64)
  })

  it('is told from another one by its crc', () => {
    expect(logCrc(encodeLogObject(object))).not.toBe(logCrc(encodeLogObject({ ...object, batches: [Buffer.from('one'), Buffer.from('two, Longer')] })))
  })

  it('that is damaged anywhere, or cut, is not taken', () => {
    const bytes = encodeLogObject(object)
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at] ^= 0x10
      expect(() => decodeLogObject(damaged, 'volumes/x/log/1'), `byte ${at}`).toThrow(/volumes\/x\/log\/1/)
    }
    for (let end = 0; end < bytes.length; end++) expect(() => decodeLogObject(bytes.subarray(0, end), 'k')).toThrow()
    expect(() => decodeLogObject(Buffer.concat([bytes, Buffer.alloc(1)]), 'k')).toThrow()
  })

  it('has its number in its key, in twelve digits', () => {
    expect(logKey('0123456789abcdef', 12)).toBe('volumes/0123456789abcdef/log/000000000012')
    expect(logNumber(logKey('0123456789abcdef', 12))).toBe(12)
    expect(logNumber('volumes/0123456789abcdef/head')).toBe(-1)
  })
})
