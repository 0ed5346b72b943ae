import type { BigIntStats, Dirent } from 'node:fs'
import { dirname } from 'node:path'
import { S_IFMT } from '../codec/mode.js'
import { CairnError, EISDIR, ENOTDIR, posixError } from '../errors.js'
import { copyContent, hasHoles, SMALL_BYTES } from './copy-content.js'
import { hasCode } from './errors.js'
import type { Extras } from './extras.js'
import { joinRaw } from './paths.js'
import type { Files } from './places.js'

/** One end of a copy. */
export interface End {
  files: Files
  /** Only where something is to be kept that node:fs has no name for. */
  extras: Extras
  prefix: string
}

export interface CopyOptions {
  recursive: boolean
  /** Modes, owners, times. */
  preserve: boolean
  /** Also hard links, extended attributes and symlinks as they are. */
  archive: boolean
  force: boolean
  /** A file that could not be copied; the rest goes on. */
  onError: (error: unknown, path: Buffer, end: End) => Promise<void>
  onProgress: (files: number, bytes: number) => void
  /** Where something goes instead when its name is taken by the target itself. */
  instead?: (to: Buffer) => Buffer | undefined
  /** The target's device as stats of the source's end show it, so that one file is known from both ends; undefined where none is in both. */
  sharedDevice?: bigint | undefined
}

export interface CopyCounts {
  files: number
  directories: number
  bytes: number
}

/** Files of one directory that are copied at the same time. */
const PARALLEL = 16
/** A copy of one file is begun so often when servers are killed under it. */
const ATTEMPTS = 4

/** Copies trees between two ends. Memory: one directory's names on each level, a few buffers. */
export class Copier {
  readonly counts: CopyCounts = { files: 0, directories: 0, bytes: 0 }
  private readonly from: End
  private readonly to: End
  private readonly options: CopyOptions
  /** First copies of files with several names, by device and inode. */
  private readonly linked = new Map<string, Promise<Buffer | undefined>>()
  /** Inode of the first directory made: found again among the sources, it would be copied into itself without end. */
  private top: bigint | undefined

  constructor(from: End, to: End, options: CopyOptions) {
    this.from = from
    this.to = to
    this.options = options
  }

  /** Copies one file or tree; `to` is its new path. Failures go to `onError`. */
  async copy(from: Buffer, wanted: Buffer): Promise<void> {
    const to = this.options.instead?.(wanted) ?? wanted
    try {
      const stat = await this.look(from)
      if (stat.dev === this.options.sharedDevice) await this.refuseItself(from, to, stat)
      if (stat.isDirectory()) await this.directory(from, to, stat)
      else await this.leaf(from, to, stat)
    } catch (error) {
      await this.options.onError(error, from, this.endOf(error, to))
    }
  }

  /** Which end an error is about: by its path. */
  private endOf(error: unknown, to: Buffer): End {
    return (error as NodeJS.ErrnoException).path?.toString() === to.toString() ? this.to : this.from
  }

  private look(path: Buffer): Promise<BigIntStats> {
    const { files } = this.from
    return this.options.recursive || this.options.archive ? files.lstat(path, { bigint: true }) : files.stat(path, { bigint: true })
  }

  /** However the two are spelled: through links, `..`, or once as a path of a mount and once as an address of its volume. */
  private async refuseItself(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    if (stat.isDirectory() && stat.ino === this.top) throw intoItself(from)
    const there = await this.to.files.stat(to, { bigint: true }).catch(() => undefined)
    if (there?.ino === stat.ino) {
      throw new CairnError('ERR_SAME_FILE', `${this.from.prefix}${from} and ${this.to.prefix}${to} are the same file.`, 'Choose another target.')
    }
    if (this.top === undefined && stat.isDirectory() && (await this.liesBelow(to, stat.ino))) throw intoItself(from)
  }

  private async liesBelow(path: Buffer, ino: bigint): Promise<boolean> {
    const { files } = this.to
    let parent = await files.realpath(dirname(path.toString())).catch(() => '/')
    while (parent !== '/') {
      if ((await files.stat(parent, { bigint: true })).ino === ino) return true
      parent = dirname(parent)
    }
    return (await files.stat('/', { bigint: true })).ino === ino
  }

  private async directory(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    if (!this.options.recursive) throw posixError(EISDIR, 'cp', from.toString())
    // Listed before the target is made, which may lie inside.
    const names = (await this.from.files.readdir(from, { withFileTypes: true, encoding: 'buffer' })) as unknown as Array<Dirent<Buffer>>
    const made = await this.makeDirectory(to, Number(stat.mode) & 0o777)
    this.counts.directories++
    if (this.options.sharedDevice !== undefined) this.top ??= (await this.to.files.stat(to, { bigint: true })).ino
    const isDirectory = (entry: Dirent<Buffer>) => entry.isDirectory()
    const leaves = names.filter(entry => !isDirectory(entry))
    for (let at = 0; at < leaves.length; at += PARALLEL) {
      await Promise.all(leaves.slice(at, at + PARALLEL).map(({ name }) => this.copy(joinRaw(from, name), joinRaw(to, name))))
    }
    for (const { name } of names.filter(isDirectory)) await this.copy(joinRaw(from, name), joinRaw(to, name))
    if (this.options.preserve) await throughRestarts(() => this.keep(from, to, stat))
    else if (made) await throughRestarts(() => this.to.files.chmod(to, Number(stat.mode) & 0o777 & ~process.umask()))
  }

