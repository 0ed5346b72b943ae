import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { type Random, systemRandom } from '../sys/random.js'
import { sha256 } from './sha256.js'

/**
 * XAES-256-GCM (C2SP): AES-256-GCM under a key that is derived from the first half of a nonce of 24 bytes, so that one data key
 * takes any number of messages (docs/format-encryption.md).
 */
export const DATA_KEY_BYTES = 32
export const SEAL_NONCE_BYTES = 24
const TAG_BYTES = 16
/** What sealing adds: nonce in front, tag behind. */
export const SEAL_BYTES = SEAL_NONCE_BYTES + TAG_BYTES
/** The part of a nonce that a key is derived from. */
const PREFIX_BYTES = 12
const BLOCK_BYTES = 16
/** Messages under one derived key; 2^32 are allowed. */
const MESSAGES_PER_PREFIX = 2 ** 28
/** Derived keys that are kept: one for each writer whose packs are being read. */
const MAX_DERIVED = 1024

/** What a sealed message is; part of what is authenticated, so that none passes for another. */
export const SealedAs = { segment: 1, index: 2, frame: 3, object: 4 } as const

/** The context of an object of a store: it opens under its own key only. */
export function objectContext(key: string): Buffer {
  return Buffer.from(`\x04${key}`, 'utf8')
}

/** Encrypts, decrypts and names the bytes of one store. One thread. */
export class Cipher {
  readonly #sealKey: Buffer
  readonly #identityKey: KeyObject
  readonly #nonceBlocks: (block: Uint8Array) => Buffer
  readonly #random: Random
  /** By the first half of a nonce, latin1. */
  readonly #derived = new Map<string, KeyObject>()
  #prefix: Buffer
  #key: KeyObject
  #count = 0

  /**
   * @param dataKey 32 random bytes, the store's
   * @param random for nonces; never one that repeats, but in tests
   */
  constructor(dataKey: Uint8Array, random: Random = systemRandom) {
    this.#sealKey = derive(dataKey, 'cairn seal')
    this.#identityKey = createSecretKey(derive(dataKey, 'cairn identity'))
    this.#nonceBlocks = blockCipher(derive(dataKey, 'cairn nonce'))
    this.#random = random
    this.#prefix = random.bytes(PREFIX_BYTES)
    this.#key = this.#keyOf(this.#prefix)
  }

  /** What the bytes are called in this store: HMAC-SHA256, 32 bytes. Tells nobody without the key what they are. */
  identity(plain: Uint8Array): Buffer {
    return createHmac('sha256', this.#identityKey).update(plain).digest()
  }

  /**
   * Encrypts; `SEAL_BYTES` longer than the parts together.
   * @param context what `open` must be given again; not stored
   * @param hash of the parts, or of what they were made of, where it is known
   * @param room what is returned may be a part of it, where it is large enough
   */
  seal(parts: readonly Uint8Array[], context: Uint8Array, hash?: Uint8Array, room?: Buffer): Buffer {
    const length = parts.reduce((sum, part) => sum + part.length, SEAL_BYTES)
    const out = room !== undefined && room.length >= length ? room.subarray(0, length) : Buffer.allocUnsafe(length)
    this.#nonce(out, hash ?? hashOf(parts))
    const cipher = createCipheriv('aes-256-gcm', this.#key, out.subarray(PREFIX_BYTES, SEAL_NONCE_BYTES))
    cipher.setAAD(context)
    let at = SEAL_NONCE_BYTES
    for (const part of parts) {
      out.set(cipher.update(part), at)
      at += part.length
    }
    cipher.final()
    out.set(cipher.getAuthTag(), at)
    return out
  }

  /** @returns undefined when the bytes are not what was sealed with this key in this context */
  open(sealed: Uint8Array, context: Uint8Array): Buffer | undefined {
    const end = sealed.length - TAG_BYTES
    if (end < SEAL_NONCE_BYTES) return undefined
    const key = this.#keyOf(sealed.subarray(0, PREFIX_BYTES))
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(PREFIX_BYTES, SEAL_NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(context)
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(SEAL_NONCE_BYTES, end))
    try {
      decipher.final()
      return plain
    } catch {
      return undefined
    }
  }

  /**
   * Random once, then counted; and what is sealed goes into it too: two copies of a machine that go on from the same memory
   * make the same nonce only for the same bytes.
   */
  #nonce(to: Buffer, hash: Uint8Array): void {
    if (this.#count >= MESSAGES_PER_PREFIX) {
      this.#prefix = this.#random.bytes(PREFIX_BYTES)
      this.#key = this.#keyOf(this.#prefix)
      this.#count = 0
    }
    const block = Buffer.from(hash.subarray(0, BLOCK_BYTES))
    block.writeUInt32LE((block.readUInt32LE(0) ^ this.#count++) >>> 0, 0)
    to.set(this.#prefix, 0)
    to.set(this.#nonceBlocks(block).subarray(0, SEAL_NONCE_BYTES - PREFIX_BYTES), PREFIX_BYTES)
  }

  #keyOf(prefix: Uint8Array): KeyObject {
    const name = Buffer.from(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).toString('latin1')
    const known = this.#derived.get(name)
    if (known !== undefined) return known
    if (this.#derived.size >= MAX_DERIVED) this.#derived.clear()
    const key = createSecretKey(deriveXaesKey(this.#sealKey, prefix))
    this.#derived.set(name, key)
    return key
  }
}

function hashOf(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return sha256(parts[0])
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function derive(dataKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', dataKey, new Uint8Array(0), purpose, DATA_KEY_BYTES))
}

/** AES-256 of single blocks. */
function blockCipher(key: Uint8Array): (block: Uint8Array) => Buffer {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  return block => cipher.update(block)
}

/** The key of XAES-256-GCM for the nonces that begin with these 12 bytes: CMAC in counter mode (C2SP XAES-256-GCM). */
export function deriveXaesKey(key: Uint8Array, prefix: Uint8Array): Buffer {
  const encrypt = blockCipher(key)
  const k1 = doubled(encrypt(Buffer.alloc(BLOCK_BYTES)))
  const half = (counter: number): Buffer => {
    const block = Buffer.concat([Buffer.from([0, counter, 0x58, 0]), prefix])
    for (let i = 0; i < BLOCK_BYTES; i++) block[i] ^= k1[i]
    return encrypt(block)
  }
  return Buffer.concat([half(1), half(2)])
}

/** In the field of CMAC: shifted left by one bit, and reduced. */
function doubled(block: Buffer): Buffer {
  const out = Buffer.alloc(BLOCK_BYTES)
  for (let i = 0; i < BLOCK_BYTES; i++) out[i] = (block[i] << 1) | (i + 1 < BLOCK_BYTES ? block[i + 1] >>> 7 : 0)
  if (block[0] & 0x80) out[BLOCK_BYTES - 1] ^= 0x87
  return out
}
