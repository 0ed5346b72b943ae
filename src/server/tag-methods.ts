import { getIno, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../codec/index.js'
import { TAG_PREFIX } from '../fs/attribute-names.js'
import type { Tree } from '../tree/tree.js'
import { pathOfInode } from '../volume/paths.js'
import type { Sessions } from './sessions.js'

/** Attributes looked at for one answer. */
const LOOKED_AT = 2000
const CHUNK_BYTES = 3
const K = Buffer.alloc(MAX_KEY_BYTES)

export interface TaggedPage {
  found: Array<{ path: string; tags: string[] }>
  /** Where to go on; without it there are no more. */
  next?: string
}

/** What clients ask of tags, by method name. */
export function tagMethods(sessions: Sessions) {
  return {
    tagged: (session: string, id: number, tag?: string | null, from?: string | null): TaggedPage =>
      taggedPage(sessions.get(session, id).fs.session.tree, tag ?? undefined, from ?? undefined),
  }
}

/** What has a tag, found by the attributes that there are, however large the tree is. */
export function taggedPage(tree: Tree, tag: string | undefined, from?: string): TaggedPage {
  const byInode = new Map<number, string[]>()
  const prefix = Buffer.from(TAG_PREFIX + (tag ?? ''))
  const cursor = tree.cursor()
  let length = 1
  K[0] = Tag.xattr
  if (from !== undefined) length = Buffer.from(from, 'hex').copy(K)
  let looked = 0
  let next: string | undefined
  for (let more = cursor.seek(K, length); more && cursor.buf[cursor.kp] === Tag.xattr; more = cursor.next()) {
    const { buf, kp, kl } = cursor
    const name = Buffer.from(buf.subarray(kp + PREFIX_BYTES, kp + kl - CHUNK_BYTES))
    const ino = getIno(buf, kp + 1)
    // All tags of one file are told together.
    if (looked++ >= LOOKED_AT && !byInode.has(ino)) {
      next = Buffer.from(buf.subarray(kp, kp + kl)).toString('hex')
      break
    }
    const isIt = tag === undefined ? name.subarray(0, prefix.length).equals(prefix) : name.equals(prefix)
    if (isIt) byInode.set(ino, [...(byInode.get(ino) ?? []), name.subarray(TAG_PREFIX.length).toString('utf8')])
  }
  const found = [...byInode].flatMap(([ino, tags]) => {
    const path = pathOfInode(tree, ino)
    return path === undefined ? [] : [{ path: Buffer.from(path, 'latin1').toString('utf8'), tags }]
  })
  return { found, ...(next === undefined ? {} : { next }) }
}
