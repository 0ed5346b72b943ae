import {
  commitIdBound,
  commitKey,
  decodeCommit,
  decodeViewRecord,
  encodeViewRecord,
  MAX_KEY_BYTES,
  mountOfViewKey,
  Tag,
  type ViewRecord,
  viewKey,
  viewOfKey,
} from '../codec/index.js'
import { CairnError, ENFILE, ENOENT, ESTALE } from '../errors.js'
import { FileSystem, type FileSystemApi, isDirectory } from '../fs/index.js'
import { limits } from '../sys/index.js'
import type { Volume } from '../volume/volume.js'
import { keep } from './keep.js'
import { View } from './numbers.js'

/** A commit seen through a mount under one name. */
interface Numbered {
  readonly number: number
  /** `checkpoints/NAME` or `at/REF`. Another name of the same commit is another view: the kernel knows a directory by one name only. */
  readonly name: string
  readonly commit: string
  /** See `ViewRecord`. */
  readonly root?: string
  /** How often the commit's tree had been rewritten when this was numbered. */
  readonly rewritten: number
  /** Inode of its root; 0 while it is not known. */
  rootIno: number
  /** Look-ups of its root that the kernel has not forgotten. */
  lookups: number
  /** A server before this one numbered it: how often it was looked up there is not known. */
  isResumed: boolean
  lastUsed: number
}

/** A commit as a filesystem, and where in it the root of the mount is. */
interface Shown {
  readonly fs: FileSystemApi
  readonly rootIno: number
  readonly rewritten: number
  /** The state of the history in which the commit was there. */
  seen: number
  lastUsed: number
}

export interface ViewsOptions {
  volume: Volume
  mountId: number
  /** The directory shown as the root, by inode, and by the path that it had when it was mounted. */
  rootIno: number
  sub: string
  /** Views of the server that had this mount before go on. */
  resumed: boolean
  /** Whether a mount with this id is there, this one or another; default only this one. */
  isMount?: (id: number) => boolean
  /** Whether the kernel knows the root directory of a view. */
  isHeld: (view: number, rootIno: number) => boolean
  /** Asks the kernel to forget names below `.cairn`, as far as nobody uses them. */
  letGo: (names: readonly string[]) => void
}

/** How many names the kernel is asked to forget at once. */
const LET_GO = 64
const K = Buffer.alloc(MAX_KEY_BYTES)

/**
 * The numbers of one mount's views. A number is journaled before anybody hears of it, so that whoever stands in a view, or has a file
 * of it open, goes on when the server is killed; it is given to another commit only when the kernel knows nothing of it any more: whatever
 * the kernel holds of a view, it holds its root directory too.
 */
export class Views {
  readonly #options: ViewsOptions
  readonly #byNumber = new Map<number, Numbered>()
  readonly #byName = new Map<string, Numbered>()
  readonly #shown = new Map<string, Shown>()
  #clock = 0

  constructor(options: ViewsOptions) {
    this.#options = options
    const leftovers = this.#resume()
    if (leftovers.length > 0) this.#erase(leftovers)
  }

  /** The filesystem that shows a view; undefined for a number that was never given, or whose commit is gone. */
  get(number: number): FileSystemApi | undefined {
    const view = this.#byNumber.get(number)
    if (view === undefined) return undefined
    view.lastUsed = ++this.#clock
    return this.#isOf(view) ? this.#show(view.commit)?.fs : undefined
  }

