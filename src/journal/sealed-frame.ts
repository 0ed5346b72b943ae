import { type Cipher, SealedAs } from '../codec/cipher.js'
import { keyMissing } from '../codec/coding.js'
import { FRAME_SEALED } from '../codec/frame.js'
import { CorruptError } from '../errors.js'

const CONTEXT_BYTES = 15

/** A frame opens in the journal of its volume and at its own place only. */
function contextOf(volume: Uint8Array, sequence: number): Buffer {
  const context = Buffer.alloc(CONTEXT_BYTES)
  context[0] = SealedAs.frame
  context.set(volume.subarray(0, 8), 1)
  context.writeUIntLE(sequence, 9, 6)
  return context
}

/** The payload of a frame as it is stored. @param parts of the plain one */
export function sealFrame(cipher: Cipher, volume: Uint8Array, sequence: number, parts: readonly Uint8Array[]): Buffer {
  return cipher.seal(parts, contextOf(volume, sequence))
}

/**
 * The plain payload of a frame.
 * @param cipher of a store that is encrypted: there every frame is
 * @throws CorruptError when it was not written so; CairnError ERR_KEY_MISSING
 */
export function openFrame(cipher: Cipher | undefined, volume: Uint8Array, sequence: number, payload: Buffer, flags: number): Buffer {
  const isSealed = (flags & FRAME_SEALED) !== 0
  if (cipher === undefined && !isSealed) return payload
  if (cipher === undefined) throw keyMissing('The journal')
  const plain = isSealed ? cipher.open(payload, contextOf(volume, sequence)) : undefined
  if (plain !== undefined) return plain
  const object = `the journal of volume ${Buffer.from(volume.subarray(0, 8)).toString('hex')}`
  throw new CorruptError(object, isSealed ? `change ${sequence} does not decrypt` : `change ${sequence} is not encrypted, as all else in its store is`)
}
