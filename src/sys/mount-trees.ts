/**
 * Trees of mounts that are put together where nobody sees them (Linux 5.12, x64 and arm64, root). Functions return what the call did, or the negated errno; they throw where the C
 * library has no such call.
 */
import { closeSync } from 'node:fs'
import { cFunction, cString, orErrno } from './ffi.js'

type Bytes = Uint8Array

const cTree = cFunction<[number, number, Bytes, number]>('long syscall(long number, int at, void *path, unsigned int flags)')
const cMove = cFunction<[number, number, Bytes, number, Bytes, number]>(
  'long syscall(long number, int from, void *fromPath, int to, void *toPath, unsigned int flags)',
)
const cAttributes = cFunction<[number, number, Bytes, number, Bytes, number]>(
  'long syscall(long number, int at, void *path, unsigned int flags, void *attributes, size_t size)',
)
const cMount = cFunction<[Bytes | null, Bytes, Bytes | null, number, Bytes | null]>(
  'int mount(void *source, void *target, void *type, unsigned long flags, void *data)',
)
const cChdir = cFunction<[Bytes]>('int chdir(void *path)')
const cPivot = cFunction<[Bytes, Bytes]>('int pivot_root(void *root, void *old)')
const cUmount2 = cFunction<[Bytes, number]>('int umount2(void *target, int flags)')
const cUmask = cFunction<[number]>('unsigned int umask(unsigned int mask)')
const cUnshare = cFunction<[number]>('int unshare(int flags)')
const cSetns = cFunction<[number, number]>('int setns(int fd, int type)')

/** The same for both processors. */
const OPEN_TREE = 428
const MOVE_MOUNT = 429
const MOUNT_SETATTR = 442

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const AT_RECURSIVE = 0x8000
const OPEN_TREE_CLONE = 1
const O_CLOEXEC = 0o2000000
const MOVE_MOUNT_F_EMPTY_PATH = 4
const MNT_DETACH = 2
const MS_BIND = 1 << 12
const MS_REC = 1 << 14
const MS_PRIVATE = 1 << 18
const CLONE_NEWNS = 0x20000

export const READ_ONLY = 1
export const NO_SETUID = 2
export const NO_DEVICES = 4

/** A `struct mount_attr`. What is mounted in or under it stays there: whatever host it was copied from never sees it. */
function privateWith(attributes: number): Buffer {
  const struct = Buffer.alloc(32)
  struct.writeUInt32LE(attributes, 0)
  struct.writeUInt32LE(MS_PRIVATE, 16)
  return struct
}

/** A copy of what is mounted at a path and below, in no namespace yet: a descriptor, with whose last copy it goes. It and all below have these attributes, and are private. */
export function mountCopy(path: string, attributes: number): number {
  const fd = orErrno(cTree(OPEN_TREE, AT_FDCWD, cString(path), OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC))
  if (fd < 0) return fd
  const struct = privateWith(attributes)
  const failed = orErrno(cAttributes(MOUNT_SETATTR, fd, cString(''), AT_EMPTY_PATH | AT_RECURSIVE, struct, struct.length))
  if (failed < 0) closeSync(fd)
  return failed < 0 ? failed : fd
}

/** Puts such a copy in its place, in the namespace of this thread. */
export function putMount(fd: number, path: string): number {
  return orErrno(cMove(MOVE_MOUNT, fd, cString(''), AT_FDCWD, cString(path), MOVE_MOUNT_F_EMPTY_PATH))
}

/** Shows `source` at `path` with these attributes. */
export function bindMount(source: string, path: string, attributes: number): number {
  return inTurn([() => orErrno(cMount(cString(source), cString(path), null, MS_BIND, null)), () => restrictMount(path, attributes)])
}

/** What is mounted at a path has these attributes from now on, beside those that it has. */
export function restrictMount(path: string, attributes: number): number {
  const struct = privateWith(attributes)
  return orErrno(cAttributes(MOUNT_SETATTR, AT_FDCWD, cString(path), 0, struct, struct.length))
}

/** From now on this thread has mounts of its own, a copy of those that it had, and a root and a current folder of its own. */
export function ownMounts(): number {
  return orErrno(cUnshare(CLONE_NEWNS))
}

/** Nothing appears in them that others mount, and nothing of them appears to others. */
export function keepMounts(): number {
  return orErrno(cMount(null, cString('/'), null, MS_REC | MS_PRIVATE, null))
}

/** This thread, which has its own already, goes to the root of another namespace of mounts. */
export function enterMounts(fd: number): number {
  return orErrno(cSetns(fd, CLONE_NEWNS))
}

/** A mount at `path` becomes the root of this thread's namespace, with nothing of what was its root. */
export function becomeRoot(path: string): number {
  return inTurn([
    () => orErrno(cChdir(cString(path))),
    () => orErrno(cPivot(cString('.'), cString('.'))),
    () => orErrno(cUmount2(cString('.'), MNT_DETACH)),
    () => orErrno(cChdir(cString('/'))),
  ])
}

/** Permissions that what this thread makes, and what it starts, does not give. Those of other threads stay. */
export function setMask(mask: number): void {
  cUmask(mask)
}

/** Does one after the other until one fails: what the last of them did. */
export function inTurn(steps: ReadonlyArray<() => number>): number {
  let done = 0
  for (const step of steps) {
    done = step()
    if (done < 0) break
  }
  return done
}
