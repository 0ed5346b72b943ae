import { createCipheriv, createDecipheriv, createHmac, hkdfSync, scryptSync } from 'node:crypto'
import { CairnError } from '../errors.js'
import type { Random } from '../sys/random.js'
import { DATA_KEY_BYTES } from './cipher.js'

/** What a user gives: 32 random bytes, or words. */
export type UserKey = { bytes: Uint8Array } | { passphrase: string }

/** The data key of a store, encrypted with the user's; in `store.json` (docs/format-encryption.md). All in hex. */
export interface WrappedKey {
  cipher: 'xaes-256-gcm'
  kdf: 'hkdf' | 'scrypt'
  /** Of scrypt. */
  cost?: { n: number; r: number; p: number }
  /** 16 bytes, random. */
  salt: string
  /** 8 bytes, by which a wrong key is told from damage. */
  check: string
  /** Nonce (12), the data key encrypted (32), tag (16). */
  key: string
}

const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CHECK_BYTES = 8
/** 32 MiB and some 80 ms for each guess. */
const COST = { n: 2 ** 15, r: 8, p: 1 }
/** What a store may ask of a reader: 1 GiB. */
const MAX_MEMORY = 2 ** 30
/** Shortest passphrase that a store is made with. */
export const MIN_PASSPHRASE = 12

/** @param storeId the wrapped key is of use in that store only */
export function wrapKey(dataKey: Uint8Array, user: UserKey, storeId: string, random: Random): WrappedKey {
  const salt = random.bytes(SALT_BYTES)
  const kind: Pick<WrappedKey, 'kdf' | 'cost'> = 'bytes' in user ? { kdf: 'hkdf' } : { kdf: 'scrypt', cost: COST }
  const wrapping = wrappingKey(user, salt, kind)
  const nonce = random.bytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', wrapping, nonce)
  cipher.setAAD(contextOf(storeId))
  const key = Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
  return { cipher: 'xaes-256-gcm', ...kind, salt: salt.toString('hex'), check: checkOf(wrapping).toString('hex'), key: key.toString('hex') }
}

/** @returns the data key; 'wrong' for another key than it was wrapped with, 'damaged' when it is the right one and does not open it */
export function unwrapKey(wrapped: WrappedKey, user: UserKey, storeId: string): Buffer | 'wrong' | 'damaged' {
  if ((wrapped.kdf === 'hkdf') !== 'bytes' in user) return 'wrong'
  const wrapping = wrappingKey(user, Buffer.from(wrapped.salt, 'hex'), wrapped)
  if (!checkOf(wrapping).equals(Buffer.from(wrapped.check, 'hex'))) return 'wrong'
  const key = Buffer.from(wrapped.key, 'hex')
  const decipher = createDecipheriv('aes-256-gcm', wrapping, key.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(contextOf(storeId))
  decipher.setAuthTag(key.subarray(NONCE_BYTES + DATA_KEY_BYTES))
  const dataKey = decipher.update(key.subarray(NONCE_BYTES, NONCE_BYTES + DATA_KEY_BYTES))
  try {
    decipher.final()
    return dataKey
  } catch {
    return 'damaged'
  }
}

function wrappingKey(user: UserKey, salt: Uint8Array, { cost = COST }: Pick<WrappedKey, 'cost'>): Buffer {
  const { n: N, r, p } = cost
  const secret = 'bytes' in user ? user.bytes : scryptSync(user.passphrase.normalize('NFC'), salt, DATA_KEY_BYTES, { N, r, p, maxmem: MAX_MEMORY })
  return Buffer.from(hkdfSync('sha256', secret, salt, 'cairn key wrap', DATA_KEY_BYTES))
}

function checkOf(wrapping: Uint8Array): Buffer {
  return createHmac('sha256', wrapping).update('cairn key check').digest().subarray(0, CHECK_BYTES)
}

function contextOf(storeId: string): Buffer {
  return Buffer.from(`cairn store ${storeId}`)
}

const isHex = (value: unknown, bytes: number): boolean => typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)

/** @returns undefined for what is no wrapped key. @throws CairnError ERR_FORMAT for a cipher or derivation of a newer version */
export function parseWrappedKey(value: unknown): WrappedKey | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { cipher, kdf, cost, salt, check, key } = value as Record<string, unknown>
  if (typeof cipher !== 'string' || typeof kdf !== 'string') return undefined
  if (cipher !== 'xaes-256-gcm' || (kdf !== 'hkdf' && kdf !== 'scrypt'))
    throw new CairnError(
      'ERR_FORMAT',
      `The store is encrypted with ${cipher} and ${kdf}, which this version of cairn does not know.`,
      'Install a newer version of cairn.',
    )
  if (!isHex(salt, SALT_BYTES) || !isHex(check, CHECK_BYTES) || !isHex(key, NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES)) return undefined
  if (kdf === 'scrypt' && !isCost(cost)) return undefined
  return value as WrappedKey
}

function isCost(value: unknown): boolean {
  const { n, r, p } = (value ?? {}) as Record<string, unknown>
  if (![n, r, p].every(part => Number.isSafeInteger(part) && (part as number) > 0)) return false
  const [blocks, size, lanes] = [n as number, r as number, p as number]
  return Number.isInteger(Math.log2(blocks)) && blocks > 1 && 128 * blocks * size < MAX_MEMORY && lanes <= 16
}
