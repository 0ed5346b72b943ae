import { Tag } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import type { BTree } from '../../tree/index.js'
import type { HeadFile } from '../../volume/head.js'
import type { Pool } from '../../volume/pool.js'
import { openTree } from '../../volume/recovery.js'
import { windowAt, windowsIn } from '../../volume/windows.js'
import { endOf } from '../history-records.js'
import { allCommits } from './bundle-source.js'

/** What the receiver has of a bundle that holds only what came after a commit. */
export interface BundleBase {
  /** Where it is, with the roots of that tree and of the history in hex: for a head that keeps them from the collector. */
  head: HeadFile
  pinned: { root: string; history: string }
  /** The tree of that commit, as one that may be changed. */
  tree: BTree
  /** Roots of the commits up to it, by id. */
  roots: ReadonlyMap<string, string>
  history: BTree
  timeMs: number
}

/** Looks for a volume that has this commit sealed. @throws CairnError ERR_BUNDLE_BASE */
export function findBase(pool: Pool, since: { commit: string; timeMs: number }, of: { name: string; dirHashKey: string }): BundleBase {
  for (const file of pool.heads()) {
    const head = file.value
    if (head.pending === true || head.dirHashKey !== of.dirHashKey || head.history === '') continue
    const history = openTree(pool.context.pages, head.history)
    const commits = allCommits(history).filter(({ id, record }) => id <= since.commit && record.root !== '')
    const found = commits.find(({ id }) => id === since.commit)
    if (found === undefined) continue
    const roots = new Map(commits.map(({ id, record }) => [id, record.root]))
    const pinned = { root: found.record.root, history: head.history }
    return { head: file, pinned, tree: openTree(pool.context.pages, found.record.root), roots, history, timeMs: found.record.timeMs }
  }
  throw new CairnError(
    'ERR_BUNDLE_BASE',
    `This bundle holds only what changed in ${of.name} since commit ${since.commit}, which no volume here has.`,
    'Unbundle one that goes back further first: one made without --since has everything.',
  )
}

/** The history of the base up to its commit, for the records of the bundle to be added: these hold all but the versions before it. */
export function baseHistory(base: BundleBase): BTree {
  const { history, timeMs } = base
  const windows = windowsIn(history)
  const gone: Buffer[] = []
  const cursor = history.cursor()
  for (let more = cursor.seek(Buffer.from([0]), 1); more; more = cursor.next()) {
    const key = cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)
    const sequence = endOf(key)
    if (key[0] !== Tag.version || sequence >= timeMs * 1000 || windowAt(windows, sequence / 1000) !== undefined) gone.push(Buffer.from(key))
  }
  for (const key of gone) history.del(key, key.length)
  return history
}
