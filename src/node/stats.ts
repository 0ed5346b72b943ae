import { constants, Stats as NodeStats } from 'node:fs'

/** Attributes of a file as they travel: plain numbers, times as whole seconds and nanoseconds. */
export interface StatRecord {
  dev: number
  ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  rdev: number
  size: number
  /** Allocated units of 512 bytes. */
  blocks: number
  atimeS: number
  atimeNs: number
  mtimeS: number
  mtimeNs: number
  ctimeS: number
  ctimeNs: number
  btimeS: number
  btimeNs: number
}

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = constants

/** Preferred size of reads and writes, as st_blksize. */
export const BLOCK_SIZE = 4096

/** What the mode says about a file's kind; shared by both kinds of stats. */
abstract class FileKind {
  abstract readonly mode: number | bigint

  private is(type: number): boolean {
    return (Number(this.mode) & S_IFMT) === type
  }
  isFile(): boolean {
    return this.is(S_IFREG)
  }
  isDirectory(): boolean {
    return this.is(S_IFDIR)
  }
  isSymbolicLink(): boolean {
    return this.is(S_IFLNK)
  }
  isFIFO(): boolean {
    return this.is(S_IFIFO)
  }
  isSocket(): boolean {
    return this.is(S_IFSOCK)
  }
  isCharacterDevice(): boolean {
    return this.is(S_IFCHR)
  }
  isBlockDevice(): boolean {
    return this.is(S_IFBLK)
  }
}

/** As `fs.Stats`. Dates are made when asked for. `instanceof fs.Stats` holds. */
export class Stats extends FileKind {
  readonly dev: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number

  constructor(r: StatRecord) {
    super()
    this.dev = r.dev
    this.mode = r.mode
    this.nlink = r.nlink
    this.uid = r.uid
    this.gid = r.gid
    this.rdev = r.rdev
    this.blksize = BLOCK_SIZE
    this.ino = r.ino
    this.size = r.size
    this.blocks = r.blocks
    this.atimeMs = r.atimeS * 1000 + r.atimeNs / 1e6
    this.mtimeMs = r.mtimeS * 1000 + r.mtimeNs / 1e6
    this.ctimeMs = r.ctimeS * 1000 + r.ctimeNs / 1e6
    this.birthtimeMs = r.btimeS * 1000 + r.btimeNs / 1e6
  }

  get atime(): Date {
    return new Date(Math.round(this.atimeMs))
  }
  get mtime(): Date {
    return new Date(Math.round(this.mtimeMs))
  }
  get ctime(): Date {
    return new Date(Math.round(this.ctimeMs))
  }
  get birthtime(): Date {
    return new Date(Math.round(this.birthtimeMs))
  }
}
Object.setPrototypeOf(FileKind.prototype, NodeStats.prototype)

/** As `fs.BigIntStats`: exact nanoseconds. */
export class BigIntStats extends FileKind {
  readonly dev: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly blksize: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint

  constructor(r: StatRecord) {
    super()
    this.dev = BigInt(r.dev)
    this.mode = BigInt(r.mode)
    this.nlink = BigInt(r.nlink)
    this.uid = BigInt(r.uid)
    this.gid = BigInt(r.gid)
    this.rdev = BigInt(r.rdev)
    this.blksize = BigInt(BLOCK_SIZE)
    this.ino = BigInt(r.ino)
    this.size = BigInt(r.size)
    this.blocks = BigInt(r.blocks)
    this.atimeNs = BigInt(r.atimeS) * 1_000_000_000n + BigInt(r.atimeNs)
    this.mtimeNs = BigInt(r.mtimeS) * 1_000_000_000n + BigInt(r.mtimeNs)
    this.ctimeNs = BigInt(r.ctimeS) * 1_000_000_000n + BigInt(r.ctimeNs)
    this.birthtimeNs = BigInt(r.btimeS) * 1_000_000_000n + BigInt(r.btimeNs)
    this.atimeMs = this.atimeNs / 1_000_000n
    this.mtimeMs = this.mtimeNs / 1_000_000n
    this.ctimeMs = this.ctimeNs / 1_000_000n
    this.birthtimeMs = this.birthtimeNs / 1_000_000n
  }

  get atime(): Date {
    return new Date(Number(this.atimeMs))
  }
  get mtime(): Date {
    return new Date(Number(this.mtimeMs))
  }
  get ctime(): Date {
    return new Date(Number(this.ctimeMs))
  }
  get birthtime(): Date {
    return new Date(Number(this.birthtimeMs))
  }
}

/** As statfs(2) and `fs.StatFs`. */
export interface SpaceRecord {
  type: number
  bsize: number
  blocks: number
  bfree: number
  bavail: number
  files: number
  ffree: number
}

const toBigInts = (r: SpaceRecord): Record<string, bigint> => Object.fromEntries(Object.entries(r).map(([key, value]) => [key, BigInt(value)]))

/** `SpaceRecord` as asked for, in numbers or bigints. */
export function statFs(r: SpaceRecord, bigint: boolean): SpaceRecord | Record<string, bigint> {
  return bigint ? toBigInts(r) : r
}
