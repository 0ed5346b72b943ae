import type { Head } from '../codec/head.js'
import { direntFromKey, inodeKey, MAX_KEY_BYTES, POINTER_BYTES, packKey, pointerLength, pointerOffset, pointerPack, settingKey, Tag } from '../codec/index.js'
import type { LocalStore } from '../store/contract.js'
import { approach, type BTree } from '../tree/index.js'

/** Inode number of the root directory. */
const ROOT = 1

/** Begins to bring near what a head names, while something else is waited for. */
export function prefetchRoots(store: LocalStore, { root, history }: Pick<Head, 'root' | 'history'>): void {
  if (store.prefetch === undefined) return
  for (const text of [root, history]) {
    const pointer = Buffer.from(text, 'hex')
    if (pointer.length === POINTER_BYTES) store.prefetch(packKey(pointerPack(pointer, 0)), pointerOffset(pointer, 0), pointerLength(pointer, 0))
  }
}

/** Brings into memory what opening a volume reads of its trees, and the root directory, in as few waits as a tree has levels. @throws CorruptError; what the store says */
export function approachOpening(tree: BTree, history: BTree): void {
  const files = [key(K => inodeKey(K, Tag.attr, ROOT)), key(K => direntFromKey(K, ROOT, 0, 0)), Buffer.from([Tag.orphan])]
  const past = [Buffer.from([Tag.applied]), Buffer.from([Tag.incarnation]), Buffer.from([Tag.hidden]), key(K => settingKey(K, 'version-sequence'))]
  approach([...files.map(one => ({ tree, key: one })), ...past.map(one => ({ tree: history, key: one }))])
}

function key(fill: (K: Buffer) => number): Buffer {
  const K = Buffer.alloc(MAX_KEY_BYTES)
  return K.subarray(0, fill(K))
}
