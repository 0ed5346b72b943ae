import { fdatasyncSync } from 'node:fs'
import type { Cipher } from '../codec/cipher.js'
import { computeFrameCrc, FRAME_HEADROOM, FRAME_SEALED, frameCrc, frameFlags, frameLength, frameSequence, putFrameCrc, putFrameHeader } from '../codec/frame.js'
import { crcOf } from '../codec/pack-bytes.js'
import { CairnError, EIO, ENOSPC, EROFS, posixError } from '../errors.js'
import type { PackPart, StoreLogs, VolumeLog } from '../store/store-logs.js'
import { assert, crashPoint } from '../sys/index.js'
import type { ReplayReport } from './journal.js'
import type { RedoLog } from './redo-log.js'
import { openFrame, sealFrame } from './sealed-frame.js'

/** Frames that are deleted at once: some milliseconds. */
const RELEASED_AT_ONCE = 2048

export interface StoredJournalOptions {
  log: VolumeLog
  /** Id of the volume in hex. */
  volume: string
  /** Frames up to this are in the head already. */
  afterSequence: number
  packs: PackSource
  /** Of a store that is encrypted. */
  cipher?: Cipher | undefined
}

/** The packs that frames name. */
export interface PackSource {
  /** What was written to them since the last time, and is not in the store. */
  unsaved(): PackPart[]
  /** That is there now. */
  saved(): void
}

/** Frames appended between two calls of `rotate`. */
interface Stretch {
  last: number
  bytes: number
}

/**
 * The redo log of a volume whose store is one file: in that file, with the packs that it names. The same promises as those of `Journal`; and whoever opens
 * it next, on this host or another, has all of it, while whoever had it is refused with EROFS.
 */
export class StoredJournal implements RedoLog {
  readonly #log: VolumeLog
  readonly #packs: PackSource
  readonly #seed: number
  readonly #volume: Buffer
  readonly #cipher: Cipher | undefined
  readonly #after: number
  #last: number
  #stretches: Stretch[] = []
  #unsynced = false
  #failed = false

  constructor(options: StoredJournalOptions) {
    this.#log = options.log
    this.#packs = options.packs
    this.#seed = seedOf(options.volume)
    this.#volume = Buffer.from(options.volume, 'hex')
    this.#cipher = options.cipher
    this.#after = options.afterSequence
    this.#last = options.afterSequence
  }

