import { DirHash, Tag } from '../../codec/index.js'
import type { Pool } from '../../volume/pool.js'
import { openTree } from '../../volume/recovery.js'
import { allCommits } from '../bundle/bundle-source.js'
import { eachWithPrefix, prefixOf } from './prefix.js'
import { attrOf, placeOf } from './tree-purge.js'

/** Another volume that shares what was purged. */
export interface Holder {
  volume: string
  id: string
  /** Deleted, but it can be brought back. */
  deleted?: true
}

/**
 * The volumes of the lineage that have files with these inode numbers, in a state or a version: forks, their forks, what they were forked from. What is not
 * sealed in volumes that are open elsewhere is not seen.
 * @param path what counts where no inode is known any more, because all was purged before
 */
export function holdersOf(pool: Pool, id: string, inodes: readonly number[], path: string): Holder[] {
  for (const volume of pool.open()) volume.flush()
  const heads = pool.heads().map(({ value }) => value)
  const lineage = heads.find(head => head.volume === id)?.dirHashKey
  return heads
    .filter(head => head.volume !== id && head.dirHashKey === lineage && head.name !== '' && head.pending !== true)
    .filter(head => holds(pool, head, inodes, path))
    .map(head => ({ volume: head.name, id: head.volume, ...(head.deletedMs === undefined ? {} : { deleted: true as const }) }))
}

function holds(pool: Pool, head: { root: string; history: string; dirHashKey: string }, inodes: readonly number[], path: string): boolean {
  const { pages } = pool.context
  const history = openTree(pages, head.history)
  const dirHash = new DirHash(Buffer.from(head.dirHashKey, 'hex'))
  const bytes = Buffer.from(path, 'utf8').toString('latin1')
  const roots = new Set([head.root, ...allCommits(history).map(({ record }) => record.root)])
  for (const root of roots) {
    if (root === '') continue
    const tree = openTree(pages, root)
    if (inodes.length === 0 ? placeOf(tree, dirHash, bytes) !== undefined : inodes.some(ino => attrOf(tree, ino) !== undefined)) return true
  }
  let isVersion = false
  for (const ino of inodes) {
    eachWithPrefix(history, prefixOf(Tag.version, ino), () => {
      isVersion = true
    })
  }
  return isVersion
}
