import { constants } from 'node:fs'
import { EEXIST, EINVAL, EISDIR, ENOENT, posixError } from '../errors.js'
import { systemRandom } from '../sys/index.js'
import { systemError } from './errors.js'
import { HandleOps } from './handle-ops.js'
import { join, shown, toByteString, toText } from './paths.js'
import type { Path } from './validate.js'

const { S_IFMT, S_IFDIR, S_IFREG, O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY, COPYFILE_EXCL } = constants

/** The most that one call copies before it hands the rest back to its caller, so that nothing waits long. */
const COPY_STEP_BYTES = 16 << 20
/** Entries that `rm` collects before it removes them. */
const RM_BATCH = 256
const endsInDots = /(^|\/)\.\.?\/*$/
const TEMPORARY_TRIES = 100
const temporaryLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
/** Flags of a plain write by path that needs no handle. */
const plainWrites = O_WRONLY | O_CREAT | O_TRUNC | O_EXCL | O_APPEND

export interface CopyRest {
  from: number
  to: number
  offset: number
  size: number
}

/** Whole files and trees, on top of names and handles. */
export class LocalOps extends HandleOps {
  /** The content of a file, or its size (a number) when it is longer than `limit`: then open and read it in pieces. */
  readFile(path: Path, flags: number, limit: number): Uint8Array | number {
    if (flags !== O_RDONLY) return this.readOpened(path, flags, limit)
    const ino = this.resolve(path, true, 'open')
    if (!this.isPlain()) return this.readOpened(path, flags, limit)
    const size = this.fs.attr.size
    if (this.cred !== undefined) this.check(this.fs.access(ino, 4, this.cred), 'open', path)
    if (size > limit) return size
    return this.readWhole(ino, size)
  }

  private readOpened(path: Path, flags: number, limit: number): Uint8Array | number {
    const ino = this.openInode(path, flags, 0o666)
    this.fs.session.waitFromNow?.()
    try {
      const size = this.sizeOf(ino)
      if ((this.fs.attr.mode & S_IFMT) === S_IFDIR) throw posixError(EISDIR, 'read')
      return size > limit ? size : this.readWhole(ino, size)
    } finally {
      this.fs.release(ino)
    }
  }

  private readWhole(ino: number, size: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(size)
    const read = size === 0 ? 0 : this.fs.read(ino, 0, bytes, 0, size, true)
    if (read < 0) throw posixError(-read, 'read')
    return read === size ? bytes : bytes.subarray(0, read)
  }

  /**
   * Writes a whole file by path. A new file appears with its content, and an existing one (`w`) changes from the old content to the
   * new at once: nobody, and no crash, sees it empty. Where the volume cannot do that in one batch it opens, writes and closes.
   * @param mode of a new file, umask applied
   */
  writeFile(path: Path, data: Uint8Array, flags: number, mode: number): void {
    if ((flags & ~plainWrites) !== 0 || (flags & O_CREAT) === 0 || !this.writeAtOnce(path, data, flags, mode)) this.writeOpened(path, data, flags, mode)
  }

  private writeAtOnce(path: Path, data: Uint8Array, flags: number, mode: number): boolean {
    const bytes = this.bytes(path, 'open')
    const ino = this.locate(bytes, (flags & O_EXCL) === 0)
    if (this.slash) return false
    if (ino < 0) {
      const canMake = ino === -ENOENT && this.dir >= 0 && this.fs.createWith !== undefined
      if (!canMake) return false
      const made = this.fs.createWith?.(this.dir, this.name, S_IFREG | (mode & 0o7777), data, 0, data.length, this.cred) ?? 0
      this.check(made, 'open', path)
      return true
    }
    const replaces = (flags & (O_TRUNC | O_EXCL)) === O_TRUNC && this.isPlain()
    if (!replaces || this.fs.replaceContent === undefined) return false
    this.check(this.fs.replaceContent(ino, data, 0, data.length, this.cred), 'open', path)
    return true
  }

  private writeOpened(path: Path, data: Uint8Array, flags: number, mode: number): void {
    const handle = this.openToUse(path, flags, mode)
    try {
      if (data.length > 0) this.write(handle, data, null)
    } finally {
      this.close(handle)
    }
  }

  truncate(path: Path, size: number): void {
    const handle = this.openToUse(path, constants.O_RDWR, 0)
    try {
      this.ftruncate(handle, size)
    } finally {
      this.close(handle)
    }
  }

  /**
   * Copies content and mode of a file. Returns what is left when the file is long: the caller goes on with `copyRange` from
   * `offset` to `size` and closes both handles.
   */
  copyFile(from: Path, to: Path, mode: number): CopyRest | undefined {
    const rest = this.openCopy(from, to, mode)
    if (rest === undefined) return undefined
    try {
      rest.offset = this.copyRange(rest.from, rest.to, 0, COPY_STEP_BYTES)
      this.ftruncate(rest.to, rest.size)
    } catch (error) {
      this.endCopy(rest)
      throw error
    }
    if (rest.offset < rest.size) return rest
    this.endCopy(rest)
    return undefined
  }

  private endCopy(rest: CopyRest): void {
    this.close(rest.from)
    this.close(rest.to)
  }

