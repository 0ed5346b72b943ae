import { createHash } from 'node:crypto'
import { Tag } from '../codec/index.js'
import { CairnError } from '../errors.js'
import type { Tree } from '../tree/tree.js'

/**
 * What was purged, in the history tree (docs/format.md, tag 1b): keyed hashes only, since the names and the content are what must be gone.
 * `1b | 00 | hash (16)` is a path, `1b | 01 | hash (16)` a block that must not be brought back.
 */
const Kind = { path: 0, block: 1 } as const
const HASH_BYTES = 16

function markKey(kind: number, dirHashKey: string, what: Uint8Array): Buffer {
  const hash = createHash('sha256').update(Buffer.from(dirHashKey, 'hex')).update(what).digest()
  return Buffer.concat([Buffer.from([Tag.purged, kind]), hash.subarray(0, HASH_BYTES)])
}

/** @param path byte string from the root */
export function pathMark(dirHashKey: string, path: string): Buffer {
  return markKey(Kind.path, dirHashKey, Buffer.from(path, 'latin1'))
}

/** @param hash SHA-256 of the plain block */
export function blockMark(dirHashKey: string, hash: Uint8Array): Buffer {
  return markKey(Kind.block, dirHashKey, hash)
}

/** Says that what is asked for was purged, where it was. @param path byte string from the root; @param dirHashKey of the volume's head */
export function refusePurged(history: Tree, dirHashKey: string, path: string): void {
  const atMs = purgedAt(history, dirHashKey, path.startsWith('/') ? path : `/${path}`)
  if (atMs === undefined) return
  const shown = Buffer.from(path, 'latin1').toString('utf8')
  throw new CairnError(
    'ERR_PURGED',
    `${shown} was purged at ${new Date(atMs).toISOString()}: what it held before is gone for good.`,
    'Look for it in a bundle or an export made before that.',
  )
}

/** When a path, or a directory above it, was purged last; undefined when it never was. */
export function purgedAt(history: Tree, dirHashKey: string, path: string): number | undefined {
  for (let end = path.replace(/\/+$/, '').length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const key = pathMark(dirHashKey, path.slice(0, end))
    if (history.get(key, key.length)) return Buffer.from(history.vb.subarray(history.vp, history.vp + history.vl)).readUIntLE(0, 6)
  }
  return undefined
}

export function isForbidden(history: Tree, dirHashKey: string, hash: Uint8Array): boolean {
  const key = blockMark(dirHashKey, hash)
  return history.get(key, key.length)
}

export function markValue(timeMs: number): Buffer {
  const value = Buffer.alloc(6)
  value.writeUIntLE(Math.floor(timeMs), 0, 6)
  return value
}
