import { constants } from 'node:fs'
import { EACCES, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EOPNOTSUPP, posixError } from '../errors.js'
import { type Cred, Set as Field, type FileSystemApi, Rename, type SetAttr } from '../fs/filesystem.js'
import { limits } from '../sys/index.js'
import { freeBytes, freeInodes } from '../volume/quota.js'
import { join, shown, toByteString, toText } from './paths.js'
import type { SpaceRecord, StatRecord } from './stats.js'
import type { Path } from './validate.js'

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFREG, X_OK } = constants

export interface OpsOptions {
  /** Who asks; default: the user of this process, where root means no checks. `null`: no checks whoever runs it. */
  cred?: Cred | null
  /** st_dev of the results. */
  dev?: number
  /** Bytes in all and bytes free behind the volume, for statfs. */
  space?: () => { totalBytes: number; freeBytes: number }
}

/** The user of this process, as a credential; `undefined` for root. */
export function processCred(): Cred | undefined {
  const uid = process.geteuid?.() ?? 0
  if (uid === 0) return undefined
  return { uid, gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] }
}

/** One page of a directory's names, as byte strings. */
export interface NamePage {
  names: string[]
  /** d_type of each name. */
  types: number[]
  /** Where the next page starts; absent on the last one. */
  next?: [high: number, low: number]
}

/** st_dev where the volume does not say otherwise. */
const DEFAULT_DEV = 0xca1f
const DEFAULT_CAPACITY_BYTES = 2 ** 50
const STATFS_MAGIC = 0x65735546
const emptySet: SetAttr = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }

/**
 * Operations on names and attributes, by path. Synchronous; arguments and results can be cloned to another thread or
 * process; failures are thrown as node:fs words them. Names in results are byte strings (one char per byte).
 */
export class PathOps {
  readonly fs: FileSystemApi
  readonly cred: Cred | undefined
  protected readonly dev: number
  private readonly space: OpsOptions['space']
  /** Left by `locate`: the directory that has the entry (or a negated errno), and the entry's name. */
  protected dir = 0
  protected name = ''
  /** The path, or the symlink at its end, asks for a directory by a slash. */
  protected slash = false
  private readonly set: SetAttr = { ...emptySet }

  constructor(fs: FileSystemApi, options: OpsOptions = {}) {
    this.fs = fs
    this.cred = options.cred === null ? undefined : (options.cred ?? processCred())
    this.dev = options.dev ?? DEFAULT_DEV
    this.space = options.space
  }

  stat(path: Path): StatRecord {
    return this.record(this.resolve(path, true, 'stat'))
  }

  /** As stat; `undefined` instead of an error when there is nothing. */
  statIfExists(path: Path, follow: boolean): StatRecord | undefined {
    const bytes = toByteString(path)
    const ino = bytes === '' ? -ENOENT : this.fs.resolve(bytes, follow, this.cred)
    if (ino === -ENOENT || ino === -ENOTDIR) return undefined
    if (ino < 0) throw posixError(-ino, follow ? 'stat' : 'lstat', shown(path))
    return this.record(ino)
  }

  lstat(path: Path): StatRecord {
    return this.record(this.resolve(path, false, 'lstat'))
  }

  access(path: Path, mode: number): void {
    const ino = this.resolve(path, true, 'access')
    if (mode === 0) return
    const a = this.fs.attr
    const nobodyMayRun = (mode & X_OK) !== 0 && (a.mode & S_IFMT) === S_IFREG && (a.mode & 0o111) === 0
    const result = this.cred === undefined && nobodyMayRun ? -EACCES : this.fs.access(ino, mode, this.cred)
    if (result < 0) throw posixError(-result, 'access', shown(path))
  }

  /** At most `limit` names after `after`, in the order of the volume. */
  readdir(path: Path, after: [number, number] | undefined, limit: number): NamePage {
    const dir = this.resolve(path, true, 'scandir')
    if ((this.fs.attr.mode & S_IFMT) !== S_IFDIR) throw posixError(ENOTDIR, 'scandir', shown(path))
    if (this.cred !== undefined) {
      const allowed = this.fs.access(dir, 4, this.cred)
      if (allowed < 0) throw posixError(-allowed, 'scandir', shown(path))
    }
    return this.page(dir, after, limit, path)
  }

  /** See `FileSystemApi.listed`. */
  listed(path: Path): readonly string[] | undefined {
    return this.cred === undefined ? this.fs.listed?.(toByteString(path)) : undefined
  }

