import type { FileSystemApi } from '../fs/filesystem.js'
import { isDirectory } from '../fs/index.js'
import { limits } from '../sys/index.js'
import { Access, type Ground, type PathRules } from '../views/index.js'

interface NameOf {
  readonly dir: number
  readonly name: string
}

/** Nobody knows under which name the kernel has an inode: it must look it up again. */
export const UNKNOWN = -1

/**
 * What the rules of a view say of inodes, by the paths that they have now. The kernel knows an inode by its number alone: of a file with several names the
 * strictest of those counts that were looked up through this view.
 */
export class GuardedNames {
  readonly rules: PathRules
  readonly #live: FileSystemApi
  readonly #grounds = new Map<number, Ground>()
  /** Of states of the past, which never change. */
  readonly #past = new WeakMap<FileSystemApi, Map<number, Ground>>()
  /** Names under which the kernel has what is no directory. */
  readonly #names = new Map<number, NameOf[]>()
  #epoch = -1

  constructor(rules: PathRules, live: FileSystemApi) {
    this.rules = rules
    this.#live = live
  }

  /** A directory; undefined for one that was removed. */
  ground(fs: FileSystemApi, dir: number): Ground | undefined {
    const known = this.#groundsOf(fs)
    const found = dir === fs.session.rootIno ? this.rules.root : known.get(dir)
    if (found !== undefined) return found
    if (fs.pathOf(dir) < 0) return undefined
    const name = fs.text.slice(fs.text.lastIndexOf('/') + 1)
    const parent = fs.find(dir, '..')
    const above = parent < 0 ? undefined : this.ground(fs, parent)
    if (above === undefined) return undefined
    const ground = this.rules.below(above, name)
    if (known.size >= limits.viewDirectories) known.clear()
    known.set(dir, ground)
    return ground
  }

  #groundsOf(fs: FileSystemApi): Map<number, Ground> {
    if (fs === this.#live) {
      if (this.#epoch !== fs.pathEpoch) this.#grounds.clear()
      this.#epoch = fs.pathEpoch
      return this.#grounds
    }
    const known = this.#past.get(fs) ?? new Map<number, Ground>()
    this.#past.set(fs, known)
    return known
  }

  /** What may be done with a name, whether there is something or not. In a directory that was removed there is nothing to be done. */
  ofName(fs: FileSystemApi, dir: number, name: string): Access {
    const ground = this.ground(fs, dir)
    return ground === undefined ? Access.writable : this.rules.access(this.rules.below(ground, name))
  }

  /** What may be done with an inode of the live volume; UNKNOWN when no name of it is known. What has no name any more is its holder's own. */
  ofInode(ino: number): Access | typeof UNKNOWN {
    const fs = this.#live
    if (fs.getattr(ino) < 0) return Access.writable
    if (isDirectory(fs.attr.mode)) {
      const ground = this.ground(fs, ino)
      return ground === undefined ? Access.writable : this.rules.access(ground)
    }
    const links = fs.attr.nlink
    if (links === 0) return Access.writable
    const seen = this.#strictest(ino)
    if (seen !== UNKNOWN || links > 1) return seen
    return fs.pathOf(ino) < 0 ? UNKNOWN : this.rules.accessOf(fs.text)
  }

  #strictest(ino: number): Access | typeof UNKNOWN {
    const names = this.#names.get(ino)
    if (names === undefined) return UNKNOWN
    const valid = names.filter(({ dir, name }) => this.#live.find(dir, name) === ino)
    if (valid.length < names.length) this.#names.set(ino, valid)
    let least: Access | typeof UNKNOWN = UNKNOWN
    for (const { dir, name } of valid) {
      const access = this.ofName(this.#live, dir, name)
      if (least === UNKNOWN || access < least) least = access
    }
    return least
  }

  /** The kernel was told what a name means. */
  remember(dir: number, name: string, ino: number): void {
    if (ino <= 0) return
    const names = this.#names.get(ino)
    if (names === undefined) this.#names.set(ino, [{ dir, name }])
    else if (!names.some(one => one.dir === dir && one.name === name)) names.push({ dir, name })
  }

  forget(ino: number): void {
    this.#names.delete(ino)
  }

  /** Whether all below a directory may be treated as it was once it stands elsewhere. Looks at `limits.viewMovedEntries` entries at most. */
  moves(dir: number, from: Ground, to: Ground): boolean {
    const left = { entries: limits.viewMovedEntries }
    return this.#moves(dir, from, to, left)
  }

  #moves(dir: number, from: Ground, to: Ground, left: { entries: number }): boolean {
    const { rules } = this
    if (from.flags === to.flags && !rules.hasPaths) return true
    const directories: [number, Ground, Ground][] = []
    let isSame = true
    this.#live.readdir(dir, 0, 0, (name, ino, type) => {
      const [a, b] = [rules.below(from, name), rules.below(to, name)]
      isSame = --left.entries >= 0 && rules.access(a) === rules.access(b)
      if (isSame && type === DT_DIR) directories.push([ino, a, b])
      return isSame
    })
    return isSame && directories.every(([ino, a, b]) => this.#moves(ino, a, b, left))
  }
}

const DT_DIR = 4
