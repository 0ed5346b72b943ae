import { getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES } from '../../codec/index.js'
import type { Tree } from '../../tree/tree.js'

/** Visits the keys that begin with `prefix`, in order; the views are valid during the call. The tree may not change meanwhile. */
export function eachWithPrefix(tree: Tree, prefix: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): void {
  const cursor = tree.cursor()
  for (let more = cursor.seek(prefix, prefix.length); more; more = cursor.next()) {
    const key = cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)
    if (key.length < prefix.length || Buffer.compare(key.subarray(0, prefix.length), prefix) !== 0) return
    visit(key, cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
  }
}

export function keysWithPrefix(tree: Tree, prefix: Uint8Array): Buffer[] {
  const keys: Buffer[] = []
  eachWithPrefix(tree, prefix, key => keys.push(Buffer.from(key)))
  return keys
}

/** `tag | inode`, copied. */
export function prefixOf(tag: number, ino: number): Buffer {
  const key = Buffer.alloc(MAX_KEY_BYTES)
  return key.subarray(0, inodeKey(key, tag, ino))
}

export function inodeOf(key: Uint8Array): number {
  return key.length < PREFIX_BYTES ? 0 : getIno(key, 1)
}