  /** Whether a view is still of the tree that the commit has: pages of another one, that the kernel keeps, may hold what was purged. */
  #isOf({ commit, rewritten }: Numbered): boolean {
    return rewritten === this.#rewritten(commit)
  }

  #rewritten(commit: string): number {
    return this.#options.volume.state.rewritten.get(commit) ?? 0
  }

  /** Inode of the directory of a view that stands for the root of the mount. */
  rootOf(number: number): number {
    const view = this.#byNumber.get(number)
    if (view === undefined) return -ENOENT
    if (view.rootIno === 0) view.rootIno = this.#show(view.commit)?.rootIno ?? -ENOENT
    return view.rootIno
  }

  /**
   * Looks up the root of a commit under a name: the number of its view, which the kernel will have to forget. -ESTALE for a commit that
   * is gone, -ENOENT for one without the directory that is mounted, -ENFILE when all numbers are held, or the errno of a full disk.
   */
  enter(name: string, commit: string): number {
    const shown = this.#show(commit)
    if (shown === undefined) return -ESTALE
    if (shown.rootIno < 0) return shown.rootIno
    let view = this.#byName.get(keyOf(name, commit))
    if (view === undefined || !this.#isOf(view)) {
      const number = this.#allot(name, commit)
      if (number < 0) return number
      view = this.#add({ number, name, commit, rewritten: this.#rewritten(commit), rootIno: shown.rootIno, lookups: 0, isResumed: false, lastUsed: 0 })
    }
    view.lookups++
    view.lastUsed = ++this.#clock
    return view.number
  }

  /** The kernel forgot `count` look-ups of an inode. */
  forgotten(number: number, ino: number, count: number): void {
    const view = this.#byNumber.get(number)
    if (view === undefined || ino !== this.rootOf(number)) return
    // More than were looked up here: those of the server before, which are all that there were.
    if (count > view.lookups) view.isResumed = false
    view.lookups = Math.max(0, view.lookups - count)
  }

  /** The mount is gone, and its views with it. */
  end(): void {
    this.#erase(this.#keys())
    this.#byNumber.clear()
    this.#byName.clear()
    this.#shown.clear()
  }

  #add(view: Numbered): Numbered {
    this.#byNumber.set(view.number, view)
    this.#byName.set(keyOf(view.name, view.commit), view)
    return view
  }

  /** Views of this mount are taken up again; keys of others, which ended without a word, are returned. */
  #resume(): Buffer[] {
    const { resumed, mountId } = this.#options
    return this.#keys((key, record) => {
      const number = viewOfKey(key, 0)
      if (number === View.versions && resumed) return false
      if (!resumed || !key.equals(K.subarray(0, viewKey(K, mountId, number)))) return true
      const decoded = decodeViewRecord<ViewRecord>(record, 0, record.length)
      const isSame = decoded.root === undefined || decoded.root === this.#rootOf(decoded.commit)
      this.#add({ number, ...decoded, rewritten: isSame ? this.#rewritten(decoded.commit) : -1, rootIno: 0, lookups: 0, isResumed: true, lastUsed: 0 })
      return false
    })
  }

  /** Keys of all views that the volume has records of, but for those of other mounts that are there. What a reader finds is of its writer's mount. */
  #keys(wanted: (key: Buffer, record: Buffer) => boolean = () => true): Buffer[] {
    const found: Buffer[] = []
    if (this.#options.volume.isReader) return found
    const cursor = this.#options.volume.state.history.cursor()
    const from = Buffer.from([Tag.session])
    let more = cursor.seek(from, 1)
    while (more && cursor.buf[cursor.kp] === Tag.session) {
      const key = Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
      const mount = mountOfViewKey(key, 0)
      const isOthers = mount !== this.#options.mountId && this.#options.isMount?.(mount) === true
      if (!isOthers && wanted(key, Buffer.from(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl)))) found.push(key)
      more = cursor.next()
    }
    return found
  }

  #erase(keys: readonly Buffer[]): void {
    const { session } = this.#options.volume
    if (keys.length === 0) return
    session.look()
    for (const key of keys) session.historyDel(key, key.length)
    session.commit()
  }

  /** Numbers a view and journals that. The number or a negated errno. */
  #allot(name: string, commit: string): number {
    const { mountId, volume } = this.#options
    const { session } = volume
    const dropped = this.#dropIdle()
    const number = this.#free(dropped)
    if (number < 0) return number
    session.look()
    for (const view of dropped) if (view.number !== number) session.historyDel(K, viewKey(K, mountId, view.number))
    const root = this.#rootOf(commit)
    const value = encodeViewRecord({ name, commit, ...(root === '' ? {} : { root }) })
    session.historyPut(K, viewKey(K, mountId, number), value, value.length)
    let failed: number | undefined
    try {
      failed = keep(session)
    } finally {
      if (failed !== 0) for (const view of dropped) this.#add(view)
    }
    return failed < 0 ? failed : number
  }

  /** Pointer of a commit's root; empty while no seal has written it, or when the commit is gone. */
  #rootOf(commit: string): string {
    const id = commitIdBound(commit, false)
    const { history } = this.#options.volume.state
    return id !== undefined && history.get(K, commitKey(K, id)) ? decodeCommit(history.vb, history.vp, history.vl).root : ''
  }

  /** The lowest number that nobody has: they stay small, and st_ino with them. */
  #free(dropped: readonly Numbered[]): number {
    const held = this.#byNumber.size
    if (held >= limits.heldViews) this.#askToLetGo()
    if (dropped.length > 0) return Math.min(...dropped.map(view => view.number))
    for (let number = View.firstCommit as number; number <= View.last; number++) if (!this.#byNumber.has(number) && !this.#isLeft(number)) return number
    return -ENFILE
  }

  /** A server before this one gave out the number, of which a reader keeps no record, and the kernel has not forgotten it. */
  #isLeft(number: number): boolean {
    const { volume, resumed, rootIno, isHeld } = this.#options
    return volume.isReader && resumed && isHeld(number, rootIno)
  }

  /** Takes the numbers of views that the kernel forgot, those used longest ago first, as far as there are too many of them. */
  #dropIdle(): Numbered[] {
    const isFull = this.#byNumber.size > View.last - View.firstCommit
    const kept = isFull ? 0 : limits.idleViews - 1
    const forgotten = [...this.#byNumber.values()].filter(view => view.lookups === 0)
    if (forgotten.length <= kept) return []
    const idle = forgotten.filter(view => !view.isResumed || !this.#options.isHeld(view.number, this.rootOf(view.number)))
    idle.sort((a, b) => a.lastUsed - b.lastUsed)
    const dropped = idle.slice(0, Math.max(0, idle.length - kept))
    for (const view of dropped) {
      this.#byNumber.delete(view.number)
      const key = keyOf(view.name, view.commit)
      if (this.#byName.get(key) === view) this.#byName.delete(key)
    }
    return dropped
  }

  #askToLetGo(): void {
    const oldest = [...this.#byNumber.values()].sort((a, b) => a.lastUsed - b.lastUsed).slice(0, LET_GO)
    this.#options.letGo(oldest.map(view => view.name))
  }

  #show(commit: string): Shown | undefined {
    let shown = this.#shown.get(commit)
    if (shown !== undefined && !this.#isThere(commit, shown)) {
      this.#shown.delete(commit)
      shown = undefined
    }
    if (shown === undefined) {
      shown = this.#open(commit)
      if (shown === undefined) return undefined
      this.#shown.set(commit, shown)
      if (this.#shown.size > limits.viewFilesystems) this.#closeOne(commit)
    }
    shown.lastUsed = ++this.#clock
    return shown
  }

  #isThere(commit: string, shown: Shown): boolean {
    const { state } = this.#options.volume
    if (shown.seen === state.historyChanges) return true
    shown.seen = state.historyChanges
    const id = commitIdBound(commit, false)
    return id !== undefined && state.history.get(K, commitKey(K, id)) && shown.rewritten === this.#rewritten(commit)
  }

  /** Nothing is lost with a filesystem that nobody changes: it is made again when somebody asks. */
  #closeOne(except: string): void {
    let oldest: string | undefined
    let at = Number.POSITIVE_INFINITY
    for (const [commit, { lastUsed }] of this.#shown) {
      if (lastUsed >= at || commit === except) continue
      oldest = commit
      at = lastUsed
    }
    if (oldest !== undefined) this.#shown.delete(oldest)
  }

  /** Undefined when the commit was pruned. */
  #open(commit: string): Shown | undefined {
    try {
      const fs = new FileSystem(this.#options.volume.at(commit), { nameCacheEntries: limits.viewNames })
      const { historyChanges } = this.#options.volume.state
      return { fs, rootIno: this.#rootIn(fs), rewritten: this.#rewritten(commit), seen: historyChanges, lastUsed: 0 }
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_REF_UNKNOWN') return undefined
      throw error
    }
  }

  /** The directory by its inode, wherever it was then; or the one that stood at its path. */
  #rootIn(fs: FileSystemApi): number {
    const { rootIno, sub } = this.#options
    if (fs.getattr(rootIno) === 0 && isDirectory(fs.attr.mode)) return rootIno
    const ino = fs.resolve(Buffer.from(sub).toString('latin1'), true)
    return ino > 0 && isDirectory(fs.attr.mode) ? ino : -ENOENT
  }
}

function keyOf(name: string, commit: string): string {
  return `${name}\n${commit}`
}
