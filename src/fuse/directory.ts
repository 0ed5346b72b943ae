/** READDIR and READDIRPLUS. An offset is the hash of the last name given, so that no handle keeps a position. */
import { HISTORY_NAME } from '../fs/index.js'
import { limits } from '../sys/index.js'
import type { Exchange } from './exchange.js'
import { DIRENT_BYTES, ENTRY_OUT_BYTES, OUT_HEADER_BYTES } from './protocol.js'

const DT_DIR = 4
/** `.` and `..` come first; no name has such a hash. */
const AFTER_DOT = 1
const AFTER_DOT_DOT = 2

/** Where the next entry goes, and where the reply ends. One at a time: the loop is synchronous. */
let at = 0
let end = 0
let plusBytes = 0
let isAll = false

/** struct fuse_dirent, behind room for struct fuse_entry_out when attributes were asked for. False when it does not fit. */
function putDirent(x: Exchange, name: string, ino: number, type: number, high: number, low: number): boolean {
  const bytes = plusBytes + ((DIRENT_BYTES + name.length + 7) & ~7)
  if (at + bytes > end) return false
  const o = x.out32
  const word = (at + plusBytes) >>> 2
  const last = (at + bytes) >>> 2
  o[last - 2] = 0
  o[last - 1] = 0
  x.putIno(word, ino)
  o[word + 2] = low
  o[word + 3] = high
  o[word + 4] = name.length
  o[word + 5] = type
  x.out.latin1Write(name, at + plusBytes + DIRENT_BYTES)
  at += bytes
  return true
}

/** Walks over entries behind an offset, as `FileSystemApi.readdir`. */
export type Walk = (high: number, low: number, visit: (name: string, ino: number, type: number, high: number, low: number) => boolean) => number

function list(x: Exchange, parent: number, walk: Walk): number {
  const w = x.in32
  at = OUT_HEADER_BYTES
  end = at + Math.min(w[14], limits.fuseRequestBytes)
  let low = w[12]
  let high = w[13]
  isAll = false
  if (high === 0 && low <= AFTER_DOT_DOT) {
    if (low < AFTER_DOT && !putDirent(x, '.', x.ino, DT_DIR, 0, AFTER_DOT)) return 0
    if (low < AFTER_DOT_DOT && !putDirent(x, '..', parent, DT_DIR, 0, AFTER_DOT_DOT)) return 0
    low = 0
    high = 0
  }
  isAll = true
  return walk(high, low, (name, ino, type, nextHigh, nextLow) => {
    isAll = putDirent(x, name, ino, type, nextHigh, nextLow)
    return isAll
  })
}

/** What the last READDIRPLUS gave out. */
export interface Listed {
  /** It came to the end of its directory. */
  isAll: boolean
  /** Offset of its last entry. */
  high: number
  low: number
  /** Inodes of the directories that it names, in their order. */
  directories: number[]
}

export function noListing(): Listed {
  return { isAll: false, high: 0, low: 0, directories: [] }
}

/** What asking for a listing does, whatever is listed. */
function beginListing(x: Exchange): void {
  const w = x.in32
  if (w[12] === 0 && w[13] === 0 && !x.options.readOnly) {
    const before = x.fs.session.changes
    x.fs.touch(x.ino)
    if (x.view === 0) x.ahead?.touched(x, before)
  }
  if (x.view === 0) x.options.looksInto?.(x.ino)
}

function listTree(x: Exchange): number {
  const shows = shownIn(x)
  const wantsParent = x.in32[13] === 0 && x.in32[12] < AFTER_DOT_DOT
  return list(x, wantsParent ? parentOf(x) : 0, (high, low, visit) =>
    x.fs.readdir(x.ino, high, low, shows === undefined ? visit : (name, ino, ...rest) => !shows(name, ino) || visit(name, ino, ...rest)),
  )
}

