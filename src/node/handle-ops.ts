import { constants } from 'node:fs'
import { EBADF, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ESTALE, isGivenUp, posixError } from '../errors.js'
import { Set as Field } from '../fs/filesystem.js'
import { PathOps } from './path-ops.js'
import type { StatRecord } from './stats.js'
import type { Path } from './validate.js'

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFREG, O_APPEND, O_CREAT, O_DIRECTORY, O_DSYNC, O_EXCL, O_NOFOLLOW, O_RDONLY, O_SYNC, O_TRUNC, O_WRONLY } = constants
/** Reading, writing or both; node has no name for the mask. */
const O_ACCMODE = 3

/** Handles start far above real descriptors, so that one given to the native fs by mistake is EBADF there. */
const FIRST_HANDLE = 1 << 20
/** Longest write that is one batch, and thus one record of the journal. */
export const WRITE_CHUNK_BYTES = 1 << 20
const SEEK_DATA = 3

interface Handle {
  ino: number
  /** Of the inode, when it was opened (`Session.incarnation`). */
  incarnation: number
  flags: number
  position: number
  /** What the session calls it; 0 when it cannot write. */
  number: number
}

/** Operations on open files. A handle keeps its file alive when the last name is gone, until `close`. */
export class HandleOps extends PathOps {
  private readonly handles = new Map<number, Handle>()
  private nextHandle = FIRST_HANDLE
  /** Left by `openInode`. */
  protected opened = 0

  /** As `open`, for what goes on with it: a handle is there now, so that nothing far away may end it. */
  protected openToUse(path: Path, flags: number, mode: number): number {
    const handle = this.open(path, flags, mode)
    this.fs.session.waitFromNow?.()
    return handle
  }

  /** @param mode of a file that is made, umask applied */
  open(path: Path, flags: number, mode: number): number {
    const ino = this.openInode(path, flags, mode)
    const handle = this.nextHandle++
    this.handles.set(handle, { ino, incarnation: this.incarnation(ino), flags, position: 0, number: this.opened })
    return handle
  }

  close(handle: number): void {
    const { ino, number } = this.known(handle, 'close')
    let isMissing = false
    try {
      this.fs.release(ino, number)
    } catch (error) {
      isMissing = isGivenUp(error)
      throw error
    } finally {
      if (!isMissing) this.handles.delete(handle)
    }
  }

  /** Closes what is open; for a client that went away. */
  closeAll(): void {
    for (const { ino, number } of this.handles.values()) this.fs.release(ino, number)
    this.handles.clear()
  }

  /** Bytes read into `into`; from the handle's position, and moving it, when `position` is null. */
  readInto(handle: number, into: Uint8Array, at: number, length: number, position: number | null): number {
    const h = this.handle(handle, 'read')
    if ((h.flags & O_ACCMODE) === O_WRONLY) throw posixError(EBADF, 'read')
    const read = this.fs.read(h.ino, position ?? h.position, into, at, length, true)
    if (read < 0) throw posixError(-read, 'read')
    if (position === null) h.position += read
    return read
  }