  /** Fails as opendir(3) would. */
  opendir(path: Path): void {
    const dir = this.resolve(path, true, 'opendir')
    if ((this.fs.attr.mode & S_IFMT) !== S_IFDIR) throw posixError(ENOTDIR, 'opendir', shown(path))
    if (this.cred !== undefined) this.check(this.fs.access(dir, 4, this.cred), 'opendir', path)
  }

  private page(dir: number, after: [number, number] | undefined, limit: number, path: Path): NamePage {
    const names: string[] = []
    const types: number[] = []
    let high = 0
    let low = 0
    let more = false
    const result = this.fs.readdir(dir, after ? after[0] : 0, after ? after[1] : 0, (name, _ino, type, h, l) => {
      if (names.length === limit) {
        more = true
        return false
      }
      names.push(name)
      types.push(type)
      high = h
      low = l
      return true
    })
    if (result < 0) throw posixError(-result, 'scandir', shown(path))
    return more ? { names, types, next: [high, low] } : { names, types }
  }

  /** `recursive` makes missing parents too and returns the first directory made, if any. `mode` has the umask applied. */
  mkdir(path: Path, mode: number, recursive: boolean): string | undefined {
    const bytes = this.bytes(path, 'mkdir')
    if (recursive) return this.mkdirAll(bytes, mode, path)
    const result = this.makeDirectory(bytes, mode)
    if (result < 0) throw posixError(-result, 'mkdir', shown(path))
    return undefined
  }

  private mkdirAll(bytes: string, mode: number, path: Path): string | undefined {
    const clean = `/${bytes.split('/').filter(Boolean).join('/')}`
    let end = clean.length
    let result = this.makeDirectory(clean, mode)
    while (result === -ENOENT && end > 1) {
      end = Math.max(clean.lastIndexOf('/', end - 1), 1)
      result = this.makeDirectory(clean.slice(0, end), mode)
    }
    if (result === -EEXIST) return this.checkIsDirectory(clean.slice(0, end), end === clean.length, path)
    if (result < 0) throw posixError(-result, 'mkdir', shown(path))
    const first = end === clean.length && bytes.endsWith('/') ? `${clean}/` : clean.slice(0, end)
    while (end < clean.length) {
      const next = clean.indexOf('/', end + 1)
      end = next < 0 ? clean.length : next
      const made = this.makeDirectory(clean.slice(0, end), mode)
      if (made === -EEXIST) this.checkIsDirectory(clean.slice(0, end), end === clean.length, path)
      else this.check(made, 'mkdir', path)
    }
    return first
  }

  private checkIsDirectory(bytes: string, whole: boolean, path: Path): undefined {
    const ino = this.fs.resolve(whole ? toByteString(path) : bytes, true, this.cred)
    if (ino >= 0 && (this.fs.attr.mode & S_IFMT) === S_IFDIR) return undefined
    if (!whole) throw posixError(ENOTDIR, 'mkdir', toText(bytes))
    throw posixError(ino < 0 ? -ino : EEXIST, 'mkdir', shown(path))
  }

  private makeDirectory(bytes: string, mode: number): number {
    const existing = this.locate(bytes, false)
    if (existing >= 0) return -EEXIST
    if (this.dir < 0) return this.dir
    if (existing !== -ENOENT) return existing
    return this.fs.mkdir(this.dir, this.name, S_IFDIR | (mode & 0o1777), this.cred)
  }

  rmdir(path: Path): void {
    const dir = this.parent(path, 'rmdir')
    this.check(this.fs.rmdir(dir, this.fs.text, this.cred), 'rmdir', path)
  }

  unlink(path: Path): void {
    const dir = this.parent(path, 'unlink')
    const name = this.fs.text
    this.check(this.refuseSlash(dir, name, ENOTDIR), 'unlink', path)
    this.check(this.fs.unlink(dir, name, this.cred), 'unlink', path)
  }

  /** `flags`: those of renameat2, NOREPLACE 1 and EXCHANGE 2. */
  rename(from: Path, to: Path, flags: number): void {
    const fromDir = this.parent(from, 'rename', from, to)
    const fromName = this.fs.text
    const fromSlash = this.fs.trailingSlash
    const toDir = this.parent(to, 'rename', from, to)
    const toName = this.fs.text
    const mustBeDirectory = fromSlash || (this.fs.trailingSlash && flags !== Rename.exchange)
    let result = mustBeDirectory ? this.fs.lookup(fromDir, fromName, this.cred) : 0
    if (result > 0 && (this.fs.attr.mode & S_IFMT) !== S_IFDIR) result = -ENOTDIR
    if (result >= 0) result = this.fs.rename(fromDir, fromName, toDir, toName, flags, this.cred)
    if (result < 0) throw posixError(-result, 'rename', shown(from), shown(to))
  }

