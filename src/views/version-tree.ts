import { createHash } from 'node:crypto'
import { Attr, decodeViewRecord, encodeViewRecord, MAX_KEY_BYTES, type VersionNodeRecord, versionNodeKey } from '../codec/index.js'
import { CairnError, EIO, ENOENT, ENOTDIR, ESTALE } from '../errors.js'
import { FileSystem, type FileSystemApi, isDirectory, S_IFDIR, S_IFMT, typeOf } from '../fs/index.js'
import { limits, systemClock } from '../sys/index.js'
import { namesBelow } from '../volume/versions/names-below.js'
import type { Entry as VersionEntry } from '../volume/versions/past.js'
import type { Volume } from '../volume/volume.js'
import type { Entry } from './folder.js'
import { keep } from './keep.js'
import { View } from './numbers.js'
import { isReadable, nameOfVersion } from './version-names.js'

export const VERSIONS_ROOT = 2
/** Above the root; hashes are 51 bits. */
const FIRST_INO = 16
const DIRECTORY = typeOf(S_IFDIR)
const K = Buffer.alloc(MAX_KEY_BYTES)

/** What an inode stands for. */
interface Known extends VersionNodeRecord {
  /** Below the root of the mount, one char per byte, beginning with a slash; that of a version is its file's. */
  readonly path: string
  /** That the kernel has not forgotten; more in truth when a server before this one was asked too. */
  lookups: number
}

interface Listed {
  readonly entries: readonly VersionEntry[]
  readonly sequence: number
  readonly atMs: number
}

/** A version of a file that is open for reading. */
export interface VersionFile {
  readonly fs: FileSystemApi
  readonly ino: number
}

export interface VersionTreeOptions {
  volume: Volume
  live: FileSystemApi
  mountId: number
  rootIno: number
  sub: string
  /** Whether a path of the volume, one char per byte, is shown; default all. */
  isShown?: ((path: string) => boolean) | undefined
}

/**
 * `.cairn/versions`: every path of the mount that has or had something is a directory, with a file for each version, and with what stands below it. An inode number is a hash of
 * the path and version that it means. What it means is journaled before the kernel hears of it, so that the next server knows.
 */
export class VersionTree {
  readonly attr = new Attr()
  readonly #options: VersionTreeOptions
  readonly #known = new Map<number, Known>()
  readonly #listed = new Map<string, Listed>()
  readonly #open = new Map<number, VersionFile>()
  readonly #shown = new Map<number, readonly Entry[]>()
  #forgotten: number[] = []

  constructor(options: VersionTreeOptions) {
    this.#options = options
  }

  /** Inode of a name, which the kernel will have to forget; or a negated errno. Fills `attr`. */
  lookup(dir: number, name: string): number {
    const above = this.#find(dir)
    if (above === undefined) return -ESTALE
    if (above.version !== undefined) return -ENOTDIR
    const version = this.#version(above.path, name)
    const path = version === undefined ? `${above.path}/${name}` : above.path
    if (version === undefined && !this.#exists(path)) return -ENOENT
    const ino = inoOf(path, version)
    const failed = this.#know(ino, { parent: dir, name, path, ...(version === undefined ? {} : { version }), lookups: 0 })
    try {
      return failed || this.getattr(ino) || ino
    } catch (error) {
      // The kernel hears of no look-up, or of one that is made again.
      const known = this.#known.get(ino)
      if (known !== undefined) known.lookups--
      throw error
    }
  }

  #version(path: string, name: string): VersionNodeRecord['version'] {
    if (!/^\d{4,}-\d/.test(name)) return undefined
    const find = (entries: readonly VersionEntry[]) => entries.find(entry => isReadable(entry) && nameOfVersion(entry) === name)
    const found = find(this.#versions(path)) ?? find(this.#versions(path, true))
    return found === undefined ? undefined : { number: found.number, sequence: found.sequence }
  }

  #isShown(path: string): boolean {
    const { isShown } = this.#options
    return isShown === undefined || isShown(this.#inVolume(path))
  }

  #exists(path: string): boolean {
    if (!this.#isShown(path)) return false
    return this.#versions(path).length > 0 || namesBelow(this.#options.volume.versions.past(), this.#inVolume(path)) !== undefined
  }

  /** Counts a look-up, and records what is new. 0 or a negated errno. */
  #know(ino: number, node: Known): number {
    const known = this.#find(ino)
    if (known !== undefined) {
      if (known.path !== node.path || known.version?.sequence !== node.version?.sequence) return -EIO
      known.lookups++
      return 0
    }
    const { volume, mountId } = this.#options
    const { session } = volume
    const { path: _path, lookups: _lookups, ...record } = node
    const value = encodeViewRecord(record)
    session.look()
    const drops = this.#forgotten.length >= limits.forgottenVersions
    if (drops) this.#dropForgotten()
    session.historyPut(K, versionNodeKey(K, mountId, View.versions, ino), value, value.length)
    const failed = keep(session)
    if (failed !== 0) return failed
    if (drops) this.#forgotten = []
    this.#known.set(ino, { ...node, lookups: 1 })
    return 0
  }

