import { closeSync, fdatasyncSync, ftruncateSync, openSync, readdirSync, readSync, renameSync, unlink, unlinkSync, writeSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJournalHeader, encodeJournalHeader, FRAME_HEADROOM, firstChain, JOURNAL_HEADER_BYTES, type JournalHeader } from '../codec/frame.js'
import { EIO, posixError } from '../errors.js'
import { crashPoint, crashPointsWatched, limits } from '../sys/index.js'
import { pwrite } from '../sys/libc.js'

const RELEASED = '.released'
/** Below this a file is removed in less time than a thread takes to be asked. */
const SLOW_BYTES = 1024 * 1024
const NAME = /^(\d{12,15})\.journal$/
/** Pieces of a frame in one system call; it takes at most 1024. */
const PARTS_AT_ONCE = 256
const ZEROS = Buffer.alloc(limits.journalZeroBytes)

/** One file of the journal: a header, then frames. */
export class JournalFile {
  readonly path: string
  readonly header: JournalHeader
  readonly fd: number
  /** Where the next frame goes. */
  end = JOURNAL_HEADER_BYTES
  /** Last sequence in it; one less than its first when it is empty. */
  last: number
  /** Chain value behind the last frame. */
  chain: number
  unsyncedBytes = 0
  /** A full disk, as far as one knows: room is wanted at once. */
  writeFailed = false
  /** The file is written, with zeros, up to here: overwriting them changes no metadata, which makes fdatasync cheaper. */
  #zeroedEnd = 0

  constructor(path: string, header: JournalHeader, fd: number) {
    this.path = path
    this.header = header
    this.fd = fd
    this.last = header.firstSequence - 1
    this.chain = firstChain(header)
  }

  /** Makes the file; one of the same name, which has no frame, is replaced: frames that it supersedes must not come back in between. */
  static create(dir: string, header: JournalHeader): JournalFile {
    const path = join(dir, `${String(header.firstSequence).padStart(12, '0')}.journal`)
    const temporary = `${path}~`
    unlinkIfThere(temporary)
    const fd = openSync(temporary, 'wx+', 0o600)
    try {
      writeFully(fd, encodeJournalHeader(header), JOURNAL_HEADER_BYTES, 0)
      renameSync(temporary, path)
    } catch (error) {
      closeSync(fd)
      unlinkIfThere(temporary)
      throw error
    }
    const file = new JournalFile(path, header, fd)
    file.unsyncedBytes = JOURNAL_HEADER_BYTES
    return file
  }

  /** Opens a file that another process wrote; undefined when its header does not verify, `damaged` when it has one that was written. */
  static open(path: string): JournalFile | 'damaged' | undefined {
    const fd = openSync(path, 'r+')
    let header: JournalHeader | undefined
    try {
      const bytes = Buffer.alloc(JOURNAL_HEADER_BYTES)
      const isWhole = readSync(fd, bytes, 0, JOURNAL_HEADER_BYTES, 0) === JOURNAL_HEADER_BYTES
      header = isWhole ? decodeJournalHeader(bytes) : undefined
      if (header !== undefined) return new JournalFile(path, header, fd)
      // A file takes its name with its header in it; after a power loss the header may be missing or cut, but is not another.
      return !isWhole || bytes.every(byte => byte === 0) ? undefined : 'damaged'
    } finally {
      if (header === undefined) closeSync(fd)
    }
  }

