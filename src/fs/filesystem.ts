import type { Attr } from '../codec/index.js'
import type { Session } from '../volume/session.js'

/**
 * Who asks. `undefined` in place of it means trusted: no permission check, files belong to 0:0
 * unless the operation is told otherwise. Behind FUSE the kernel checks (`default_permissions`).
 */
export interface Cred {
  uid: number
  gid: number
  /** Supplementary groups. */
  groups: readonly number[]
  /** The kernel has checked already: only ownership of what is made comes from here. */
  checked?: boolean
}

/** Which fields of `SetAttr` count. `killPriv`: a truncation by a writer without privilege, which clears setuid and setgid. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: importers name it what they like, mostly Field
export const Set = { mode: 1, uid: 2, gid: 4, size: 8, atime: 16, mtime: 32, atimeNow: 64, mtimeNow: 128, flags: 256, killPriv: 512 } as const

export interface SetAttr {
  mode: number
  uid: number
  gid: number
  size: number
  atimeS: number
  atimeNs: number
  mtimeS: number
  mtimeNs: number
  flags: number
}

export const Rename = { noReplace: 1, exchange: 2 } as const

/** Called after a change, for caches elsewhere (the kernel's, above all). */
export interface ChangeListener {
  /** Attributes or content of an inode changed. */
  inode(ino: number): void
  /** The entry `name` of `parent` appeared, vanished or means another inode: `ino`, 0 when it vanished. */
  entry(parent: number, name: string, ino: number): void
}

/**
 * POSIX semantics over a session, by inode number. Front ends only translate.
 *
 * Every method is synchronous and returns a number: 0 or a result on success, a negated errno on failure. Names are
 * byte strings: one char per byte (latin1). `attr` holds the attributes of the file that a call concerned, until the next call.
 * Damage throws CorruptError, which front ends answer with EIO.
 */
export interface FileSystemApi {
  readonly session: Session
  /** Filled by lookup, getattr, setattr, create, mkdir, mknod, symlink, link. */
  readonly attr: Attr
  /** Set while changes should be announced. */
  listener: ChangeListener | undefined

  /** Inode number of `name` in `dir` (`.` and `..` too). Fills `attr`. Checks search permission when `cred` is given. */
  lookup(dir: number, name: string, cred?: Cred): number
  /** As lookup, without filling `attr`. */
  find(dir: number, name: string): number
  getattr(ino: number): number
  setattr(ino: number, valid: number, set: SetAttr, cred?: Cred, handle?: number): number
  access(ino: number, mask: number, cred?: Cred): number

  /** Regular files, FIFOs, devices, sockets. `mode` with its type bits, umask already applied. Returns the inode number. */
  mknod(dir: number, name: string, mode: number, rdev: number, cred?: Cred): number
  mkdir(dir: number, name: string, mode: number, cred?: Cred): number
  /** A regular file that has its content from the start: inode, entry and bytes in one batch. Otherwise as mknod. Optional: callers fall back to mknod and write. */
  createWith?(dir: number, name: string, mode: number, from: Uint8Array, at: number, length: number, cred?: Cred): number
  /** Replaces the whole content of a regular file in one batch: nobody, and no crash, sees it truncated. 0. Optional, as above. */
  replaceContent?(ino: number, from: Uint8Array, at: number, length: number, cred?: Cred): number
  symlink(dir: number, name: string, target: string, cred?: Cred): number
  link(ino: number, dir: number, name: string, cred?: Cred): number
  unlink(dir: number, name: string, cred?: Cred): number
  rmdir(dir: number, name: string, cred?: Cred): number
  rename(dir: number, name: string, toDir: number, toName: string, flags: number, cred?: Cred): number

  /**
   * Checks that `ino` may be opened with `flags` (O_* of Linux) and truncates for O_TRUNC. Holds the inode, so that it
   * outlives its last link, until `release`.
   * @param handle here and below: the number of the handle, from `session.newHandle`, for opens that may write; 0: none. A state of
   * a file is a version once a handle that wrote is closed; a change without one is closed when it returns.
   */
  open(ino: number, flags: number, cred?: Cred, handle?: number): number
  /** Ends one `open`. The last one of an unlinked inode removes it. */
  release(ino: number, handle?: number): void
  /** Opens of an inode that were not released. Optional: none. */
  holds?(ino: number): number
  /** The kernel forgot an inode: removes it when it is unlinked and not open here. */
  forget(ino: number): void
  /** The inodes that are open here. */
  openInodes(): number[]
  /** Removes all unlinked inodes that nobody holds; at start and at unmount. Returns how many. */
  collectOrphans(): number

  /** Sets atime as relatime does; for whoever listed a directory or read a link. */
  touch(ino: number): number
  /** Bytes read, 0 at the end. Updates atime as relatime does when `touch`. */
  read(ino: number, offset: number, into: Uint8Array, at: number, length: number, touch?: boolean): number
  /** Bytes written. `append` writes at the end whatever `offset` says. Clears setuid and setgid for writers without privilege when `cred` or `killPriv` says so. */
  write(ino: number, offset: number, from: Uint8Array, at: number, length: number, append?: boolean, killPriv?: boolean, handle?: number): number
  /** `mode` as fallocate(2): 0, KEEP_SIZE 1, PUNCH_HOLE 2 (with 1), ZERO_RANGE 16. */
  fallocate(ino: number, mode: number, offset: number, length: number, handle?: number): number
  /** SEEK_DATA (3) and SEEK_HOLE (4). */
  lseek(ino: number, offset: number, whence: number): number

  /** The target, one char per byte, left in `text`. */
  readlink(ino: number): number
  text: string

  /**
   * Entries of `dir` after the offset (`high`, `low`), in hash order, `.` and `..` not among them; `0, 0` is the start. `visit` gets
   * (name, ino, d_type, offset high, offset low) and returns false to stop before that entry. It may not change the tree.
   */
  readdir(dir: number, high: number, low: number, visit: (name: string, ino: number, type: number, high: number, low: number) => boolean): number

  /**
   * The names of a small directory that was listed since it last changed, as UTF-8 text in byte order; undefined when it must be read, or
   * looked at more closely (`cred`). Kept: not to be changed. Optional.
   */
  listed?(path: string, cred?: Cred): readonly string[] | undefined

  /** Length of the value, left in `value`; -ENODATA. */
  getxattr(ino: number, name: string): number
  value: Uint8Array
  /** flags: XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr(ino: number, name: string, value: Uint8Array, flags: number, cred?: Cred): number
  /** Names, left in `names`. */
  listxattr(ino: number): number
  names: string[]
  removexattr(ino: number, name: string, cred?: Cred): number

  /** Resolves a path (byte string, `/`-separated, from the root) following symlinks; the last one only when `follow`. Fills `attr`. */
  resolve(path: string, follow: boolean, cred?: Cred): number
  /**
   * The directory that holds the last component, and that component in `text`: it need not exist, may be `.` or `..`, and
   * is empty for the root, which the other methods understand. With `follow` a symlink there is followed, as open(O_CREAT) does.
   */
  resolveParent(path: string, cred?: Cred, follow?: boolean): number
  /** The path of the last resolveParent ended in a slash. */
  readonly trailingSlash: boolean
  /** A path of an inode, by its parents, in `text`: exact for directories, for others the name made last, if it has it still. */
  pathOf(ino: number): number
  /** Raised, at the latest when it is read, whenever the path of a directory may be another one. */
  readonly pathEpoch: number
}
