import { type DirHash, direntKey, getIno, MAX_KEY_BYTES } from '../codec/index.js'
import type { BTree } from '../tree/index.js'
import { hintedName, readAttr } from './paths.js'
import type { TreeChanges } from './tree-changes.js'

/** What SQLite keeps beside a database: each is worth something only together with the others. */
const besides = ['-journal', '-wal', '-shm']
const K = Buffer.alloc(MAX_KEY_BYTES)

/** A database by its directory and name. */
interface Database {
  parent: number
  name: string
}

/**
 * Makes the open files of a database stale together: when one of them is another one now, a handle of any of the others would mix two states of it. Names of
 * journals are looked up again. Adds to `changes`.
 * @param before,after the trees
 * @param mayHold true when a handle of the inode may be open
 */
export function staleTogether(changes: TreeChanges, before: BTree, after: BTree, dirHash: DirHash, mayHold: (ino: number) => boolean): void {
  for (const { parent, name } of databasesOf(changes, before, mayHold)) {
    for (const suffix of ['', ...besides]) {
      const ino = inodeOf(before, dirHash, parent, name + suffix)
      if (ino === 0) continue
      if (mayHold(ino)) changes.stale.add(ino)
      if (suffix !== '') changes.entries.push({ parent, name: name + suffix, ino: inodeOf(after, dirHash, parent, name + suffix) })
    }
  }
}

function databasesOf(changes: TreeChanges, before: BTree, mayHold: (ino: number) => boolean): Database[] {
  const found = new Map<string, Database>()
  const add = (parent: number, name: string): void => {
    const base = databaseOf(name) ?? name
    found.set(`${parent}/${base}`, { parent, name: base })
  }
  for (const { parent, name } of changes.entries) if (databaseOf(name) !== undefined) add(parent, name)
  for (const ino of changes.stale) {
    const attr = mayHold(ino) ? readAttr(before, ino) : undefined
    if (attr === undefined) continue
    const { parent, nameHigh, nameLow } = attr
    const name = hintedName(before, ino, parent, nameHigh, nameLow)
    if (name !== undefined) add(parent, name)
  }
  return [...found.values()]
}

function databaseOf(name: string): string | undefined {
  const suffix = besides.find(each => name.endsWith(each))
  return suffix === undefined ? undefined : name.slice(0, -suffix.length)
}

function inodeOf(tree: BTree, dirHash: DirHash, parent: number, name: string): number {
  dirHash.of(name)
  return tree.get(K, direntKey(K, parent, dirHash.high, dirHash.low, name)) ? getIno(tree.vb, tree.vp) : 0
}
