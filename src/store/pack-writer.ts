import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync, writevSync } from 'node:fs'
import { type Coding, Encoded, identityOf, plainCoding } from '../codec/coding.js'
import type { Compression } from '../codec/compression.js'
import {
  decodePackFooter,
  decodePackHeader,
  decodePackTrailer,
  encodePackHeader,
  type IndexSeal,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  PackIndex,
} from '../codec/pack.js'
import { encodePointer, pointerHash, pointerLength, pointerOffset } from '../codec/pointer.js'
import { encodeSegmentHeader, MAX_SEGMENT_BYTES, SEGMENT_HEADER_BYTES, SegmentKind } from '../codec/segment.js'
import { EIO, posixError } from '../errors.js'
import { assert, crashPoint, crashPointsWatched, limits } from '../sys/index.js'
import { type SegmentVisitor, scanSegments } from './pack-scan.js'

/** Room for held segments, used again by other packs. */
const freeRoom: Buffer[] = []
const FREE_ROOM = 4
/** What encryption adds to a segment, and room beyond. */
const SEALED_BYTES = 128

/**
 * Writes one pack into a local file: segments at the end, at last the index. Synchronous, one writer.
 *
 * `append` returned: the segment survives SIGKILL, is readable from the file, and `sync` makes it durable. A failed append
 * leaves no trace. A pack with a footer was synced before the footer was written.
 */
export class PackWriter {
  readonly path: string
  /** 16 bytes. */
  readonly packId: Buffer
  readonly kind: number
  /** The store has what is in the file, which need not outlive the power: it is never synced. */
  isCopy = false
  /** Of the last segment: where its header stands, stored bytes with the header, hash of the plain bytes. */
  lastOffset = 0
  lastLength = 0
  lastHash: Uint8Array = new Uint8Array(0)
  /** Where the next segment goes; the size of the pack without its footer. */
  size: number
  readonly #index: PackIndex
  readonly #coding: Coding
  readonly #encoded = new Encoded()
  readonly #header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  /** Segments that `flush` writes, and how many bytes they are. */
  #room: Buffer | undefined
  #held = 0
  #fd: number
  #unsyncedBytes = 0
  #finished = false
  #syncFailed = false

  /**
   * Makes the file (0600); it must not be there.
   * @param kind `PackKind.metadata` or `PackKind.content`
   * @param coding that of the store which is to have the pack
   */
  constructor(
    path: string,
    packId: Uint8Array,
    kind: number,
    coding: Coding = plainCoding,
    reopened?: { fd: number; index: PackIndex; size: number; finished: boolean },
  ) {
    this.path = path
    this.packId = Buffer.from(packId)
    this.kind = kind
    this.#coding = coding
    this.#index = reopened?.index ?? new PackIndex()
    this.size = reopened?.size ?? PACK_HEADER_BYTES
    this.#finished = reopened?.finished ?? false
    this.#fd = reopened?.fd ?? createPack(path, packId, kind)
    this.#unsyncedBytes = this.size
  }

  /**
   * Goes on with the file of a crashed process: what verifies from the start is kept, the rest cut off.
   * @param known pointers to segments of it that are known to have been written, in the order of their offsets: they are taken as they
   * are, since every read verifies them, and only what lies between and behind them is looked at
   * @returns undefined when there is not even a header; an empty leftover is removed then
   * @throws CairnError ERR_FORMAT for a newer format. Cost: reads and hashes what is not known, unless it was finished
   */
  static reopen(path: string, known: readonly Uint8Array[] = [], coding: Coding = plainCoding): PackWriter | undefined {
    const fd = openSync(path, 'r+')
    let writer: PackWriter | undefined
    try {
      writer = reopenFile(path, fd, known, coding)
      return writer
    } finally {
      if (writer === undefined) closeSync(fd)
    }
  }

  /** For a thread that syncs; -1 when closed. */
  get fd(): number {
    return this.#fd
  }

  get unsyncedBytes(): number {
    return this.#unsyncedBytes
  }