  /** Nothing of it can be missing: all of the file is as old as its newest part. */
  replay(visit: (sequence: number, payload: Buffer) => void): ReplayReport {
    const report: ReplayReport = { frames: 0, lastSequence: this.#after, cut: false, damaged: false, sameBoot: true }
    this.#log.read(this.#after, (sequence, frame) => {
      if (report.damaged || sequence !== report.lastSequence + 1 || !verifies(frame, sequence, this.#seed)) {
        report.cut = true
        report.damaged = true
        return
      }
      checkFlags(frame, sequence)
      visit(sequence, openFrame(this.#cipher, this.#volume, sequence, frame.subarray(FRAME_HEADROOM), frameFlags(frame, 0)))
      report.frames++
      report.lastSequence = sequence
      this.#last = sequence
      this.#added(frame.length)
    })
    this.#unsynced = report.frames > 0
    return report
  }

  append(buffer: Uint8Array, length: number): number {
    if (this.#cipher !== undefined) return this.#appendSealed(this.#cipher, [buffer.subarray(FRAME_HEADROOM, FRAME_HEADROOM + length)])
    putFrameHeader(buffer, 0, length, this.#last + 1)
    putFrameCrc(buffer, 0, computeFrameCrc(buffer, 0, length, this.#seed))
    return this.#append([buffer.subarray(0, FRAME_HEADROOM + length)])
  }

  appendParts(head: Uint8Array, headLength: number, parts: readonly Uint8Array[]): number {
    if (this.#cipher !== undefined) return this.#appendSealed(this.#cipher, [head.subarray(FRAME_HEADROOM, FRAME_HEADROOM + headLength), ...parts])
    const length = parts.reduce((sum, part) => sum + part.length, headLength)
    putFrameHeader(head, 0, length, this.#last + 1)
    let crc = computeFrameCrc(head, 0, headLength, this.#seed)
    for (const part of parts) crc = crcOf(part, crc)
    putFrameCrc(head, 0, crc)
    return this.#append([head.subarray(0, FRAME_HEADROOM + headLength), ...parts])
  }

  #appendSealed(cipher: Cipher, parts: readonly Uint8Array[]): number {
    const sealed = sealFrame(cipher, this.#volume, this.#last + 1, parts)
    const header = Buffer.alloc(FRAME_HEADROOM)
    putFrameHeader(header, 0, sealed.length, this.#last + 1, FRAME_SEALED)
    putFrameCrc(header, 0, crcOf(sealed, computeFrameCrc(header, 0, 0, this.#seed)))
    return this.#append([header, sealed])
  }

  #append(frame: readonly Uint8Array[]): number {
    if (this.#failed) throw posixError(EIO, 'write')
    crashPoint('journal.append.before-write')
    try {
      this.#log.append(this.#last + 1, frame, this.#packs.unsaved())
    } catch (error) {
      throw asPosix(error)
    }
    crashPoint('journal.append.after-write')
    this.#packs.saved()
    this.#unsynced = true
    this.#last++
    this.#added(frame.reduce((sum, part) => sum + part.length, 0))
    return this.#last
  }

  #added(bytes: number): void {
    const stretch = this.#stretches.at(-1)
    if (stretch === undefined) this.#stretches.push({ last: this.#last, bytes })
    else {
      stretch.last = this.#last
      stretch.bytes += bytes
    }
  }

  rotate(): void {
    if ((this.#stretches.at(-1)?.bytes ?? 0) > 0) this.#stretches.push({ last: this.#last, bytes: 0 })
  }

  truncateAfter(sequence: number): void {
    assert(sequence >= this.#after, 'sealed frames are not truncated')
    this.#log.cut(sequence)
    this.#last = Math.min(this.#last, sequence)
  }

  release(sequence: number, files = Number.POSITIVE_INFINITY): boolean {
    const done = this.#log.release(sequence, Math.min(Number.MAX_SAFE_INTEGER, files * RELEASED_AT_ONCE))
    if (done) this.#stretches = this.#stretches.filter(stretch => stretch.last > sequence || stretch.bytes === 0)
    return done
  }

  bytesBehind(sequence: number): number {
    return this.#stretches.reduce((sum, stretch) => sum + (stretch.last > sequence ? stretch.bytes : 0), 0)
  }

  fds(): number[] {
    return this.#unsynced ? this.#log.fds() : []
  }

  synced(sequence: number): void {
    if (sequence >= this.#last) this.#unsynced = false
  }

  sync(): void {
    if (this.#failed) throw posixError(EIO, 'fdatasync')
    crashPoint('journal.sync.before')
    try {
      for (const fd of this.fds()) fdatasyncSync(fd)
    } catch (error) {
      this.fail()
      throw error
    }
    this.#unsynced = false
    crashPoint('journal.sync.after')
  }

  fail(): void {
    this.#failed = true
  }

  close(): void {
    this.#log.close()
  }
}

/** Visits the payloads of the frames behind a sequence that verify, whoever is writing them. */
export function peekStored(logs: StoreLogs, volume: string, after: number, visit: (payload: Buffer) => void, cipher?: Cipher): void {
  const seed = seedOf(volume)
  const id = Buffer.from(volume, 'hex')
  logs.peek(volume, after, (sequence, frame) => {
    if (verifies(frame, sequence, seed)) visit(openFrame(cipher, id, sequence, frame.subarray(FRAME_HEADROOM), frameFlags(frame, 0)))
  })
}

/** What the checksum of each frame begins with, so that none of another volume verifies. */
function seedOf(volume: string): number {
  return crcOf(Buffer.from(volume), 0)
}

function verifies(frame: Buffer, sequence: number, seed: number): boolean {
  if (frame.length < FRAME_HEADROOM || frameSequence(frame, 0) !== sequence) return false
  const length = frameLength(frame, 0)
  return length === frame.length - FRAME_HEADROOM && computeFrameCrc(frame, 0, length, seed) === frameCrc(frame, 0)
}

function checkFlags(frame: Buffer, sequence: number): void {
  if ((frameFlags(frame, 0) & ~FRAME_SEALED) === 0) return
  throw new CairnError('ERR_FORMAT', `Journal frame ${sequence} was written by a newer version of cairn.`, 'Install a newer version of cairn.')
}

/** As an append to a file would fail. */
function asPosix(error: unknown): Error {
  const code = error instanceof CairnError ? error.code : undefined
  const errno = code === 'ERR_FENCED' ? EROFS : code === 'ERR_STORE_FULL' ? ENOSPC : EIO
  return Object.assign(posixError(errno, 'write'), { cause: error })
}
