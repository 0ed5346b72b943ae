import { type DirHash, decodePastName, MAX_KEY_BYTES, pastNameEnd, pastNameKey, Tag } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import type { Tree } from '../../tree/tree.js'
import { eachWithPrefix, prefixOf } from './prefix.js'
import { below, type Name, placeOf } from './tree-purge.js'

/** What a path ever meant in a volume: in its trees, and in what its history says of names. */
export class Targets {
  readonly path: string
  /** The path as users write it. */
  readonly shown: string
  /** Names that the path had, by directory. */
  readonly tops = new Map<string, Name>()
  /** Inodes, and whether they were directories. */
  readonly inodes = new Map<number, boolean>()
  readonly #recursive: boolean

  /** @param path UTF-8, from the root */
  constructor(path: string, recursive: boolean) {
    const parts = path.split('/').filter(part => part !== '' && part !== '.')
    if (parts.length === 0 || parts.includes('..'))
      throw new CairnError(
        'ERR_PATH_UNKNOWN',
        `${path} cannot be purged.`,
        'Write the path of a file or directory from the root of the volume; a whole volume goes with `cairn delete --now`.',
        {
          exitCode: 2,
        },
      )
    this.shown = `/${parts.join('/')}`
    this.path = Buffer.from(this.shown, 'utf8').toString('latin1')
    this.#recursive = recursive
  }

  /** Adds what the path means in a tree. @throws CairnError EISDIR for a directory unless it may be one */
  addTree(tree: Tree, dirHash: DirHash): boolean {
    const place = placeOf(tree, dirHash, this.path)
    // The directory may be there still when all its names in it are gone from here.
    const parent = placeOf(tree, dirHash, this.path.slice(0, this.path.lastIndexOf('/')))
    const dir = this.path.lastIndexOf('/') === 0 ? 1 : parent?.isDirectory === true ? parent.ino : undefined
    if (dir !== undefined) this.#addTop({ parent: dir, name: this.path.slice(this.path.lastIndexOf('/') + 1) })
    if (place === undefined) return false
    this.#addInode(place.ino, place.isDirectory)
    for (const one of below(tree, place)) this.#addInode(one.ino, one.isDirectory)
    return true
  }

  #addTop(top: Name): void {
    this.tops.set(`${top.parent}/${top.name}`, top)
  }

  #addInode(ino: number, isDirectory: boolean): void {
    if (isDirectory && !this.#recursive)
      throw new CairnError('EISDIR', `${this.shown} is, or was, a directory.`, 'Use -r to purge it with all that was ever in it.')
    if (this.inodes.get(ino) !== true) this.inodes.set(ino, isDirectory)
  }

  /** Adds what the names meant in between, as far as the history knows. */
  addHistory(history: Tree): void {
    for (const prefix of this.namePrefixes()) this.#addPast(history, prefix)
    // Grows while it is walked: directories in directories.
    for (const [ino, isDirectory] of this.inodes) if (isDirectory) this.#addPast(history, prefixOf(Tag.pastName, ino))
  }

  #addPast(history: Tree, prefix: Uint8Array): void {
    eachWithPrefix(history, prefix, (key, value) => {
      if (pastNameEnd(key, 0, key.length) + 1 === key.length) return
      const past = decodePastName(value, 0, value.length)
      this.#addInode(past.ino, past.isDirectory)
    })
  }

  /** Keys of the past of the names, and of all names in the directories. */
  namePrefixes(): Buffer[] {
    const K = Buffer.alloc(MAX_KEY_BYTES)
    const tops = [...this.tops.values()].map(({ parent, name }) => Buffer.from(K.subarray(0, pastNameKey(K, parent, name))))
    return [...tops, ...[...this.inodes].filter(([, isDirectory]) => isDirectory).map(([ino]) => prefixOf(Tag.pastName, ino))]
  }

  /** Whether a name is one of those that are purged. */
  hasName(parent: number, name: string): boolean {
    return this.inodes.get(parent) === true || this.tops.has(`${parent}/${name}`)
  }
}
