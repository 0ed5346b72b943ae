/**
 * The calls of the C library that Node lacks. Every function returns its result, or the negated errno; none throws.
 * Nothing is loaded before the first call. Linux, except where a comment says more.
 */
import { cFunction, cFunctionLater, cString, ffi, orErrno } from './ffi.js'

export { receiveFd, sendFd, socketpair } from './fd-passing.js'
export { getxattr, listxattr, setxattr } from './host-xattr.js'

type Bytes = Uint8Array
type Path = string | Uint8Array

const cMount = cFunction<[Bytes, Bytes, Bytes, number, Bytes]>('int mount(void *source, void *target, void *type, unsigned long flags, void *data)')
const cUmount2 = cFunction<[Bytes, number]>('int umount2(void *target, int flags)')
const cUmount2Later = cFunctionLater<[Bytes, number]>('int umount2(void *target, int flags)')
const cPoll = cFunction<[Bytes, number, number]>('int poll(void *fds, unsigned long count, int timeout)')
const cEventfd = cFunction<[number, number]>('int eventfd(unsigned int initial, int flags)')
const cIoctl = cFunction<[number, number, Bytes]>('int ioctl(int fd, unsigned long request, void *argument)')
const cFlock = cFunction<[number, number]>('int flock(int fd, int operation)')
const cSyncfs = cFunction<[number]>('int syncfs(int fd)')
const cClose = cFunction<[number]>('int close(int fd)')
const cLseek = cFunction<[number, number, number]>('int64_t lseek(int fd, int64_t offset, int whence)')
const cMknod = cFunction<[Bytes, number, number]>('int mknod(void *path, unsigned int mode, unsigned long device)')
const cUtimensat = cFunction<[number, Bytes, Bytes, number]>('int utimensat(int dirfd, void *path, void *times, int flags)')
const cRead = cFunction<[number, Bytes, number]>('intptr_t read(int fd, void *into, size_t length)')
const cPwrite = cFunction<[number, Bytes, number, number]>('intptr_t pwrite(int fd, void *from, size_t length, int64_t offset)')
const cWrite = cFunction<[number, Bytes, number]>('intptr_t write(int fd, void *from, size_t length)')
const cNameToHandle = cFunction<[number, Bytes, Bytes, Bytes, number]>('int name_to_handle_at(int dirfd, void *path, void *handle, void *mount_id, int flags)')
const cAccess = cFunction<[Bytes, number]>('int access(void *path, int mode)')

export const MS_RDONLY = 1
export const MS_NOSUID = 2
export const MS_NODEV = 4
export const MNT_DETACH = 2
export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
export const POLLIN = 1
const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000

/** Bytes before the identity in a `struct file_handle`, its length as u32 and its type as i32; and of one with the longest identity. */
export const FILE_HANDLE_HEADER = 8
export const FILE_HANDLE_BYTES = FILE_HANDLE_HEADER + 128
const AT_FDCWD = -100
const AT_SYMLINK_FOLLOW = 0x400

const FIONBIO = 0x5421

/** Reads of this open file answer `-EAGAIN` instead of waiting; for every process that shares it. */
export function setNonBlocking(fd: number): number {
  const on = Buffer.alloc(4)
  on.writeInt32LE(1, 0)
  return ioctl(fd, FIONBIO, on)
}

/** mount(2). `options` is the comma-separated list that the filesystem's driver reads. */
export function mount(source: string, target: Path, type: string, flags: number, options: string): number {
  return orErrno(cMount(cString(source), cString(target), cString(type), flags, cString(options)))
}

/** umount2(2), with MNT_DETACH. */
export function umount2(target: Path, flags: number): number {
  return orErrno(cUmount2(cString(target), flags))
}

/** The same on another thread. True when it is gone. */
export function umount2Later(target: Path, flags: number): Promise<boolean> {
  return new Promise(resolve => cUmount2Later([cString(target), flags], result => resolve(result === 0)))
}

