import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CairnError } from '../../errors.js'
import type { AuditTip } from './state.js'

/** By whom, and of what: a key (32 bytes, hex) and an Ed25519 signature of `statement` (64 bytes, hex). */
export interface AuditSignature {
  key: string
  signature: string
}

/** What is signed: a tip, or the end of what was dropped. */
export type Signed = 'tip' | 'gap'

const RAW_KEY_BYTES = 32
/** What stands before the 32 bytes of an Ed25519 key in SPKI (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Signs tips of chains. */
export class AuditSigner {
  /** Hex. */
  readonly key: string
  readonly #private: KeyObject

  constructor(key: KeyObject) {
    this.#private = key
    this.key = rawKey(createPublicKey(key))
  }

  sign(what: Signed, volume: string, tip: AuditTip): AuditSignature {
    return { key: this.key, signature: sign(null, statement(what, volume, tip), this.#private).toString('hex') }
  }
}

export function isSigned(what: Signed, volume: string, tip: AuditTip, { key, signature }: AuditSignature): boolean {
  try {
    const object = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, Buffer.from(key, 'hex')]), format: 'der', type: 'spki' })
    return verify(null, statement(what, volume, tip), object, Buffer.from(signature, 'hex'))
  } catch {
    return false
  }
}

function statement(what: Signed, volume: string, { sequence, hash }: AuditTip): Buffer {
  return Buffer.from(`cairn audit ${what} 1\n${volume}\n${sequence}\n${hash}\n`)
}

function rawKey(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).subarray(-RAW_KEY_BYTES).toString('hex')
}

/**
 * Reads an Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
 * @throws CairnError ERR_AUDIT_KEY, which shows nothing of it
 */
export function readSigner(file: string): AuditSigner {
  return new AuditSigner(ed25519(file, bytes => createPrivateKey(bytes)))
}

/** The public key of a file that holds it, or the private one, in PEM; hex. @throws CairnError ERR_AUDIT_KEY */
export function readPublicKey(file: string): string {
  return rawKey(ed25519(file, bytes => createPublicKey(bytes)))
}

function ed25519(file: string, parse: (bytes: Buffer) => KeyObject): KeyObject {
  let key: KeyObject | undefined
  let why = 'holds no Ed25519 key in PEM'
  try {
    key = parse(readFileSync(file))
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall !== undefined) why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new CairnError('ERR_AUDIT_KEY', `The key file ${file} ${why}.`, '`openssl genpkey -algorithm ed25519 -out FILE` makes one.')
}