  /** Writes zeros in front of the next frame, when there are fewer than it needs. Cannot fail: without them it is only slower. */
  zeroAhead(frameBytes: number): void {
    if (this.end + frameBytes <= this.#zeroedEnd) return
    const from = Math.max(this.end, this.#zeroedEnd)
    try {
      this.#zeroedEnd = from + writeSync(this.fd, ZEROS, 0, ZEROS.length, from)
    } catch {
      // A full disk: the frame itself may still fit, and says so if not.
    }
  }

  /** Writes a finished frame at the end, and advances. @throws a Node error, and the file is as before */
  write(frame: Uint8Array, length: number, chain: number): void {
    crashPoint('journal.append.before-write')
    if (crashPointsWatched()) this.#tear(frame, length)
    try {
      const n = pwrite(this.fd, frame, length, this.end)
      if (n < 0) throw posixError(-n, 'write', this.path)
      if (n < length) writeFully(this.fd, frame.subarray(n), length - n, this.end + n)
    } catch (error) {
      this.writeFailed = true
      this.#wipe()
      throw error
    }
    this.#advance(length, chain)
  }

  /** The same for a frame in pieces; the first holds its header. */
  writeParts(parts: readonly Uint8Array[], chain: number): void {
    crashPoint('journal.append.before-write')
    if (crashPointsWatched()) this.#tear(parts[0], parts[0].length)
    let at = this.end
    try {
      for (let i = 0; i < parts.length; i += PARTS_AT_ONCE) at = writeVector(this.fd, parts.slice(i, i + PARTS_AT_ONCE), at)
    } catch (error) {
      this.writeFailed = true
      this.#wipe()
      throw error
    }
    this.#advance(at - this.end, chain)
  }

  #advance(bytes: number, chain: number): void {
    this.end += bytes
    this.unsyncedBytes += bytes
    this.chain = chain
    this.last++
    crashPoint('journal.append.after-write')
  }

  /** For tests: half a frame, as a kill in the middle of write(2) leaves it. */
  #tear(frame: Uint8Array, length: number): void {
    writeFully(this.fd, frame, length >>> 1, this.end)
    crashPoint('journal.append.torn-write')
  }

  /** A write that failed may have stored the frame in part or even whole; nothing of it may stand behind the last good one. */
  #wipe(): void {
    try {
      ftruncateSync(this.fd, this.end)
      this.#zeroedEnd = 0
    } catch {
      this.#blankHeader()
    }
  }

  #blankHeader(): void {
    try {
      writeSync(this.fd, ZEROS, 0, FRAME_HEADROOM, this.end)
    } catch {
      // The space was not allocated, or the disk is gone: then the frame is not there either.
    }
  }

  sync(): void {
    fdatasyncSync(this.fd)
    this.unsyncedBytes = 0
  }

  close(): void {
    closeSync(this.fd)
  }

  /** As `discard`, without waiting for the disk where that takes long. Not for a file whose name may be used again. */
  discardSoon(): void {
    closeSync(this.fd)
    if (this.end < SLOW_BYTES) unlinkIfThere(this.path)
    else unlinkSoon(this.path)
  }

  discard(): void {
    closeSync(this.fd)
    unlinkIfThere(this.path)
  }
}

/**
 * Removes a file for good on another thread: the blocks of a long one take tens of milliseconds to free. It is out of the journal at once, by its
 * name; a kill before it is gone leaves it to `removeReleased`.
 */
function unlinkSoon(path: string): void {
  const released = `${path}${RELEASED}`
  try {
    renameSync(path, released)
  } catch {
    // A full disk may have no room for a longer name.
    unlinkIfThere(path)
    return
  }
  unlink(released, () => {
    // Gone, or left for the next open.
  })
}

/** Paths of the files of a journal, by first sequence, after what a killed process had released was removed. */
export function cleanJournal(dir: string): string[] {
  const names = readdirSync(dir)
  for (const name of names) if (name.endsWith(RELEASED)) unlinkIfThere(join(dir, name))
  return listJournal(dir, names)
}

/** Paths of the files of a journal, by first sequence. */
export function listJournal(dir: string, names: readonly string[] = readdirSync(dir)): string[] {
  return names
    .map(name => NAME.exec(name))
    .filter(match => match !== null)
    .sort((a, b) => Number(a[1]) - Number(b[1]))
    .map(match => join(dir, match[0]))
}

export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Writes all of the pieces; returns where they end. */
function writeVector(fd: number, parts: readonly Uint8Array[], position: number): number {
  let written = writevSync(fd, parts, position)
  let at = position
  for (const part of parts) {
    const done = Math.min(written, part.length)
    if (done < part.length) writeFully(fd, part.subarray(done), part.length - done, at + done)
    written -= done
    at += part.length
  }
  return at
}

/** write(2) may store less than it was given, a full disk for one; only the call after that says why. */
function writeFully(fd: number, bytes: Uint8Array, length: number, position: number): void {
  let done = 0
  while (done < length) {
    const n = writeSync(fd, bytes, done, length - done, position + done)
    if (n === 0) throw posixError(EIO, 'write')
    done += n
  }
}
