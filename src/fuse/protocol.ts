/** Numbers of the FUSE protocol (include/uapi/linux/fuse.h, version 7.45). Offsets in bytes, `…Word` in 32-bit words. */

export const Op = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  ioctl: 39,
  poll: 40,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
  syncfs: 50,
  tmpfile: 51,
  statx: 52,
  copyFileRange64: 53,
} as const

export const OP_COUNT = 64

export const KERNEL_MAJOR = 7
/** The newest minor version whose structs are written here. */
export const KERNEL_MINOR = 45

export const OUT_HEADER_BYTES = 16
/** Where the data of a WRITE request begins. */
export const WRITE_DATA_AT = 80
export const ENTRY_OUT_BYTES = 128
export const ATTR_OUT_BYTES = 104
export const OPEN_OUT_BYTES = 16
export const INIT_OUT_BYTES = 64
export const STATFS_OUT_BYTES = 80
export const STATX_OUT_BYTES = 288
/** Fixed part of a directory entry; the name follows, and all is padded to 8. */
export const DIRENT_BYTES = 24

/** Words of the request header. */
export const HeaderWord = { length: 0, opcode: 1, uniqueLow: 2, uniqueHigh: 3, nodeLow: 4, nodeHigh: 5, uid: 6, gid: 7, pid: 8, body: 10 } as const
/** First word of a reply's body. */
export const REPLY_WORD = 4

/** Bit 63 of a request's id, seen in the upper word: sent again after NOTIFY_RESEND. */
export const UNIQUE_RESEND_HIGH = 0x80000000

/** Flags of INIT, lower word. */
export const InitFlag = {
  asyncRead: 1 << 0,
  atomicOTrunc: 1 << 3,
  exportSupport: 1 << 4,
  bigWrites: 1 << 5,
  doReaddirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDio: 1 << 15,
  noOpenSupport: 1 << 17,
  parallelDirops: 1 << 18,
  handleKillpriv: 1 << 19,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  noOpendirSupport: 1 << 24,
  explicitInvalData: 1 << 25,
  handleKillprivV2: 1 << 28,
  initExt: 1 << 30,
} as const

/** Flags of INIT, upper word (only with `initExt`). */
export const InitFlag2 = { hasResend: 1 << 7 } as const

export const OpenReply = { directIo: 1, keepCache: 2, cacheDir: 8, noFlush: 32 } as const

/** `valid` of SETATTR. */
export const SetattrValid = {
  mode: 1,
  uid: 2,
  gid: 4,
  size: 8,
  atime: 16,
  mtime: 32,
  handle: 64,
  atimeNow: 128,
  mtimeNow: 256,
  killSuidgid: 2048,
} as const

export const WriteFlag = { cache: 1, killSuidgid: 4 } as const

export const Notify = { invalInode: 2, invalEntry: 3, delete: 6, resend: 7, incEpoch: 8 } as const

/** Flags of open(2), as the kernel passes them. */
export const OpenFlag = { accessMode: 3, create: 0o100, excl: 0o200, trunc: 0o1000, append: 0o2000, noatime: 0o1000000 } as const

/** FS_IOC_GETFLAGS and SETFLAGS with their one flag, FS_IOC_FSGETXATTR and FSSETXATTR with theirs and the size of struct fsxattr. */
export const Ioctl = {
  getFlags: 0x80086601,
  setFlags: 0x40086602,
  immutable: 0x10,
  getFsx: 0x801c581f,
  setFsx: 0x401c5820,
  fsxImmutable: 0x8,
  fsxBytes: 28,
} as const