  #dropForgotten(): void {
    const { volume, mountId } = this.#options
    for (const ino of this.#forgotten) if (!this.#known.has(ino)) volume.session.historyDel(K, versionNodeKey(K, mountId, View.versions, ino))
  }

  /** What an inode means, also when the kernel has it from a server before this one. */
  #find(ino: number): Known | undefined {
    if (ino === VERSIONS_ROOT) return root
    const known = this.#known.get(ino)
    if (known !== undefined) return known
    const { history } = this.#options.volume.state
    if (!history.get(K, versionNodeKey(K, this.#options.mountId, View.versions, ino))) return undefined
    const record = decodeViewRecord<VersionNodeRecord>(history.vb, history.vp, history.vl)
    const above = this.#find(record.parent)
    if (above === undefined) return undefined
    const found = { ...record, path: record.version === undefined ? `${above.path}/${record.name}` : above.path, lookups: 0 }
    this.#known.set(ino, found)
    return found
  }

  forgotten(ino: number, count: number): void {
    const known = this.#known.get(ino)
    if (known === undefined) return
    known.lookups -= count
    if (known.lookups > 0) return
    this.#known.delete(ino)
    this.#open.delete(ino)
    this.#shown.delete(ino)
    this.#forgotten.push(ino)
  }

  getattr(ino: number): number {
    const node = this.#find(ino)
    if (node === undefined) return -ESTALE
    return node.version === undefined ? this.#directoryAttr(node.path) : this.#versionAttr(node)
  }

  #versionAttr(node: Known): number {
    const state = this.#entryOf(node)?.state
    if (state === undefined) return -ESTALE
    const a = this.attr
    a.mode = state.mode
    a.nlink = 1
    a.uid = state.uid
    a.gid = state.gid
    a.size = state.size
    a.blocks = Math.ceil(state.size / 512)
    setTimes(a, state.mtimeMs)
    return 0
  }

  /**
   * Of the directory itself, or for what stands in one, of that. What was a directory and is none now is for the owner of what is above: nobody
   * knows any more who might look into it.
   */
  #directoryAttr(path: string): number {
    const { live } = this.#options
    const a = this.attr
    let at = path
    let isNow = this.#liveDirectory(at)
    const isSelf = isNow
    while (!isNow && at !== '') {
      at = at.slice(0, at.lastIndexOf('/'))
      isNow = this.#liveDirectory(at)
    }
    if (!isNow) return -ESTALE
    const isFile = at === path.slice(0, path.lastIndexOf('/')) && namesBelow(this.#options.volume.versions.past(), this.#inVolume(path)) === undefined
    this.#liveDirectory(at)
    a.mode = S_IFDIR | (isSelf || isFile ? live.attr.mode & 0o555 : 0o500)
    a.uid = live.attr.uid
    a.gid = live.attr.gid
    a.nlink = 2
    a.size = 4096
    a.blocks = 8
    setTimes(a, live.attr.mtimeS * 1000 + live.attr.mtimeNs / 1e6)
    return 0
  }

  /** Whether there is a directory now; its attributes are in `live.attr` then. */
  #liveDirectory(path: string): boolean {
    const { live, rootIno } = this.#options
    if (path === '') return live.getattr(rootIno) === 0
    return live.resolve(this.#inVolume(path), false) > 0 && isDirectory(live.attr.mode)
  }

  /** A path of the volume, wherever the directory that is mounted stands now. */
  #inVolume(path: string): string {
    const { live, rootIno, sub } = this.#options
    if (rootIno === 1) return path === '' ? '/' : path
    const above = live.pathOf(rootIno) === 0 ? live.text : Buffer.from(sub).toString('latin1')
    return `${above}${path}`
  }

