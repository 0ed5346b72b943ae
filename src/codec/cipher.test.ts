import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cipher, deriveXaesKey, objectContext, SEAL_BYTES, SEAL_NONCE_BYTES } from './cipher.js'

const key = Buffer.alloc(32, 7)
const context = Buffer.from('here')

describe('deriveXaesKey', () => {
  /** The examples of the C2SP specification of XAES-256-GCM. */
  it.each([
    [1, '', 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271'],
    [3, 'c2sp.org/XAES-256-GCM', '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'],
  ])('makes the keys of the specification (%i)', (byte, aad, expected) => {
    const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX')
    const cipher = createCipheriv('aes-256-gcm', deriveXaesKey(Buffer.alloc(32, byte), nonce.subarray(0, 12)), nonce.subarray(12))
    cipher.setAAD(Buffer.from(aad))
    const sealed = Buffer.concat([cipher.update('XAES-256-GCM'), cipher.final(), cipher.getAuthTag()])
    expect(sealed.toString('hex')).toBe(expected)
  })
})

describe('Cipher', () => {
  it('opens what it sealed, in another instance too, and nothing else', () => {
    const one = new Cipher(key)
    const other = new Cipher(key)
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 4 }), parts => {
        const sealed = one.seal(parts, context)
        const plain = Buffer.concat(parts)
        expect(sealed.length).toBe(plain.length + SEAL_BYTES)
        expect(other.open(sealed, context)?.equals(plain)).toBe(true)
        expect(other.open(sealed, Buffer.from('there'))).toBe(undefined)
        expect(new Cipher(Buffer.alloc(32, 8)).open(sealed, context)).toBe(undefined)
      }),
    )
  })

  it('notices every flipped bit, and every length that is not the whole', () => {
    const cipher = new Cipher(key)
    const sealed = cipher.seal([Buffer.from('some bytes')], context)
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bad = Buffer.from(sealed)
      bad[bit >>> 3] ^= 1 << (bit & 7)
      expect(cipher.open(bad, context)).toBe(undefined)
    }
    for (let length = 0; length < sealed.length; length++) expect(cipher.open(sealed.subarray(0, length), context)).toBe(undefined)
  })

  it('uses no nonce twice: not for the same bytes, nor in a copy of the machine for other bytes', () => {
    const cipher = new Cipher(key)
    const nonces = new Set<string>()
    for (let i = 0; i < 2000; i++) nonces.add(nonceOf(cipher.seal([Buffer.from('the same')], context)))
    expect(nonces.size).toBe(2000)
    const frozen = { bytes: (size: number) => Buffer.alloc(size, 1) }
    const [a, b] = [new Cipher(key, frozen), new Cipher(key, frozen)]
    expect(nonceOf(a.seal([Buffer.from('one')], context))).not.toBe(nonceOf(b.seal([Buffer.from('two')], context)))
  })

  it('names bytes by a hash that depends on the key', () => {
    const plain = Buffer.from('content')
    expect(new Cipher(key).identity(plain).equals(new Cipher(key).identity(plain))).toBe(true)
    expect(new Cipher(key).identity(plain).equals(new Cipher(Buffer.alloc(32, 8)).identity(plain))).toBe(false)
    expect(new Cipher(key).identity(plain).equals(new Cipher(key).identity(Buffer.from('Content')))).toBe(false)
  })

  it('does not show in its nonces that two messages are of the same bytes', () => {
    const cipher = new Cipher(key)
    const plain = Buffer.alloc(100, 5)
    const [a, b] = [cipher.seal([plain], context), cipher.seal([plain], context)]
    const tail = (sealed: Buffer): Buffer => sealed.subarray(12, SEAL_NONCE_BYTES)
    let same = 0
    for (let i = 0; i < 12; i++) if (tail(a)[i] === tail(b)[i]) same++
    expect(same).toBeLessThan(6)
    expect(cipher.identity(plain).subarray(0, 12).equals(tail(a))).toBe(false)
  })
})

const nonceOf = (sealed: Buffer): string => sealed.subarray(0, SEAL_NONCE_BYTES).toString('hex')

describe('objectContext', () => {
  it('differs from key to key', () => {
    expect(objectContext('volumes/a/head').equals(objectContext('volumes/b/head'))).toBe(false)
  })
})