  /** False when it was there. While it is filled, its owner may do everything in it. */
  private async makeDirectory(path: Buffer, mode: number): Promise<boolean> {
    try {
      await throughRestarts(() => this.to.files.mkdir(path, { mode: mode | 0o700 }))
      return true
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
      if ((await this.to.files.stat(path)).isDirectory()) return false
      throw posixError(ENOTDIR, 'mkdir', path.toString())
    }
  }

  private leaf(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    const isLinked = this.options.archive && stat.nlink > 1n
    return throughRestarts(() => (isLinked ? this.linkedLeaf(from, to, stat) : this.content(from, to, stat)))
  }

  /** The first name of a file is copied, the others become links to it. */
  private async linkedLeaf(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    const key = `${stat.dev}:${stat.ino}`
    const first = await this.linked.get(key)
    if (first !== undefined) {
      await this.replacing(to, () => this.to.files.link(first, to))
      this.count(0)
      return
    }
    const copied = this.content(from, to, stat)
    this.linked.set(
      key,
      copied.then(
        () => to,
        () => undefined,
      ),
    )
    await copied
  }

  private async content(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    const mode = Number(stat.mode)
    if (stat.isFile()) {
      await this.file(from, to, stat)
    } else if (stat.isSymbolicLink()) {
      const target = (await this.from.files.readlink(from, { encoding: 'buffer' })) as unknown as Buffer
      await this.replacing(to, () => this.to.files.symlink(target, to))
      this.count(0)
    } else {
      await this.replacing(to, () => this.to.extras.mknod(to, mode & (S_IFMT | 0o777), Number(stat.rdev)))
      this.count(0)
    }
    if (this.options.preserve) await this.keep(from, to, stat)
  }

  private count(bytes: number): void {
    this.counts.files++
    this.counts.bytes += bytes
    this.options.onProgress(1, bytes)
  }

  private async file(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    try {
      await this.fileInto(from, to, stat)
    } catch (error) {
      if (!this.options.force || !hasCode(error, 'EACCES', 'EPERM', 'ETXTBSY', 'ELOOP') || isAbout(error, from)) throw error
      await this.to.files.unlink(to)
      await this.fileInto(from, to, stat)
    }
  }

  private async fileInto(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    const mode = Number(stat.mode) & 0o777
    if (stat.size <= SMALL_BYTES && !hasHoles(stat)) {
      const data = await this.from.files.readFile(from)
      await this.to.files.writeFile(to, data, { mode })
      this.count(data.length)
      return
    }
    await copyContent(this.from, from, this.to, to, stat, mode, bytes => {
      this.counts.bytes += bytes
      this.options.onProgress(0, bytes)
    })
    this.count(0)
  }

  /** Makes what cannot be overwritten in place: what stands there, unless a directory, is removed. */
  private async replacing(to: Buffer, make: () => Promise<void>): Promise<void> {
    try {
      await make()
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
      await this.to.files.unlink(to)
      await make()
    }
  }

  /** Owner first, because changing it clears setuid; times last, because all else changes them. */
  private async keep(from: Buffer, to: Buffer, stat: BigIntStats): Promise<void> {
    const { files, extras } = this.to
    await files.lchown(to, Number(stat.uid), Number(stat.gid)).catch(ignoreRefused)
    if (this.options.archive) {
      for (const [name, value] of await this.from.extras.xattrs(from)) await extras.setXattr(to, name, value).catch(ignoreRefused)
    }
    if (!stat.isSymbolicLink()) await files.chmod(to, Number(stat.mode) & 0o7777)
    await extras.setTimes(to, stat.atimeNs, stat.mtimeNs)
  }
}

/** Ordinary users cannot give files away, and not every filesystem has every attribute; cp -a goes on as well. */
function ignoreRefused(error: unknown): void {
  if (!hasCode(error, 'EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EACCES')) throw error
}

/** Copying a file once more is harmless, so that a server which was killed in the middle is waited for and asked again. */
async function throughRestarts<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof CairnError) || error.retry !== 'reopen') throw error
    }
  }
}

function intoItself(from: Buffer): CairnError {
  return new CairnError('EINVAL', `${from} cannot be copied into itself.`, 'Choose a target outside of it.')
}

function isAbout(error: unknown, path: Buffer): boolean {
  return (error as NodeJS.ErrnoException).path?.toString() === path.toString()
}