  private openCopy(from: Path, to: Path, mode: number): CopyRest | undefined {
    const source = this.openNamed(from, O_RDONLY, 0, from, to)
    try {
      const a = this.fstat(source)
      if ((a.mode & S_IFMT) === S_IFDIR) throw posixError(EISDIR, 'copyfile', shown(from), shown(to))
      const existing = this.statIfExists(to, true)
      if (existing !== undefined && existing.ino === a.ino && (mode & COPYFILE_EXCL) === 0) {
        this.close(source)
        return undefined
      }
      const flags = O_WRONLY | O_CREAT | ((mode & COPYFILE_EXCL) !== 0 ? O_EXCL : O_TRUNC)
      const target = this.openNamed(to, flags, a.mode, from, to)
      if (existing !== undefined && (existing.mode & 0o7777) !== (a.mode & 0o7777)) this.fchmod(target, a.mode & 0o7777)
      return { from: source, to: target, offset: 0, size: a.size }
    } catch (error) {
      this.close(source)
      throw error
    }
  }

  /** As open, with both paths of a copy in its error. */
  private openNamed(path: Path, flags: number, mode: number, from: Path, to: Path): number {
    try {
      return this.openToUse(path, flags, mode)
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).errno
      throw errno === undefined ? error : posixError(-errno, 'copyfile', shown(from), shown(to))
    }
  }

  /** Makes a directory whose name is `prefix` and six random characters; returns its path. */
  mkdtemp(prefix: Path, mode: number): string {
    const start = this.bytes(prefix, 'mkdtemp')
    for (let tries = 0; ; tries++) {
      let path = start
      for (const byte of systemRandom.bytes(6)) path += temporaryLetters[byte % temporaryLetters.length]
      try {
        this.mkdir(Buffer.from(path, 'latin1'), mode, false)
        return path
      } catch (error) {
        const errno = -((error as NodeJS.ErrnoException).errno ?? 0)
        if (errno === EEXIST && tries < TEMPORARY_TRIES) continue
        throw errno === 0 ? error : posixError(errno, 'mkdtemp', `${shown(prefix)}XXXXXX`)
      }
    }
  }

  /**
   * Removes a file, or with `recursive` a tree, bottom up. Once `budget` entries are gone it returns false: call again.
   * @throws ERR_FS_EISDIR for a directory without `recursive`; ENOENT unless `force`
   */
  rm(path: Path, recursive: boolean, force: boolean, budget: number): boolean {
    const bytes = toByteString(path)
    const ino = bytes === '' ? -ENOENT : this.fs.resolve(bytes, false, this.cred)
    if (ino === -ENOENT && force) return true
    this.check(ino, 'lstat', path)
    if ((this.fs.attr.mode & S_IFMT) !== S_IFDIR) {
      this.unlink(path)
      return true
    }
    if (!recursive) {
      throw systemError('ERR_FS_EISDIR', 'Path is a directory: rm returned EISDIR (is a directory)', 'rm', EISDIR, shown(path))
    }
    // As rm(1): a tree is removed by its name, not by one that goes with it.
    if (endsInDots.test(bytes)) throw posixError(EINVAL, 'rmdir', shown(path))
    return this.removeTree(path, ino, budget)
  }

  private removeTree(path: Path, root: number, budget: number): boolean {
    const top: Frame = { dir: root, path: shown(path), name: '', pending: [] }
    const stack = [top]
    let left = budget
    while (stack.length > 0) {
      if (left === 0) return false
      const frame = stack[stack.length - 1]
      const entry = frame.pending.pop() ?? this.refill(frame)
      if (entry?.directory) {
        stack.push({ dir: entry.ino, path: join(frame.path, toText(entry.name)), name: entry.name, pending: [] })
        continue
      }
      if (entry !== undefined) this.removed(this.fs.unlink(frame.dir, entry.name, this.cred), 'unlink', frame.path, entry.name)
      else this.removeEmpty(stack, path)
      left--
    }
    return true
  }

  private removeEmpty(stack: Frame[], path: Path): void {
    const frame = stack.pop()
    const above = stack[stack.length - 1]
    if (frame === undefined || above === undefined) this.rmdir(path)
    else this.removed(this.fs.rmdir(above.dir, frame.name, this.cred), 'rmdir', above.path, frame.name)
  }

  private refill(frame: Frame): Entry | undefined {
    const allowed = this.cred === undefined ? 0 : this.fs.access(frame.dir, 4, this.cred)
    if (allowed < 0) throw posixError(-allowed, 'scandir', frame.path)
    this.fs.readdir(frame.dir, 0, 0, (name, ino, type) => {
      frame.pending.push({ name, ino, directory: type === S_IFDIR >> 12 })
      return frame.pending.length < RM_BATCH
    })
    return frame.pending.pop()
  }

  /** What somebody else removed meanwhile is gone too. */
  private removed(result: number, syscall: string, dir: string, name: string): void {
    if (result < 0 && result !== -ENOENT) throw posixError(-result, syscall, join(dir, toText(name)))
  }
}

interface Frame {
  dir: number
  path: string
  name: string
  pending: Entry[]
}

interface Entry {
  name: string
  ino: number
  directory: boolean
}
