import { ATTR_BYTES, Attr, type DirHash, decodeAttr, direntKey, encodeAttr, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../../codec/index.js'
import { isDirectory, S_IFDIR } from '../../codec/mode.js'
import { type BTree, forgetSeparators } from '../../tree/index.js'
import type { Tree } from '../../tree/tree.js'
import { nameAt } from '../../volume/paths.js'
import { eachWithPrefix, keysWithPrefix, prefixOf } from './prefix.js'

/** Every kind of record that belongs to an inode. */
const inodeTags = [Tag.attr, Tag.content, Tag.extent, Tag.xattr, Tag.orphan]
const K = Buffer.alloc(MAX_KEY_BYTES)

/** A name in a directory; one char per byte. */
export interface Name {
  parent: number
  name: string
}

/** What a path leads to in one tree. */
export interface Place extends Name {
  ino: number
  isDirectory: boolean
}

/** @param path byte string from the root; symbolic links in it are not followed */
export function placeOf(tree: Tree, dirHash: DirHash, path: string): Place | undefined {
  let found: Place | undefined
  for (const name of path.split('/').filter(part => part !== '')) {
    const parent = found?.ino ?? 1
    dirHash.of(name)
    if (!tree.get(K, direntKey(K, parent, dirHash.high, dirHash.low, name))) return undefined
    found = { parent, name, ino: getIno(tree.vb, tree.vp), isDirectory: tree.vb[tree.vp + PREFIX_BYTES - 1] === S_IFDIR >> 12 }
  }
  return found
}

/** Entries of a directory. */
export function entriesOf(tree: Tree, dir: number): Place[] {
  const found: Place[] = []
  eachWithPrefix(tree, prefixOf(Tag.dirent, dir), (key, value) => {
    found.push({ parent: dir, name: nameAt(key, 0, key.length), ino: getIno(value, 0), isDirectory: value[PREFIX_BYTES - 1] === S_IFDIR >> 12 })
  })
  return found
}

/** All that hangs below a place, itself first. */
export function below(tree: Tree, place: Place): Place[] {
  const found = [place]
  // Grows while it is walked.
  for (const one of found) if (one.isDirectory) found.push(...entriesOf(tree, one.ino))
  return found
}

export function attrOf(tree: Tree, ino: number): Attr | undefined {
  return tree.get(K, inodeKey(K, Tag.attr, ino)) ? decodeAttr(tree.vb, tree.vp, new Attr()) : undefined
}

/**
 * Takes what is at a path out of a tree: names, and the records of inodes that have no other name. Files that have one stay with one link less.
 * @returns what is gone with it
 */
export function purgeTree(tree: BTree, dirHash: DirHash, place: Place): Purged {
  const purged: Purged = { inodes: 0, bytes: 0 }
  const places = below(tree, place)
  const names = new Map<number, number>()
  for (const one of places) {
    dirHash.of(one.name)
    const key = Buffer.from(K.subarray(0, direntKey(K, one.parent, dirHash.high, dirHash.low, one.name)))
    tree.del(key, key.length)
    forgetSeparators(tree, key)
    names.set(one.ino, (names.get(one.ino) ?? 0) + 1)
  }
  if (place.isDirectory) changeLinks(tree, place.parent, -1)
  for (const [ino, gone] of names) {
    const attr = attrOf(tree, ino)
    if (attr === undefined) continue
    if (isDirectory(attr.mode) || attr.nlink <= gone) removeInode(tree, ino, purged)
    else changeLinks(tree, ino, -gone)
  }
  return purged
}

/** Inodes that are gone, and the bytes that they had allocated. */
export interface Purged {
  inodes: number
  bytes: number
}

/** Removes an inode that has no name. */
export function removeInode(tree: BTree, ino: number, purged: Purged): void {
  purged.inodes++
  purged.bytes += (attrOf(tree, ino)?.blocks ?? 0) * 512
  for (const tag of inodeTags) {
    const prefix = prefixOf(tag, ino)
    for (const key of keysWithPrefix(tree, prefix)) tree.del(key, key.length)
    // The names of extended attributes may stand in inner pages.
    if (tag === Tag.xattr) forgetSeparators(tree, prefix)
  }
}

function changeLinks(tree: BTree, ino: number, by: number): void {
  const attr = attrOf(tree, ino)
  if (attr === undefined) return
  const value = Buffer.from(tree.vb.subarray(tree.vp, tree.vp + tree.vl))
  attr.nlink += by
  encodeAttr(attr, value.subarray(0, ATTR_BYTES), 0)
  tree.put(K, inodeKey(K, Tag.attr, ino), value, value.length)
}
