import { closeSync, fsyncSync, openSync } from 'node:fs'
import type { Cipher } from '../codec/cipher.js'
import { bootHash, computeFrameCrc, FRAME_HEADROOM, FRAME_SEALED, firstChain, MAX_FRAME_BYTES, putFrameCrc, putFrameHeader } from '../codec/frame.js'
import { crcOf } from '../codec/pack-bytes.js'
import { CairnError, EIO, posixError } from '../errors.js'
import { makeFolder } from '../store/sync-folder.js'
import { assert, crashPoint, limits, type Random } from '../sys/index.js'
import { cleanJournal, JournalFile, unlinkIfThere } from './journal-file.js'
import type { RedoLog } from './redo-log.js'
import { type ScanEnd, scanFrames } from './scan.js'
import { openFrame, sealFrame } from './sealed-frame.js'

/** Where syncs are rare: from here on writing over zeros of the page cache, made 64 pages at once, takes less time than making pages one by one. */
const ZEROS_PAY_BYTES = 2048
/** A longer sealed frame is not copied to stand behind its header. */
const JOINED_BYTES = 16 * 1024

export interface JournalOptions {
  /** 8 bytes: the volume's id. */
  volume: Uint8Array
  /** Frames up to this are in the head already; the first that counts is the next. */
  afterSequence: number
  random: Random
  /** Differs from boot to boot, so that recovery knows whether the page cache was lost. */
  bootId: string
  /** A file is closed beyond this size. */
  segmentBytes?: number
  /** Of a store that is encrypted. */
  cipher?: Cipher | undefined
}

export interface ReplayReport {
  frames: number
  /** Last sequence that is known: the last frame's, or `afterSequence`. */
  lastSequence: number
  /** Something behind the last good frame does not verify: a torn write, lost pages, or damage. */
  cut: boolean
  /** Something that was written whole does not verify, or others stand behind it. After a power loss that is unsynced data; with `sameBoot` it is damage. */
  damaged: boolean
  /** All files that were read were written since this machine started: nothing that was written can be missing. */
  sameBoot: boolean
}

/**
 * The redo log of one volume on this host: a folder of files with frames of consecutive sequences. Single writer, synchronous.
 *
 * `append` returned: the frame survives SIGKILL. `sync` returned: it survives power loss. The frames that survive are always a
 * prefix of those appended. A file once left is never appended to again: after recovery, and after `truncateAfter`, a new file
 * with a nonce of its own supersedes what follows, so that stale frames cannot come back.
 */
export class Journal implements RedoLog {
  readonly dir: string
  readonly #options: JournalOptions
  readonly #segmentBytes: number
  readonly #boot: Buffer
  readonly #folder: number
  #folderDirty = false
  /** Files behind the active one, oldest first; their descriptors stay open until they are released. */
  #older: JournalFile[] = []
  /** Files that recovery found behind a cut; removed when the next file is made. */
  #stale: string[] = []
  #active: JournalFile | undefined
  #last: number
  #chain = 0
  #ready: boolean
  #failed = false
  /** Bytes appended since the last sync began, and whether so few that syncs are what takes the time. */
  #sinceSync = 0
  #syncsOften = true

  private constructor(dir: string, options: JournalOptions, folder: number, found: string[]) {
    this.dir = dir
    this.#options = options
    this.#segmentBytes = options.segmentBytes ?? limits.journalSegmentBytes
    this.#boot = bootHash(options.bootId)
    this.#folder = folder
    this.#last = options.afterSequence
    this.#stale = found
    this.#ready = found.length === 0
  }

  /** Opens the journal in folder `dir`, which is made when missing. When it has frames, `replay` must come before the first append. */
  static open(dir: string, options: JournalOptions): Journal {
    makeFolder(dir)
    const found = cleanJournal(dir)
    return new Journal(dir, options, openSync(dir, 'r'), found)
  }

  /** Sequence of the last frame. */
  get lastSequence(): number {
    return this.#last
  }

  /** The file that is written now; -1 when the next append makes one. Does not cover files before it: see `fds`. */
  get fd(): number {
    return this.#active?.fd ?? -1
  }

