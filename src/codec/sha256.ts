import { createHash, hash } from 'node:crypto'

/** SHA-256 in one call; `crypto.hash` (Node 20.12) costs a third of a hash object. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash === undefined ? createHash('sha256').update(bytes).digest() : hash('sha256', bytes, 'buffer')
}