  link(from: Path, to: Path): void {
    const ino = this.resolve(from, false, 'link', from, to)
    const dir = this.parent(to, 'link', from, to)
    const name = this.fs.text
    const slash = this.refuseSlash(dir, name, ENOENT)
    const result = slash < 0 ? slash : this.fs.link(ino, dir, name, this.cred)
    if (result < 0) throw posixError(-result, 'link', shown(from), shown(to))
  }

  symlink(target: Path, path: Path): void {
    const bytes = this.bytes(target, 'symlink', target, path)
    const dir = this.parent(path, 'symlink', target, path)
    const name = this.fs.text
    const slash = this.refuseSlash(dir, name, ENOENT)
    const result = slash < 0 ? slash : this.fs.symlink(dir, name, bytes, this.cred)
    if (result < 0) throw posixError(-result, 'symlink', shown(target), shown(path))
  }

  readlink(path: Path): string {
    const ino = this.resolve(path, false, 'readlink')
    if ((this.fs.attr.mode & S_IFMT) !== S_IFLNK) throw posixError(EINVAL, 'readlink', shown(path))
    this.check(this.fs.readlink(ino), 'readlink', path)
    return this.fs.text
  }

  chmod(path: Path, mode: number): void {
    this.change(this.resolve(path, true, 'chmod'), Field.mode, { mode }, 'chmod', path)
  }

  /** As chmod, but of a symbolic link itself: which has no mode to change. */
  lchmod(path: Path, mode: number): void {
    const ino = this.resolve(path, false, 'lchmod')
    if ((this.fs.attr.mode & S_IFMT) === S_IFLNK) throw posixError(EOPNOTSUPP, 'lchmod', shown(path))
    this.change(ino, Field.mode, { mode }, 'lchmod', path)
  }

  chown(path: Path, uid: number, gid: number, follow: boolean): void {
    const syscall = follow ? 'chown' : 'lchown'
    this.changeOwner(this.resolve(path, follow, syscall), uid, gid, syscall, path)
  }

  utimes(path: Path, times: [atimeS: number, atimeNs: number, mtimeS: number, mtimeNs: number], follow: boolean): void {
    const syscall = follow ? 'utime' : 'lutime'
    this.changeTimes(this.resolve(path, follow, syscall), times, syscall, path)
  }

  mknod(path: Path, mode: number, rdev: number): void {
    const dir = this.parent(path, 'mknod')
    this.check(this.fs.mknod(dir, this.fs.text, mode, rdev, this.cred), 'mknod', path)
  }

  realpath(path: Path): string {
    const ino = this.locate(this.bytes(path, 'realpath'), true)
    this.check(ino, 'realpath', path)
    // A path that ends in a directory, `.`, `..` or the root is named by its own parents.
    const isDirectory = this.name === '' || (this.fs.attr.mode & S_IFMT) === S_IFDIR
    if (this.slash && !isDirectory) this.check(-ENOTDIR, 'realpath', path)
    const name = this.name
    this.check(this.fs.pathOf(isDirectory ? ino : this.dir), 'realpath', path)
    return isDirectory ? this.fs.text : join(this.fs.text, name)
  }

  statfs(path: Path): SpaceRecord {
    this.resolve(path, true, 'statfs')
    const { usage, quota } = this.fs.session
    const { inodes, bytes } = usage
    const space = this.space?.() ?? { totalBytes: DEFAULT_CAPACITY_BYTES, freeBytes: DEFAULT_CAPACITY_BYTES - bytes }
    const free = Math.floor(freeBytes(quota, usage, space.freeBytes) / limits.pageBytes)
    const ffree = freeInodes(quota, usage, Math.min(2 ** 32, free))
    const blocks = Math.ceil(bytes / limits.pageBytes) + free
    return { type: STATFS_MAGIC, bsize: limits.pageBytes, blocks, bfree: free, bavail: free, files: inodes + ffree, ffree }
  }

  getxattr(path: Path, name: string, follow: boolean): Uint8Array {
    this.check(this.fs.getxattr(this.resolve(path, follow, 'getxattr'), toByteString(name)), 'getxattr', path)
    return Uint8Array.from(this.fs.value)
  }

  setxattr(path: Path, name: string, value: Uint8Array, flags: number, follow: boolean): void {
    this.check(this.fs.setxattr(this.resolve(path, follow, 'setxattr'), toByteString(name), value, flags, this.cred), 'setxattr', path)
  }