  /** Bytes of all frames that are not released. */
  get sizeBytes(): number {
    let bytes = this.#active?.end ?? 0
    for (const file of this.#older) bytes += file.end
    return bytes
  }

  get unsyncedBytes(): number {
    let bytes = this.#active?.unsyncedBytes ?? 0
    for (const file of this.#older) bytes += file.unsyncedBytes
    return bytes
  }

  /**
   * Visits the frames behind `afterSequence` in order, as far as they verify and follow one another. Once, before any append.
   * @param visit the payload is valid during the call only
   * @throws CairnError ERR_FORMAT for a newer format, ERR_JOURNAL_FOREIGN for files of another volume; whatever `visit` throws
   */
  replay(visit: (sequence: number, payload: Buffer) => void): ReplayReport {
    assert(this.#active === undefined && this.#older.length === 0, 'replay comes first')
    const report: ReplayReport = { frames: 0, lastSequence: this.#last, cut: false, damaged: false, sameBoot: true }
    const files = this.#openFound(report)
    let next = 0
    for (; next < files.length; next++) {
      if (!this.#replayFile(files, next, visit, report)) break
    }
    for (const file of files.splice(next)) {
      // Of another boot: what they follow on was never synced, and neither were they.
      if (Buffer.compare(file.header.boot, this.#boot) !== 0) report.sameBoot = false
      file.close()
      this.#stale.push(file.path)
      report.cut = true
      report.damaged = true
    }
    this.#older = files
    this.#last = report.lastSequence
    this.#ready = true
    return report
  }

  /** Opens the files that may hold frames behind `afterSequence`; those of older ones only are left to be removed. */
  #openFound(report: ReplayReport): JournalFile[] {
    const files: JournalFile[] = []
    const stale: string[] = []
    for (const path of this.#stale) {
      const file = JournalFile.open(path)
      if (file === undefined || file === 'damaged') {
        stale.push(path)
        report.cut = true
        report.damaged ||= file === 'damaged'
        continue
      }
      files.push(file)
      if (Buffer.compare(file.header.volume, this.#options.volume.subarray(0, 8)) !== 0) {
        for (const opened of files) opened.close()
        throw new CairnError(
          'ERR_JOURNAL_FOREIGN',
          `${path} is the journal of another volume.`,
          'Move the file away, or restore the folder from where it was copied.',
        )
      }
    }
    let obsolete = 0
    while (obsolete + 1 < files.length && files[obsolete + 1].header.firstSequence <= this.#options.afterSequence + 1) obsolete++
    for (const file of files.splice(0, obsolete)) {
      file.close()
      stale.push(file.path)
    }
    this.#stale = stale
    return files
  }

  /** Replays one file up to where the next begins; false when it does not follow on what was read. */
  #replayFile(files: readonly JournalFile[], index: number, visit: (sequence: number, payload: Buffer) => void, report: ReplayReport): boolean {
    const file = files[index]
    const { firstSequence, link, boot } = file.header
    if (firstSequence > report.lastSequence + 1) return false
    if (index > 0 && link !== 0 && link !== this.#chain) return false
    if (index > 0 && firstSequence !== files[index - 1].last + 1) return false
    if (Buffer.compare(boot, this.#boot) !== 0) report.sameBoot = false
    const limit = index + 1 < files.length ? files[index + 1].header.firstSequence : Number.MAX_SAFE_INTEGER
    if (firstSequence >= limit) return true
    const end: ScanEnd = scanFrames(file.fd, firstSequence, file.chain, (sequence, payload, flags) => {
      if (sequence > this.#options.afterSequence) {
        visit(sequence, openFrame(this.#options.cipher, this.#options.volume, sequence, payload, flags))
        report.frames++
        report.lastSequence = sequence
      }
      return sequence + 1 < limit
    })
    file.end = end.end
    file.last = end.last
    file.chain = end.chain
    file.unsyncedBytes = end.end
    // An empty file has a seed of its own only: what follows it links to the last frame before it.
    if (end.last >= firstSequence) this.#chain = end.last >= this.#options.afterSequence ? end.chain : 0
    report.cut ||= end.cut
    report.damaged ||= end.damaged
    return true
  }

  /**
   * Appends a frame.
   * @param buffer `FRAME_HEADROOM` bytes of room for the header, then the payload
   * @param length bytes of payload
   * @returns the frame's sequence
   * @throws a Node error with `code` (ENOSPC, EIO …), and the journal is as before. Cost: one write(2)
   */
  append(buffer: Uint8Array, length: number): number {
    const { cipher } = this.#options
    if (cipher !== undefined) return this.#appendSealed(cipher, [buffer.subarray(FRAME_HEADROOM, FRAME_HEADROOM + length)])
    const file = this.#fileFor(FRAME_HEADROOM + length)
    putFrameHeader(buffer, 0, length, this.#last + 1)
    const crc = computeFrameCrc(buffer, 0, length, file.chain)
    putFrameCrc(buffer, 0, crc)
    file.write(buffer, FRAME_HEADROOM + length, crc)
    return this.#appended(FRAME_HEADROOM + length, crc)
  }

  /**
   * Appends a frame whose payload is that of `head`, then `parts` one after another, which are not copied.
   * @param head `FRAME_HEADROOM` bytes of room, then `headLength` bytes of payload
   */
  appendParts(head: Uint8Array, headLength: number, parts: readonly Uint8Array[]): number {
    const { cipher } = this.#options
    if (cipher !== undefined) return this.#appendSealed(cipher, [head.subarray(FRAME_HEADROOM, FRAME_HEADROOM + headLength), ...parts])
    const length = parts.reduce((sum, part) => sum + part.length, headLength)
    const file = this.#fileFor(FRAME_HEADROOM + length)
    putFrameHeader(head, 0, length, this.#last + 1)
    let crc = computeFrameCrc(head, 0, headLength, file.chain)
    for (const part of parts) crc = crcOf(part, crc)
    putFrameCrc(head, 0, crc)
    file.writeParts([head.subarray(0, FRAME_HEADROOM + headLength), ...parts], crc)
    return this.#appended(FRAME_HEADROOM + length, crc)
  }

  #appendSealed(cipher: Cipher, parts: readonly Uint8Array[]): number {
    const sealed = sealFrame(cipher, this.#options.volume, this.#last + 1, parts)
    const file = this.#fileFor(FRAME_HEADROOM + sealed.length)
    const header = Buffer.alloc(FRAME_HEADROOM)
    putFrameHeader(header, 0, sealed.length, this.#last + 1, FRAME_SEALED)
    const crc = crcOf(sealed, computeFrameCrc(header, 0, 0, file.chain))
    putFrameCrc(header, 0, crc)
    // One write(2) of few bytes takes less time than one of two pieces.
    if (sealed.length <= JOINED_BYTES) file.write(Buffer.concat([header, sealed]), FRAME_HEADROOM + sealed.length, crc)
    else file.writeParts([header, sealed], crc)
    return this.#appended(FRAME_HEADROOM + sealed.length, crc)
  }

  #appended(bytes: number, crc: number): number {
    this.#chain = crc
    this.#sinceSync += bytes
    return ++this.#last
  }

  #fileFor(frameBytes: number): JournalFile {
    assert(this.#ready, 'a journal with frames is replayed before it is appended to')
    assert(frameBytes <= MAX_FRAME_BYTES, 'a frame has a limit')
    if (this.#failed) throw posixError(EIO, 'write', this.dir)
    if (this.#active !== undefined && this.#active.end + frameBytes > this.#segmentBytes) this.rotate()
    this.#active ??= this.#create()
    if (this.#syncsOften || frameBytes >= ZEROS_PAY_BYTES) this.#active.zeroAhead(frameBytes)
    return this.#active
  }

  #create(): JournalFile {
    this.#removeStale()
    // One that recovery found empty may end in a torn frame: it is replaced, not written to.
    if (this.#older.at(-1)?.header.firstSequence === this.#last + 1) this.#older.pop()?.close()
    const file = JournalFile.create(this.dir, {
      volume: this.#options.volume,
      firstSequence: this.#last + 1,
      nonce: this.#options.random.bytes(8),
      boot: this.#boot,
      link: this.#chain,
    })
    this.#folderDirty = true
    crashPoint('journal.rotate.after-create')
    return file
  }

  #removeStale(): void {
    for (const path of this.#stale) unlinkIfThere(path)
    this.#stale = []
  }

  /** Later frames go into a new file, made with the first of them. O(1), no I/O. */
  rotate(): void {
    if (this.#active === undefined || this.#active.last < this.#active.header.firstSequence) return
    this.#older.push(this.#active)
    this.#active = undefined
  }

  /** Frames behind `sequence` are gone for good: the next replay does not see them. For recovery, when one cannot be applied. */
  truncateAfter(sequence: number): void {
    if (sequence >= this.#last) return
    assert(sequence >= this.#options.afterSequence, 'sealed frames are not truncated')
    if (this.#active !== undefined) this.#older.push(this.#active)
    this.#active = undefined
    const first = this.#older.findIndex(file => file.header.firstSequence > sequence)
    if (first >= 0) for (const file of this.#older.splice(first).reverse()) file.discard()
    this.#chain = 0
    const holder = this.#older.at(-1)
    if (holder !== undefined && holder.last >= sequence) {
      const end = scanFrames(holder.fd, holder.header.firstSequence, firstChain(holder.header), at => at < sequence)
      holder.end = end.end
      holder.last = end.last
      holder.chain = end.chain
      this.#chain = end.chain
    }
    this.#last = sequence
    this.#active = this.#create()
  }

  /**
   * Deletes the files that have no frame behind `sequence`, at most `files` of them: one costs some milliseconds, for its pages leave the
   * cache. Their descriptors close: no sync of another thread may be using them.
   * @returns true when none is left
   */
  release(sequence: number, files = Number.POSITIVE_INFINITY): boolean {
    if (this.#active !== undefined && this.#active.last <= sequence) this.rotate()
    const roomIsShort = this.#active?.writeFailed === true || this.#older.some(file => file.writeFailed)
    while (this.#older.length > 0 && this.#older[0].last <= sequence) {
      if (files-- <= 0) return false
      crashPoint('journal.release.before-unlink')
      if (roomIsShort) this.#older[0].discard()
      else this.#older[0].discardSoon()
      this.#older.shift()
    }
    this.#removeStale()
    return true
  }

  /** Bytes of the files that hold a frame behind `sequence`. */
  bytesBehind(sequence: number): number {
    let bytes = this.#active?.end ?? 0
    for (const file of this.#older) if (file.last > sequence) bytes += file.end
    return bytes
  }

  /**
   * What a thread must fdatasync, in this order, to make durable all that is appended now; then `synced(lastSequence of now)`.
   * Files that were left unsynced come before the active one, the folder's descriptor last.
   */
  fds(): number[] {
    this.#noteSync()
    const fds: number[] = []
    for (const file of this.#older) if (file.unsyncedBytes > 0) fds.push(file.fd)
    if (this.#active !== undefined) fds.push(this.#active.fd)
    if (this.#folderDirty) fds.push(this.#folder)
    return fds
  }

  /** Everything up to `sequence` is on the disk. */
  synced(sequence: number): void {
    for (const file of this.#older) if (file.last <= sequence) file.unsyncedBytes = 0
    if (this.#active === undefined) return
    if (this.#active.last <= sequence) this.#active.unsyncedBytes = 0
    if (this.#active.header.firstSequence <= sequence) this.#folderDirty = false
  }

  /**
   * Makes everything appended durable. Blocks.
   * @throws a Node error; from then on every append and sync fails with EIO, for the kernel forgets pages that it could not write
   */
  sync(): void {
    if (this.#failed) throw posixError(EIO, 'fdatasync', this.dir)
    crashPoint('journal.sync.before')
    this.#noteSync()
    try {
      for (const file of this.#older) if (file.unsyncedBytes > 0) file.sync()
      if (this.#active !== undefined && this.#active.unsyncedBytes > 0) this.#active.sync()
      if (this.#folderDirty) fsyncSync(this.#folder)
    } catch (error) {
      this.fail()
      throw error
    }
    this.#folderDirty = false
    crashPoint('journal.sync.after')
  }

  /** A sync elsewhere failed: see `sync`. */
  fail(): void {
    this.#failed = true
  }

  #noteSync(): void {
    this.#syncsOften = this.#sinceSync < limits.journalZeroBytes
    this.#sinceSync = 0
  }

  /** Closes all descriptors; files stay. */
  close(): void {
    for (const file of this.#older) file.close()
    this.#active?.close()
    this.#older = []
    this.#active = undefined
    this.#ready = false
    closeSync(this.#folder)
  }
}