  /** As readInto, for callers in another process: at most `length` bytes. */
  read(handle: number, length: number, position: number | null): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length)
    return bytes.subarray(0, this.readInto(handle, bytes, 0, length, position))
  }

  write(handle: number, data: Uint8Array, position: number | null): number {
    const written = this.writeUnsynced(handle, data, position)
    if (this.isSynced(handle)) this.syncNow('write')
    return written
  }

  /** What is written through it is durable when the call returns. */
  isSynced(handle: number): boolean {
    return (this.handle(handle, 'write').flags & (O_SYNC | O_DSYNC)) !== 0
  }

  /** As `write`; that it is durable is the caller's to see to. */
  writeUnsynced(handle: number, data: Uint8Array, position: number | null): number {
    const h = this.handle(handle, 'write')
    if ((h.flags & O_ACCMODE) === O_RDONLY) throw posixError(EBADF, 'write')
    const append = (h.flags & O_APPEND) !== 0
    const written = this.writeInode(h.ino, position ?? h.position, data, append, h.number)
    if (position === null) h.position = append ? this.sizeOf(h.ino) : h.position + written
    return written
  }

  fstat(handle: number): StatRecord {
    const { ino } = this.handle(handle, 'fstat')
    const result = this.fs.getattr(ino)
    if (result < 0) throw posixError(-result, 'fstat')
    return this.record(ino)
  }

  ftruncate(handle: number, size: number): void {
    const { ino, flags, number } = this.handle(handle, 'ftruncate')
    if ((flags & O_ACCMODE) === O_RDONLY) throw posixError(EINVAL, 'ftruncate')
    this.changeOpen(ino, Field.size, { size: Math.max(0, size) }, 'ftruncate', number)
  }

  fchmod(handle: number, mode: number): void {
    this.change(this.handle(handle, 'fchmod').ino, Field.mode, { mode }, 'fchmod')
  }

  fchown(handle: number, uid: number, gid: number): void {
    this.changeOwner(this.handle(handle, 'fchown').ino, uid, gid, 'fchown')
  }

  futimes(handle: number, times: [atimeS: number, atimeNs: number, mtimeS: number, mtimeNs: number]): void {
    this.changeTimes(this.handle(handle, 'futime').ino, times, 'futime')
  }

  /** Durable against power loss when it resolves; concurrent calls share one fdatasync. */
  fsync(handle: number): Promise<void> {
    this.handle(handle, 'fsync')
    return this.fs.session.sync()
  }

  /** The same, blocking. */
  fsyncNow(handle: number): void {
    this.handle(handle, 'fsync')
    this.syncNow('fsync')
  }

  /** `mode` as fallocate(2). */
  fallocate(handle: number, mode: number, offset: number, length: number): void {
    const { ino, flags, number } = this.handle(handle, 'fallocate')
    if ((flags & O_ACCMODE) === O_RDONLY) throw posixError(EBADF, 'fallocate')
    const result = this.fs.fallocate(ino, mode, offset, length, number)
    if (result < 0) throw posixError(-result, 'fallocate')
  }

  /** Offset of the next data (`whence` 3) or hole (4) at or after `offset`. @throws ENXIO beyond the end */
  seek(handle: number, offset: number, whence: number): number {
    const result = this.fs.lseek(this.handle(handle, 'lseek').ino, offset, whence)
    if (result < 0) throw posixError(-result, 'lseek')
    return result
  }

  /** Copies at most `length` bytes at `offset` to the same place; holes stay holes. Returns where the next call goes on: the source's size at the end. */
  copyRange(from: number, to: number, offset: number, length: number): number {
    const source = this.handle(from, 'copyfile').ino
    return this.copyInode(source, this.handle(to, 'copyfile'), offset, length, this.sizeOf(source))
  }

  protected copyInode(from: number, to: Handle, start: number, length: number, size: number): number {
    const end = Math.min(size, start + length)
    const chunk = Buffer.allocUnsafeSlow(Math.max(1, Math.min(end - start, WRITE_CHUNK_BYTES)))
    let offset = start
    while (offset < end) {
      const data = this.fs.lseek(from, offset, SEEK_DATA)
      if (data < 0 || data >= end) return end
      const want = Math.min(chunk.length, end - data)
      const read = this.fs.read(from, data, chunk, 0, want)
      if (read < 0) throw posixError(-read, 'copyfile')
      if (read === 0) return end
      this.writeInode(to.ino, data, chunk.subarray(0, read), false, to.number, 'copyfile')
      offset = data + read
    }
    return end
  }

  /** @throws EBADF; ESTALE when the volume went to another state in which this file is another or none */
  protected handle(handle: number, syscall: string): Handle {
    const found = this.known(handle, syscall)
    if (found.incarnation !== this.incarnation(found.ino)) throw posixError(ESTALE, syscall)
    return found
  }

  private incarnation(ino: number): number {
    return this.fs.session.incarnation?.(ino) ?? 0
  }

  private known(handle: number, syscall: string): Handle {
    const found = this.handles.get(handle)
    if (found === undefined) throw posixError(EBADF, syscall)
    return found
  }

  protected sizeOf(ino: number): number {
    const result = this.fs.getattr(ino)
    if (result < 0) throw posixError(-result, 'fstat')
    return this.fs.attr.size
  }

  protected syncNow(syscall: string): void {
    const result = this.fs.session.syncNow()
    if (result < 0) throw posixError(-result, syscall)
  }

  /** Writes all of `data`, in batches of a bounded size. */
  protected writeInode(ino: number, offset: number, data: Uint8Array, append: boolean, number: number, syscall = 'write'): number {
    let done = 0
    do {
      const length = Math.min(data.length - done, WRITE_CHUNK_BYTES)
      const written = this.fs.write(ino, offset + done, data, done, length, append, this.cred !== undefined, number)
      if (written < 0) {
        if (done > 0) return done
        throw posixError(-written, syscall)
      }
      done += written
    } while (done < data.length)
    return done
  }

  /** Attributes by an open handle: what it may do was decided when it was opened. */
  protected changeOpen(ino: number, fields: number, values: { size: number }, syscall: string, number: number): void {
    const set = { mode: 0, uid: 0, gid: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0, ...values }
    const result = this.fs.setattr(ino, fields, set, undefined, number)
    if (result < 0) throw posixError(-result, syscall)
  }

  /** Opens what a path means, making it for O_CREAT, and holds its inode. */
  protected openInode(path: Path, flags: number, mode: number): number {
    const bytes = this.bytes(path, 'open')
    this.opened = 0
    const ino = (flags & O_CREAT) === 0 ? this.findToOpen(bytes, flags) : this.findOrCreate(bytes, flags, mode)
    this.check(ino, 'open', path)
    return ino
  }

  private findToOpen(bytes: string, flags: number): number {
    const ino = this.fs.resolve(bytes, (flags & O_NOFOLLOW) === 0, this.cred)
    if (ino < 0) return ino
    const type = this.fs.attr.mode & S_IFMT
    if (type === S_IFLNK) return -ELOOP
    if ((flags & O_DIRECTORY) !== 0 && type !== S_IFDIR) return -ENOTDIR
    return this.openFound(ino, flags)
  }

  private newNumber(flags: number, created: boolean): number {
    if ((flags & (O_ACCMODE | O_TRUNC)) === 0) return 0
    return this.fs.session.newHandle?.(created) ?? 0
  }

  private openFound(ino: number, flags: number): number {
    this.opened = this.newNumber(flags, false)
    const result = this.fs.open(ino, flags, this.cred, this.opened)
    return result < 0 ? result : ino
  }

  private findOrCreate(bytes: string, flags: number, mode: number): number {
    if (bytes.endsWith('/')) {
      const dir = this.fs.resolveParent(bytes, this.cred)
      return dir < 0 ? dir : -EISDIR
    }
    const ino = this.locate(bytes, (flags & (O_EXCL | O_NOFOLLOW)) === 0)
    if (this.dir >= 0 && this.slash) return -EISDIR
    if (ino === -ENOENT && this.dir >= 0) {
      const made = this.fs.mknod(this.dir, this.name, S_IFREG | (mode & 0o7777), 0, this.cred)
      if (made < 0) return made
      // Who made a file may use it as asked, whatever its mode says.
      this.opened = this.newNumber(flags, true)
      const opened = this.fs.open(made, flags & ~(O_TRUNC | O_CREAT | O_EXCL), undefined, this.opened)
      return opened < 0 ? opened : made
    }
    if (ino < 0) return ino
    if ((flags & O_EXCL) !== 0) return -EEXIST
    const type = this.fs.attr.mode & S_IFMT
    if (type === S_IFLNK) return -ELOOP
    if (type === S_IFDIR) return -EISDIR
    return this.openFound(ino, flags)
  }

  /** True when nothing but the file itself stands behind it: reads and writes by path need no open. */
  protected isPlain(): boolean {
    return (this.fs.attr.mode & S_IFMT) === S_IFREG
  }
}
