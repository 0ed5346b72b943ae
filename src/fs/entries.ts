import { direntKey, INO_BYTES, putIno } from '../codec/index.js'
import { EINVAL, ENAMETOOLONG } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Context } from './context.js'

/** `.`, `..`, and the empty name that stands for the root: never the name of an entry. */
export function isSpecialName(name: string): boolean {
  return name === '.' || name === '..' || name === ''
}

/** The folder of a volume's history in its mounts: a name that no entry of the root directory may have. */
export const HISTORY_NAME = '.cairn'

export function isReserved(c: Context, dir: number, name: string): boolean {
  return dir === c.session.rootIno && name === HISTORY_NAME
}

/** Whether a name may be given to an entry. 0 or a negated errno. */
export function checkName(name: string): number {
  if (name.length > limits.nameBytes) return -ENAMETOOLONG
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i)
    if (byte === 0 || byte === 47 || byte > 255) return -EINVAL
  }
  return 0
}

/** Adds an entry to the batch. Leaves the name's hash in `session.dirHash`. */
export function putEntry(c: Context, dir: number, name: string, ino: number, type: number): void {
  const { session, K, V } = c
  const hash = session.dirHash
  hash.of(name)
  putIno(V, 0, ino)
  V[INO_BYTES] = type
  session.put(K, direntKey(K, dir, hash.high, hash.low, name), V, INO_BYTES + 1)
}

export function delEntry(c: Context, dir: number, name: string): void {
  const { session, K } = c
  const hash = session.dirHash
  hash.of(name)
  session.del(K, direntKey(K, dir, hash.high, hash.low, name))
}
