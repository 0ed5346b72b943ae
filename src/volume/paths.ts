import { Attr, DIRENT_NAME_AT, type DirHash, decodeAttr, direntFromKey, direntKey, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../codec/index.js'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const attr = new Attr()
const MAX_DEPTH = 4096

/**
 * The names in a path from the root, as the user wrote them. History follows names, not links, so that `..` has no meaning there.
 * @throws CairnError ERR_PATH
 */
export function rootedNames(path: string): string[] {
  const names = path.split('/').filter(name => name !== '' && name !== '.')
  if (names.includes('..')) throw new CairnError('ERR_PATH', `${path} has '..' in it.`, 'Write the path from the root of the volume.', { exitCode: 2 })
  return names
}

/** Attributes of an inode in a state; undefined when it is not there. The result is filled again by the next call. */
export function readAttr(tree: Tree, ino: number): Attr | undefined {
  return tree.get(K, inodeKey(K, Tag.attr, ino)) ? decodeAttr(tree.vb, tree.vp, attr) : undefined
}

/** The name that `ino` has under the hash that its attributes hint at; undefined when the hint is stale. */
export function hintedName(tree: Tree, ino: number, parent: number, high: number, low: number): string | undefined {
  const cursor = tree.cursor()
  const length = direntFromKey(K, parent, high, low)
  let more = cursor.seek(K, length)
  while (more && startsWith(cursor.buf, cursor.kp, cursor.kl, length)) {
    if (getIno(cursor.buf, cursor.vp) === ino) return nameAt(cursor.buf, cursor.kp, cursor.kl)
    more = cursor.next()
  }
  return undefined
}

function startsWith(b: Uint8Array, at: number, length: number, prefix: number): boolean {
  if (length < prefix) return false
  for (let i = 0; i < prefix; i++) if (b[at + i] !== K[i]) return false
  return true
}

/** The name of a directory entry's key, one char per byte. */
export function nameAt(b: Uint8Array, at: number, length: number): string {
  return Buffer.from(b.buffer, b.byteOffset + at + DIRENT_NAME_AT, length - DIRENT_NAME_AT).toString('latin1')
}

/** Finds a name of `ino` by walking its directory: for inodes whose hint is stale. */
function scannedName(tree: Tree, ino: number, parent: number): string | undefined {
  const cursor = tree.cursor()
  const length = inodeKey(K, Tag.dirent, parent)
  let more = cursor.seek(K, length)
  while (more && startsWith(cursor.buf, cursor.kp, cursor.kl, PREFIX_BYTES)) {
    if (getIno(cursor.buf, cursor.vp) === ino) return nameAt(cursor.buf, cursor.kp, cursor.kl)
    more = cursor.next()
  }
  return undefined
}

/**
 * A path of an inode, one char per byte, `/` for the root; undefined when it has none in this state.
 * Costs a look-up per level while the hints in the attributes are right.
 */
export function pathOfInode(tree: Tree, ino: number): string | undefined {
  let path = ''
  for (let depth = 0; depth < MAX_DEPTH && ino !== 1; depth++) {
    const found = readAttr(tree, ino)
    if (found === undefined) return undefined
    const { parent, nameHigh, nameLow } = found
    const name = hintedName(tree, ino, parent, nameHigh, nameLow) ?? scannedName(tree, ino, parent)
    if (name === undefined) return undefined
    path = `/${name}${path}`
    ino = parent
  }
  return path === '' ? '/' : path
}

/**
 * The inode that a path means in a state, without following symbolic links; 0 when there is none. A look-up per name.
 * @param path names one char per byte, separated by slashes
 */
export function inodeAt(tree: Tree, dirHash: DirHash, path: string): number {
  return direntChain(tree, dirHash, path).ino
}

/** The same with the keys that were looked up on the way: a state with the same records under them has the same there. */
export function direntChain(tree: Tree, dirHash: DirHash, path: string): { ino: number; keys: Buffer[] } {
  const keys: Buffer[] = []
  let ino = tree.get(K, inodeKey(K, Tag.attr, 1)) ? 1 : 0
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    if (ino === 0 || name.length > limits.nameBytes) return { ino: 0, keys }
    dirHash.of(name)
    const length = direntKey(K, ino, dirHash.high, dirHash.low, name)
    keys.push(Buffer.from(K.subarray(0, length)))
    ino = tree.get(K, length) ? getIno(tree.vb, tree.vp) : 0
  }
  return { ino, keys }
}