  /** What a directory has; -ENOTDIR for a version. Who goes on in the middle has the array that somebody began with last. */
  list(ino: number, fromStart: boolean): readonly Entry[] | number {
    const node = this.#find(ino)
    if (node === undefined) return -ESTALE
    if (node.version !== undefined) return -ENOTDIR
    const shown = fromStart ? undefined : this.#shown.get(ino)
    const entries = shown ?? this.#entries(node.path)
    this.#shown.set(ino, entries)
    return entries
  }

  #entries(path: string): Entry[] {
    const versions = this.#versions(path, true).filter(isReadable)
    const names = [...(namesBelow(this.#options.volume.versions.past(), this.#inVolume(path)) ?? [])]
    const below = this.#options.isShown === undefined ? names : names.filter(name => this.#isShown(`${path}/${name}`))
    return [
      ...versions.map(entry => ({ name: nameOfVersion(entry), ino: inoOf(path, entry), type: typeOf((entry.state?.mode ?? 0) & S_IFMT) })),
      ...below.map(name => ({ name, ino: inoOf(`${path}/${name}`, undefined), type: DIRECTORY })),
    ]
  }

  /** The versions of a path. What was listed a moment ago is good enough: versions never change, and new ones are looked for when one is missed. */
  #versions(path: string, asOfNow = false): readonly VersionEntry[] {
    if (path === '') return []
    const { volume } = this.#options
    const { sequence } = volume.session
    const kept = this.#listed.get(path)
    const nowMs = systemClock.monotonic()
    if (kept !== undefined && (kept.sequence === sequence || (!asOfNow && nowMs - kept.atMs < limits.versionListMs))) return kept.entries
    const entries = volume.versions.past().list(this.#inVolume(path))
    this.#listed.delete(path)
    this.#listed.set(path, { entries, sequence, atMs: nowMs })
    for (const oldest of this.#listed.keys()) {
      if (this.#listed.size <= limits.openVersions) break
      this.#listed.delete(oldest)
    }
    return entries
  }

  #entryOf({ path, version }: Known): VersionEntry | undefined {
    return this.#versions(path).find(entry => entry.number === version?.number && entry.sequence === version.sequence)
  }

  /** The content of a version; undefined when it was pruned, or is none. */
  file(ino: number): VersionFile | undefined {
    const node = this.#find(ino)
    if (node?.version === undefined || this.#entryOf(node) === undefined) return undefined
    const open = this.#open.get(ino) ?? this.#compose(node)
    if (open === undefined) return undefined
    this.#open.delete(ino)
    this.#open.set(ino, open)
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= limits.openVersions) break
      this.#open.delete(oldest)
    }
    return open
  }

  #compose({ path, version }: Known): VersionFile | undefined {
    try {
      const { ino, session } = this.#options.volume.versions.open(this.#inVolume(path), version?.number)
      return { ino, fs: new FileSystem(session, { nameCacheEntries: 1 }) }
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_VERSION_UNKNOWN') return undefined
      throw error
    }
  }
}

const root: Known = { parent: VERSIONS_ROOT, name: '', path: '', lookups: 0 }

/** 51 bits of a hash, the same in every server. */
function inoOf(path: string, version: { number: number; sequence: number } | undefined): number {
  const text = version === undefined ? path : `${path}\0${version.number}\0${version.sequence}`
  const hash = createHash('sha256').update(text, 'latin1').digest()
  return FIRST_INO + hash.readUIntBE(0, 6) * 8 + (hash[6] & 7)
}

function setTimes(a: Attr, ms: number): void {
  const seconds = Math.floor(ms / 1000)
  a.atimeS = a.mtimeS = a.ctimeS = a.btimeS = seconds
  a.atimeNs = a.mtimeNs = a.ctimeNs = a.btimeNs = Math.floor((ms - seconds * 1000) * 1e6)
}