/** One read(2) into the start of `into`. A failure costs 0.4 µs here, 10 µs with `fs.readSync`. */
export function read(fd: number, into: Bytes, length: number): number {
  const n = cRead(fd, into, length)
  return n < 0 ? -ffi().errno() : n
}

/** One pwrite(2) of the start of `from`: a fifth less than `fs.writeSync` takes for a few hundred bytes. */
export function pwrite(fd: number, from: Bytes, length: number, offset: number): number {
  const n = cPwrite(fd, from, length, offset)
  return n < 0 ? -ffi().errno() : n
}

/** One write(2) of the start of `from`. */
export function write(fd: number, from: Bytes, length: number): number {
  const n = cWrite(fd, from, length)
  return n < 0 ? -ffi().errno() : n
}

/** Bytes of one `struct pollfd`: fd as i32, events and revents as i16. */
export const POLLFD_BYTES = 8

/** poll(2) over `count` structs in `fds`. How many are ready; 0 after `timeoutMs`; -1 waits for ever. Blocks this thread. */
export function poll(fds: Bytes, count: number, timeoutMs: number): number {
  return orErrno(cPoll(fds, count, timeoutMs))
}

/** A counter that poll can wait for. Write 8 bytes to add, read 8 bytes to take all. */
export function eventfd(): number {
  return orErrno(cEventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
}

export function ioctl(fd: number, request: number, argument: Bytes): number {
  return orErrno(cIoctl(fd, request, argument))
}

/** Advisory lock of an open file, gone when its last descriptor closes, also by SIGKILL. `-EAGAIN` with LOCK_NB when another has it. Also on macOS. */
export function flock(fd: number, operation: number): number {
  return orErrno(cFlock(fd, operation))
}

/** name_to_handle_at(2), following a last link: which file a path means, without asking its filesystem more than its name for it. */
export function nameToHandle(path: Path, handle: Bytes): number {
  Buffer.from(handle.buffer, handle.byteOffset).writeUInt32LE(handle.length - FILE_HANDLE_HEADER, 0)
  return orErrno(cNameToHandle(AT_FDCWD, cString(path), handle, Buffer.alloc(4), AT_SYMLINK_FOLLOW))
}

/** Makes everything written to the filesystem that holds `fd` durable; through FUSE this also asks the server to. Blocks. */
export function syncfs(fd: number): number {
  return orErrno(cSyncfs(fd))
}

/** For descriptors that came from here: `fs.closeSync` serves as well. */
export function close(fd: number): number {
  return orErrno(cClose(fd))
}

/** lseek(2), for SEEK_DATA and SEEK_HOLE. `-ENXIO` behind the last data. */
export function lseek(fd: number, offset: number, whence: number): number {
  return orErrno(cLseek(fd, offset, whence))
}

/** FIFOs, sockets, devices; `mode` with its type bits. */
export function mknod(path: Path, mode: number, device: number): number {
  return orErrno(cMknod(cString(path), mode, device))
}

/** access(2) with the real user: mode 0 exists, 1 execute, 2 write, 4 read. Returns `-ENOTCONN` on a mount whose server died. */
export function access(path: Path, mode: number): number {
  return orErrno(cAccess(cString(path), mode))
}

const AT_SYMLINK_NOFOLLOW = 0x100

/** Sets access and modification time to the nanosecond, of a symlink itself where `path` is one. */
export function utimens(path: Path, atimeS: number, atimeNs: number, mtimeS: number, mtimeNs: number): number {
  const times = Buffer.alloc(32)
  times.writeBigInt64LE(BigInt(atimeS), 0)
  times.writeInt32LE(atimeNs, 8)
  times.writeBigInt64LE(BigInt(mtimeS), 16)
  times.writeInt32LE(mtimeNs, 24)
  return orErrno(cUtimensat(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW))
}
