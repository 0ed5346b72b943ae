import { describe, expect, it } from 'vitest'
import { type AuditEntry, auditHash, auditPayloadHash, decodeAudit, encodeAudit } from './audit.js'

function entry(payload: Buffer, previous: Uint8Array = Buffer.alloc(32)): AuditEntry {
  return { previous, payloadHash: auditPayloadHash(payload), timeMs: 1_700_000_000_123.5, payload }
}

describe('an audit entry', () => {
  const first = entry(Buffer.from('{"salt":"00","kind":"exec"}'))

  it('comes back as it was', () => {
    expect(decodeAudit(encodeAudit(first))).toEqual(first)
  })

  it('keeps its place in the chain when its payload is redacted', () => {
    const { payload: _, ...redacted } = first
    expect(decodeAudit(encodeAudit(redacted))).toEqual(redacted)
    expect(auditHash(redacted)).toEqual(auditHash(first))
    expect(encodeAudit(redacted).includes('exec')).toBe(false)
  })

  it('has another hash when anything of it is another', () => {
    const changed = [
      entry(Buffer.from('{"salt":"00","kind":"exit"}')),
      entry(first.payload as Buffer, Buffer.alloc(32, 1)),
      { ...first, timeMs: first.timeMs + 1 },
    ]
    for (const other of changed) expect(auditHash(other)).not.toEqual(auditHash(first))
  })

  it('with any byte of the payload changed, cut, or of another version is none', () => {
    const bytes = encodeAudit(first)
    for (let at = 80; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at] ^= 1
      expect(decodeAudit(damaged)).toBeUndefined()
      expect(decodeAudit(bytes.subarray(0, at))).toBeUndefined()
    }
    bytes[0] = 2
    expect(decodeAudit(bytes)).toBeUndefined()
  })
})