/** Which entries of a directory a listing shows; undefined: all. */
function shownIn(x: Exchange): ((name: string, ino: number) => boolean) | undefined {
  const { rootIno, past, guard } = x.options
  const hides = x.ino === rootIno && x.view === 0 && past !== undefined && x.fs.find(x.ino, HISTORY_NAME) > 0
  const lists = guard?.lists(x)
  if (!hides) return lists
  return (name, ino) => name !== HISTORY_NAME && lists?.(name, ino) !== false
}

/** The kernel answers `..` of the mount's root itself. */
function parentOf(x: Exchange): number {
  if (x.ino === x.options.rootIno) return x.ino
  const parent = x.fs.find(x.ino, '..')
  return parent < 0 ? x.ino : parent
}

export function readdir(x: Exchange): number {
  if (x.view === 0 && x.ahead?.isAtEnd(x) === true) return x.ok(0)
  plusBytes = 0
  beginListing(x)
  const result = listTree(x)
  return result < 0 ? x.fail(result) : x.ok(at - OUT_HEADER_BYTES)
}

export function readdirplus(x: Exchange): number {
  beginListing(x)
  const ahead = x.view === 0 ? x.ahead : undefined
  const made = ahead?.take(x) ?? 0
  if (made > 0) return made
  const listed = noListing()
  const bytes = listPlus(x, listed)
  if (x.outI32[1] === 0) ahead?.answered(x, listed)
  return bytes
}

/** Attributes are filled in a second pass: while it walks, a visitor may not ask the filesystem for more. */
export function listPlus(x: Exchange, listed: Listed): number {
  plusBytes = ENTRY_OUT_BYTES
  const result = listTree(x)
  if (result < 0) return x.fail(result)
  const o = x.out32
  for (let p = OUT_HEADER_BYTES; p < at; ) {
    const word = p >>> 2
    const dirent = word + ENTRY_OUT_BYTES / 4
    const nameBytes = o[dirent + 4]
    listed.low = o[dirent + 2]
    listed.high = o[dirent + 3]
    // Inode 0 says that no look-up is counted: for `.` and `..` as the kernel wants it.
    const ino = listed.high === 0 && listed.low <= AFTER_DOT_DOT ? 0 : nodeIno(x, dirent)
    if (ino !== 0 && o[dirent + 5] === DT_DIR) listed.directories.push(ino)
    x.putEntry(word, ino !== 0 && x.fs.getattr(ino) === 0 ? ino : 0)
    p += ENTRY_OUT_BYTES + ((DIRENT_BYTES + nameBytes + 7) & ~7)
  }
  listed.isAll = isAll
  return x.ok(at - OUT_HEADER_BYTES)
}

/** Offsets count on from those of `.` and `..`. */
const FIRST_OFFSET = AFTER_DOT_DOT + 1

/** A walk over a list that stays as it is. */
export function walkOf(entries: readonly { name: string; ino: number; type: number }[]): Walk {
  return (_, low, visit) => {
    for (let i = low === 0 ? 0 : low - FIRST_OFFSET + 1; i < entries.length; i++) {
      const { name, ino, type } = entries[i]
      if (!visit(name, ino, type, 0, i + FIRST_OFFSET)) break
    }
    return 0
  }
}

/** READDIR or READDIRPLUS of what is no tree of the volume. With PLUS nothing is said of any entry: it is looked up when somebody asks. */
export function listing(x: Exchange, plus: boolean, parent: number, walk: Walk): number {
  plusBytes = plus ? ENTRY_OUT_BYTES : 0
  const result = list(x, parent, walk)
  if (result < 0) return x.fail(result)
  for (let p = OUT_HEADER_BYTES; plus && p < at; ) {
    const word = p >>> 2
    x.out32.fill(0, word, word + ENTRY_OUT_BYTES / 4)
    p += ENTRY_OUT_BYTES + ((DIRENT_BYTES + x.out32[word + ENTRY_OUT_BYTES / 4 + 4] + 7) & ~7)
  }
  return x.ok(at - OUT_HEADER_BYTES)
}

function nodeIno(x: Exchange, word: number): number {
  const low = x.out32[word]
  const high = x.out32[word + 1] & 0x1fffff
  return low === 1 && high === 0 ? x.options.rootIno : high * 4294967296 + low
}
