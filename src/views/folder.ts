import { Attr, COMMIT_ID_BYTES, checkpointKey, commitIdText, MAX_KEY_BYTES } from '../codec/index.js'
import { CairnError, ENOENT, ENOTDIR, ESTALE } from '../errors.js'
import { type FileSystemApi, S_IFDIR, S_IFREG, typeOf } from '../fs/index.js'
import { limits, systemClock } from '../sys/index.js'
import type { Volume } from '../volume/volume.js'
import type { Control } from './control.js'
import { LogFile } from './log.js'
import { View } from './numbers.js'
import { VERSIONS_ROOT } from './version-tree.js'
import type { Views } from './views.js'

/** Inodes of the folder. Never 1, which in node ids stands for the root of the mount. */
export const Node = { folder: 2, checkpoints: 3, at: 4, versions: 5, control: 6 } as const

const DIRECTORIES: readonly number[] = [Node.folder, Node.checkpoints, Node.at]
const VERSIONS = 'versions'
/** d_ino of entries whose inode is not known before they are looked up. */
const UNKNOWN_INO = 2 ** 40
const DIRECTORY = typeOf(S_IFDIR)
const FILE = typeOf(S_IFREG)
const K = Buffer.alloc(MAX_KEY_BYTES)

/** An entry as readdir shows it; the name has one char per byte. */
export interface Entry {
  readonly name: string
  readonly ino: number
  readonly type: number
}

export interface FolderOptions {
  volume: Volume
  live: FileSystemApi
  /** Inode of the directory that is the root of the mount: its owner owns the folder, and who may write to it may command. */
  rootIno: number
  views: Views
  /** Undefined: there is none. */
  control: Control | undefined
}

/**
 * `.cairn` at the root of a mount: names of the past, each leading into a view. It is never listed in the root, so that programs which walk
 * a tree do not walk into every tree that there was.
 */
export class HistoryFolder {
  /** Of the last `getattr`, and of a `lookup` that stayed here. */
  readonly attr = new Attr()
  /** The view that the last `lookup` led to. */
  view: number = View.folder
  readonly log: LogFile
  readonly #options: FolderOptions
  /** Commits by what they were called, until the history changes. */
  readonly #refs = new Map<string, string>()
  #refsSeen = -1
  readonly #named: ReadonlyMap<string, number>
  readonly #listings = new Map<number, { entries: readonly Entry[]; seen: number }>()
  #changedMs = systemClock.now()
  #seen: number

  constructor(options: FolderOptions) {
    this.#options = options
    this.#named = new Map([...named].filter(([, node]) => node !== Node.control || options.control !== undefined))
    this.log = new LogFile(options.volume, () => systemClock.now())
    this.#seen = options.volume.state.historyChanges
  }

  /** Inode of an entry, in view `view`; or a negated errno. Nothing but the folder's own directories may be remembered by the kernel. */
  lookup(dir: number, name: string): number {
    this.view = View.folder
    switch (dir) {
      case Node.folder:
        return this.#inFolder(name)
      case Node.checkpoints:
        return this.#enter('checkpoints', name, this.#checkpoint(text(name)))
      case Node.at:
        return this.#enter('at', name, this.#resolve(text(name)))
      default:
        return -ENOTDIR
    }
  }

  #inFolder(name: string): number {
    if (name === VERSIONS) {
      this.view = View.versions
      return VERSIONS_ROOT
    }
    const ino = name === 'log' ? this.log.current() : (this.#named.get(name) ?? -ENOENT)
    return ino < 0 ? ino : this.getattr(ino) || ino
  }