  listxattr(path: Path, follow: boolean): string[] {
    this.check(this.fs.listxattr(this.resolve(path, follow, 'listxattr')), 'listxattr', path)
    return this.fs.names.slice()
  }

  removexattr(path: Path, name: string, follow: boolean): void {
    this.check(this.fs.removexattr(this.resolve(path, follow, 'removexattr'), toByteString(name), this.cred), 'removexattr', path)
  }

  /** A slash behind a name asks for a directory: what a name that is none, or not there yet, gets. */
  private refuseSlash(dir: number, name: string, otherwise: number): number {
    if (!this.fs.trailingSlash) return 0
    const ino = this.fs.lookup(dir, name, this.cred)
    if (ino < 0) return ino
    if (otherwise === ENOENT) return -EEXIST
    return (this.fs.attr.mode & S_IFMT) === S_IFDIR ? -EISDIR : -otherwise
  }

  protected check(result: number, syscall: string, path: Path): void {
    if (result < 0) throw posixError(-result, syscall, shown(path))
  }

  protected bytes(path: Path, syscall: string, from: Path = path, to?: Path): string {
    const bytes = toByteString(path)
    if (bytes.length > 0 && bytes.length < limits.pathBytes) return bytes
    throw posixError(bytes.length === 0 ? ENOENT : ENAMETOOLONG, syscall, shown(from), to === undefined ? undefined : shown(to))
  }

  /** Inode of a path; fills `fs.attr`. */
  protected resolve(path: Path, follow: boolean, syscall: string, from: Path = path, to?: Path): number {
    const ino = this.fs.resolve(this.bytes(path, syscall, from, to), follow, this.cred)
    if (ino < 0) throw posixError(-ino, syscall, shown(from), to === undefined ? undefined : shown(to))
    return ino
  }

  /** Directory of the last component, which is left in `fs.text`. */
  protected parent(path: Path, syscall: string, from: Path = path, to?: Path): number {
    const dir = this.fs.resolveParent(this.bytes(path, syscall, from, to), this.cred)
    if (dir < 0) throw posixError(-dir, syscall, shown(from), to === undefined ? undefined : shown(to))
    return dir
  }

  /**
   * Inode of the entry that a path means, with `dir` and `name` of where it stands. A missing entry is -ENOENT with `dir` filled: there it
   * could be made, even through a dangling symlink when `follow`. `name` is empty for the root, `.` and `..`.
   */
  protected locate(path: string, follow: boolean): number {
    this.dir = this.fs.resolveParent(path, this.cred, follow)
    if (this.dir < 0) return this.dir
    const name = this.fs.text
    this.slash = this.fs.trailingSlash
    // `find` would do to know that it is there, but callers want its attributes.
    const ino = this.fs.lookup(this.dir, name, this.cred)
    this.name = name === '.' || name === '..' ? '' : name
    return ino
  }

  protected change(ino: number, fields: number, values: Partial<SetAttr>, syscall: string, path?: Path): void {
    const result = this.fs.setattr(ino, fields, Object.assign(this.set, values), this.cred)
    if (result < 0) throw posixError(-result, syscall, path === undefined ? undefined : shown(path))
  }

  protected changeOwner(ino: number, uid: number, gid: number, syscall: string, path?: Path): void {
    const keepUid = uid === -1 || uid === 4294967295
    const keepGid = gid === -1 || gid === 4294967295
    const fields = (keepUid ? 0 : Field.uid) | (keepGid ? 0 : Field.gid)
    this.change(ino, fields, { uid, gid }, syscall, path)
  }

  protected changeTimes(ino: number, times: [number, number, number, number], syscall: string, path?: Path): void {
    const [atimeS, atimeNs, mtimeS, mtimeNs] = times
    this.change(ino, Field.atime | Field.mtime, { atimeS, atimeNs, mtimeS, mtimeNs }, syscall, path)
  }

  /** What `fs.attr` holds, as a record. */
  protected record(ino: number): StatRecord {
    const a = this.fs.attr
    return {
      dev: this.dev,
      ino,
      mode: a.mode,
      nlink: a.nlink,
      uid: a.uid,
      gid: a.gid,
      rdev: a.rdev,
      size: a.size,
      blocks: a.blocks,
      atimeS: a.atimeS,
      atimeNs: a.atimeNs,
      mtimeS: a.mtimeS,
      mtimeNs: a.mtimeNs,
      ctimeS: a.ctimeS,
      ctimeNs: a.ctimeNs,
      btimeS: a.btimeS,
      btimeNs: a.btimeNs,
    }
  }
}