  get unsynced(): boolean {
    return !this.isCopy && this.#unsyncedBytes > 0
  }

  /** Segments in it. */
  get count(): number {
    return this.#index.count
  }

  get finished(): boolean {
    return this.#finished
  }

  /**
   * Stores `length` bytes of `plain` at `at` as one segment and sets `lastOffset`, `lastLength`, `lastHash`.
   * @param kind `SegmentKind.page` or `SegmentKind.block`
   * @param compression other than the store's
   * @throws a Node error with `code` (ENOSPC, EIO …), and the pack is as before. Cost: one hash, one write(2)
   */
  append(kind: number, plain: Uint8Array, at: number, length: number, compression?: Compression): void {
    assert(length <= MAX_SEGMENT_BYTES, 'a segment has a limit')
    if (this.#finished) this.#unfinish()
    this.flush()
    const bytes = at === 0 && length === plain.length ? plain : plain.subarray(at, at + length)
    const { codec, flags, stored, identity } = this.#encoded.encode(compression === undefined ? this.#coding : { ...this.#coding, compression }, kind, bytes)
    encodeSegmentHeader(this.#header, kind, codec, length, stored, 0, stored.length, flags)
    this.#write(stored)
    this.#added(kind, SEGMENT_HEADER_BYTES + stored.length, identity)
    this.#unsyncedBytes += this.lastLength
  }

  /**
   * Stores a segment as it stands in another pack: the first `length` bytes of `segment`, which were verified, header included.
   * @param plainHash of its plain bytes, as the store knows them
   * @throws as `append`
   */
  appendStored(kind: number, segment: Buffer, length: number, plainHash: Uint8Array): void {
    if (this.#finished) this.#unfinish()
    this.flush()
    segment.copy(this.#header, 0, 0, SEGMENT_HEADER_BYTES)
    this.#write(segment.subarray(SEGMENT_HEADER_BYTES, length))
    this.#added(kind, length, Buffer.from(plainHash))
    this.#unsyncedBytes += length
  }

  #added(kind: number, length: number, plainHash: Uint8Array): void {
    this.lastOffset = this.size
    this.lastLength = length
    this.lastHash = plainHash
    this.#index.add(plainHash, this.lastOffset, length, kind)
    this.size += length
  }

  /**
   * As `append`, but the segment is in the file only when `flush` returned: many small ones in one write(2) cost a third.
   * Nothing may refer to it before that.
   * @throws as `append` where those held before fill the room and cannot be written
   */
  hold(kind: number, plain: Uint8Array, at: number, length: number): void {
    if (SEGMENT_HEADER_BYTES + length + SEALED_BYTES > limits.packHoldBytes) {
      this.append(kind, plain, at, length)
      return
    }
    if (this.#finished) this.#unfinish()
    const bytes = at === 0 && length === plain.length ? plain : plain.subarray(at, at + length)
    const { codec, flags, stored, identity } = this.#encoded.encode(this.#coding, kind, bytes)
    const whole = SEGMENT_HEADER_BYTES + stored.length
    if (this.#held + whole > limits.packHoldBytes) this.flush()
    this.#room ??= freeRoom.pop() ?? Buffer.allocUnsafeSlow(limits.packHoldBytes)
    const room = this.#room
    const from = this.#held + SEGMENT_HEADER_BYTES
    room.set(stored, from)
    encodeSegmentHeader(this.#header, kind, codec, length, room, from, stored.length, flags)
    room.set(this.#header, this.#held)
    this.#added(kind, whole, identity)
    this.#held += whole
  }

  /** Writes what is held. @throws a Node error, and it is held still */
  flush(): void {
    if (this.#held === 0 || this.#room === undefined) return
    const bytes = this.#room.subarray(0, this.#held)
    crashPoint('pack.write.before')
    if (crashPointsWatched()) this.#tear(bytes.subarray(0, SEGMENT_HEADER_BYTES), bytes.subarray(SEGMENT_HEADER_BYTES))
    try {
      writeFully(this.#fd, bytes, this.written)
    } catch (error) {
      this.#cutBack()
      throw error
    }
    this.#unsyncedBytes += this.#held
    this.#held = 0
    if (freeRoom.length < FREE_ROOM) freeRoom.push(this.#room)
    this.#room = undefined
  }

  /** `size` without what is held. */
  get written(): number {
    return this.size - this.#held
  }

  /** Writes the pointer to the last segment. */
  pointer(to: Uint8Array, at: number, birth: number): void {
    encodePointer(to, at, { hash: this.lastHash, pack: this.packId, offset: this.lastOffset, length: this.lastLength, birth })
  }

  #write(stored: Uint8Array): void {
    crashPoint('pack.write.before')
    if (crashPointsWatched()) this.#tear(this.#header, stored)
    try {
      const n = writevSync(this.#fd, [this.#header, stored], this.size)
      if (n < SEGMENT_HEADER_BYTES) writeFully(this.#fd, this.#header.subarray(n), this.size + n)
      const done = Math.max(0, n - SEGMENT_HEADER_BYTES)
      if (done < stored.length) writeFully(this.#fd, stored.subarray(done), this.size + SEGMENT_HEADER_BYTES + done)
    } catch (error) {
      this.#cutBack()
      throw error
    }
  }

  /** For tests: half a segment, as a kill in the middle of write(2) leaves it. */
  #tear(header: Uint8Array, stored: Uint8Array): void {
    writeFully(this.#fd, header, this.written)
    writeFully(this.#fd, stored.subarray(0, stored.length >>> 1), this.written + SEGMENT_HEADER_BYTES)
    crashPoint('pack.write.torn')
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.written)
    } catch {
      // The next append overwrites it, and a reopening cuts it off.
    }
  }

  #unfinish(): void {
    ftruncateSync(this.#fd, this.size)
    this.#finished = false
  }

  /** Makes all segments durable that are written. Blocks. @throws a Node error; the bytes count as unsynced still */
  sync(): void {
    if (this.#syncFailed) throw posixError(EIO, 'fdatasync', this.path)
    try {
      fdatasyncSync(this.#fd)
    } catch (error) {
      this.#syncFailed = true
      throw error
    }
    this.#unsyncedBytes = 0
  }

  /**
   * Another thread's fdatasync failed. The kernel forgets pages that it could not write, so that a second try would succeed for nothing:
   * the pack is never synced, and so never published, by this process.
   */
  syncFailed(): void {
    this.#syncFailed = true
  }

  /** Another thread's fdatasync, begun when `written` was this, is done. */
  synced(written: number): void {
    if (!this.#syncFailed) this.#unsyncedBytes = this.written - written
  }

  /** Writes the footer, durably. The pack can be adopted by a store then. Again is no error. Blocks. */
  finish(): void {
    this.writeFooter()
    if (this.unsynced) this.sync()
    crashPoint('pack.close.after-footer')
  }

  /** The same without the last sync, for whoever syncs on another thread. The segments are synced before it, here if they are not. */
  writeFooter(): void {
    if (this.#finished) return
    this.flush()
    if (this.unsynced) this.sync()
    crashPoint('pack.close.before-footer')
    const footer = this.#index.encodeFooter(this.size, indexSeal(this.#coding, this.packId))
    try {
      writeFully(this.#fd, footer, this.size)
    } catch (error) {
      this.#cutBack()
      throw error
    }
    this.#unsyncedBytes = footer.length
    this.#finished = true
  }

  /** Closes the descriptor and keeps the file as it is. Again is no error. */
  closeFd(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }

  /** `finish`, then `closeFd`. */
  close(): void {
    this.finish()
    this.closeFd()
  }

  /** Lets go of an unfinished pack; `reopen` takes it up again. */
  abandon(): void {
    this.closeFd()
  }

  /** Removes the file: nothing refers to it. */
  discard(): void {
    this.closeFd()
    unlinkSync(this.path)
  }
}

function createPack(path: string, packId: Uint8Array, kind: number): number {
  const fd = openSync(path, 'wx+', 0o600)
  try {
    writeFully(fd, encodePackHeader(packId, kind), 0)
    return fd
  } catch (error) {
    closeSync(fd)
    unlinkSync(path)
    throw error
  }
}

/** Id and kind of the pack in a local file; undefined when there is not even a header, and an empty leftover is removed then. */
export function peekPack(path: string): { id: Buffer; kind: number } | undefined {
  const fd = openSync(path, 'r')
  try {
    return readHeader(path, fd)
  } finally {
    closeSync(fd)
  }
}

function readHeader(path: string, fd: number): { id: Buffer; kind: number } | undefined {
  const header = Buffer.alloc(PACK_HEADER_BYTES)
  readFully(fd, header, 0)
  const found = decodePackHeader(header)
  if (found === undefined && (header.every(byte => byte === 0) || fstatSync(fd).size < PACK_HEADER_BYTES)) unlinkSync(path)
  return found
}

function indexSeal({ cipher }: Coding, packId: Uint8Array): IndexSeal | undefined {
  return cipher && { cipher, packId }
}

function reopenFile(path: string, fd: number, known: readonly Uint8Array[], coding: Coding): PackWriter | undefined {
  const pack = readHeader(path, fd)
  if (pack === undefined) return undefined
  const fileBytes = fstatSync(fd).size
  const footer = readFooter(fd, fileBytes, indexSeal(coding, pack.id))
  if (footer !== undefined) return new PackWriter(path, pack.id, pack.kind, coding, { fd, index: footer.index, size: footer.indexOffset, finished: true })
  const index = new PackIndex()
  const end = indexSegments(fd, fileBytes, known, index, coding)
  if (end < fileBytes) ftruncateSync(fd, end)
  return new PackWriter(path, pack.id, pack.kind, coding, { fd, index, size: end, finished: false })
}

/** Fills the index with what is known, and with what verifies between and behind; returns where the segments end. */
function indexSegments(fd: number, fileBytes: number, known: readonly Uint8Array[], index: PackIndex, coding: Coding): number {
  const read = (into: Uint8Array, length: number, offset: number): number => readSync(fd, into, 0, length, offset)
  const add: SegmentVisitor = (kind, offset, length, plain, identity) => index.add(identity ?? identityOf(coding, plain), offset, length, kind)
  let end = PACK_HEADER_BYTES
  for (const pointer of known) {
    const offset = pointerOffset(pointer, 0)
    const length = pointerLength(pointer, 0)
    // Named twice, or a file that was cut.
    if (offset < end || offset + length > fileBytes) continue
    if (offset > end) scanSegments(read, offset, add, { from: end, coding })
    index.add(pointerHash(pointer, 0), offset, length, SegmentKind.block)
    end = offset + length
  }
  return scanSegments(read, fileBytes, add, { from: end, coding })
}

function readFooter(fd: number, fileBytes: number, seal: IndexSeal | undefined): { index: PackIndex; indexOffset: number } | undefined {
  if (fileBytes < PACK_HEADER_BYTES + PACK_TRAILER_BYTES) return undefined
  const trailer = Buffer.alloc(PACK_TRAILER_BYTES)
  readFully(fd, trailer, fileBytes - PACK_TRAILER_BYTES)
  const found = decodePackTrailer(trailer, fileBytes)
  if (found === undefined) return undefined
  const footer = Buffer.alloc(found.footerBytes)
  readFully(fd, footer, found.indexOffset)
  const index = decodePackFooter(footer, seal)
  return index === undefined ? undefined : { index, indexOffset: found.indexOffset }
}

function readFully(fd: number, into: Uint8Array, position: number): void {
  let done = 0
  while (done < into.length) {
    const n = readSync(fd, into, done, into.length - done, position + done)
    if (n === 0) return
    done += n
  }
}

/** write(2) may store less than it was given, a full disk for one; only the call after that says why. */
function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) {
    const n = writeSync(fd, bytes, done, bytes.length - done, position + done)
    if (n === 0) throw posixError(EIO, 'write')
    done += n
  }
}