  #enter(folder: string, name: string, commit: string | undefined): number {
    if (commit === undefined) return -ENOENT
    const view = this.#options.views.enter(`${folder}/${text(name)}`, commit)
    if (view < 0) return view
    this.view = view
    return this.#options.views.rootOf(view)
  }

  #checkpoint(name: string): string | undefined {
    const { history } = this.#options.volume.state
    if (!history.get(K, checkpointKey(K, name))) return undefined
    return commitIdText(history.vb.subarray(history.vp, history.vp + COMMIT_ID_BYTES))
  }

  /** Id of the commit that a ref means now. */
  #resolve(ref: string): string | undefined {
    const { volume } = this.#options
    if (this.#refsSeen !== volume.state.historyChanges || this.#refs.size >= limits.viewCommits) this.#refs.clear()
    this.#refsSeen = volume.state.historyChanges
    const known = this.#refs.get(ref)
    if (known !== undefined) return known
    try {
      const { id } = volume.history.resolve(ref)
      // What was so long ago is another commit a moment later.
      if (!ref.startsWith('-')) this.#refs.set(ref, id)
      return id
    } catch (error) {
      if (error instanceof CairnError && error.code.startsWith('ERR_REF_')) return undefined
      throw error
    }
  }

  getattr(ino: number): number {
    const { live, rootIno, control } = this.#options
    const a = this.attr
    if (live.getattr(rootIno) < 0) return -ESTALE
    const root = live.attr
    a.uid = root.uid
    a.gid = root.gid
    this.#setTimes()
    a.nlink = 1
    a.size = 0
    if (DIRECTORIES.includes(ino)) {
      a.mode = S_IFDIR | 0o555
      a.nlink = 2
      a.size = 4096
    } else if (ino === Node.control && control !== undefined) {
      a.mode = S_IFREG | (root.mode & (control.isReadOnly ? 0o444 : 0o666))
      a.size = control.size
    } else {
      const log = LogFile.is(ino) ? this.log.text(ino) : undefined
      if (log === undefined) return -ESTALE
      a.mode = S_IFREG | 0o444
      a.size = log.length
    }
    a.blocks = Math.ceil(a.size / 512)
    return 0
  }

  #setTimes(): void {
    const { historyChanges } = this.#options.volume.state
    if (historyChanges !== this.#seen) this.#changedMs = systemClock.now()
    this.#seen = historyChanges
    const a = this.attr
    a.atimeS = a.mtimeS = a.ctimeS = a.btimeS = Math.floor(this.#changedMs / 1000)
    a.atimeNs = a.mtimeNs = a.ctimeNs = a.btimeNs = Math.floor((this.#changedMs % 1000) * 1e6)
  }

  /** The entries of a directory; -ENOTDIR for a file. Who goes on in the middle has the array that somebody began with last. */
  list(ino: number, fromStart: boolean): readonly Entry[] | number {
    if (!DIRECTORIES.includes(ino)) return -ENOTDIR
    const seen = this.#options.volume.state.historyChanges
    const kept = this.#listings.get(ino)
    if (kept !== undefined && (!fromStart || kept.seen === seen)) return kept.entries
    const entries = this.#entriesOf(ino)
    this.#listings.set(ino, { entries, seen })
    return entries
  }

  #entriesOf(ino: number): Entry[] {
    if (ino === Node.folder) {
      const files = [...this.#named].map(([name, node]) => ({ name, ino: node, type: DIRECTORIES.includes(node) ? DIRECTORY : FILE }))
      return [...files, { name: VERSIONS, ino: Node.versions, type: DIRECTORY }, { name: 'log', ino: this.log.current(), type: FILE }]
    }
    const { volume } = this.#options
    const commits = ino === Node.checkpoints ? volume.commits({ checkpointsOnly: true }) : volume.commits({ limit: limits.viewCommits })
    return commits.map(({ name, timeMs }, i) => ({
      name: ino === Node.checkpoints ? bytes(name ?? '') : new Date(timeMs).toISOString(),
      ino: UNKNOWN_INO + i,
      type: DIRECTORY,
    }))
  }
}

const named = new Map<string, number>([
  ['checkpoints', Node.checkpoints],
  ['at', Node.at],
  ['control', Node.control],
])

function text(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

function bytes(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1')
}
