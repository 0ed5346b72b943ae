import { Tag } from '../codec/index.js'
import { BLOCK_HOLE, isVersionBlock, Part, VERSION_KEY_BYTES } from '../codec/version.js'
import { CairnError } from '../errors.js'
import { EXTENT_BYTES, EXTENT_STORED } from './content.js'

/**
 * Where a stored extent, or a part of a version, names a block: the place of its pointer; -1 when it names none.
 * @throws CairnError ERR_FORMAT for a form that this version does not know, which might name anything
 */
export function blockNamedBy(b: Uint8Array, kp: number, kl: number, vp: number, vl: number): number {
  if (b[kp] === Tag.version && !isVersionBlock(b, kp, kl)) {
    if (kl > VERSION_KEY_BYTES && b[kp + VERSION_KEY_BYTES] >= Part.block) throw unknownForm(b[kp])
    return -1
  }
  if (vl === EXTENT_BYTES && b[vp] === EXTENT_STORED) return vp + 1
  if (b[kp] === Tag.version && vl === 1 && b[vp] === BLOCK_HOLE) return -1
  throw unknownForm(b[kp])
}

function unknownForm(tag: number): CairnError {
  return new CairnError('ERR_FORMAT', `A record of kind ${tag} names a block in a way that this version does not know.`, 'Install a newer version of cairn.')
}
