import { isDirectory } from '../codec/mode.js'
import { ENOENT, ENOTDIR, posixError } from '../errors.js'
import { Sharing } from '../history/gc/sharing.js'
import { type DirectoryUse, directoryUse } from '../volume/directory-use.js'
import type { Engine } from '../volume/engine.js'
import { inodeAt, readAttr } from '../volume/paths.js'
import type { Volume } from '../volume/volume.js'

/** Of the volume as it is now, whatever is changed meanwhile, or was. @throws ENOENT, ENOTDIR; CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS */
export function directoryUseOf(engine: Engine, volume: Volume, path: string, { ref }: { ref?: string } = {}): Generator<void, DirectoryUse[]> {
  const { tree } = volume.stateAt(ref === undefined ? undefined : volume.history.resolve(ref))
  const ino = inodeAt(tree, volume.session.dirHash, Buffer.from(path).toString('latin1'))
  const mode = readAttr(tree, ino)?.mode
  if (mode === undefined) throw posixError(ENOENT, 'stats', path)
  if (!isDirectory(mode)) throw posixError(ENOTDIR, 'stats', path)
  const { id, name } = volume.info
  const sharing = new Sharing(engine.poolOf(name), volume, engine.storeOf(name) !== undefined)
  return directoryUse(tree, { volume: Buffer.from(id, 'hex'), isShared: (b, at) => sharing.has(b, at) }, ino)
}
