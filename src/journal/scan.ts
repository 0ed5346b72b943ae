import { fstatSync, readSync } from 'node:fs'
import {
  computeFrameCrc,
  FRAME_HEADROOM,
  FRAME_SEALED,
  frameCrc,
  frameFlags,
  frameLength,
  frameSequence,
  JOURNAL_HEADER_BYTES,
  MAX_FRAME_BYTES,
  putFrameHeader,
} from '../codec/frame.js'
import { CairnError } from '../errors.js'

const CHUNK_BYTES = 1024 * 1024
const PROBE_BYTES = 64 * 1024
/** Sequence and flags, the end of a frame's header. */
const SEQUENCE_AT = 8
const FLAGS_AT = 14

/** Gets each frame of a file that verifies. The payload is valid during the call only. Returns false to stop behind it. */
export type FrameVisitor = (sequence: number, payload: Buffer, flags: number) => boolean

export interface ScanEnd {
  /** Where the next frame would stand. */
  end: number
  /** Chain value behind the last frame. */
  chain: number
  /** Last sequence that verified; one less than the first when there is none. */
  last: number
  /** Something stands at `end` that does not verify: a write that was torn, or damage. */
  cut: boolean
  /** The frame that does not verify was written whole, or others stand behind it: that was no torn write. */
  damaged: boolean
}

/** Reads a file, mostly forward, in chunks that grow when a frame is larger. */
class Window {
  readonly #fd: number
  #buffer: Buffer
  #from = 0
  #filled = 0
  /** Where the bytes asked for last start in `bytes`. */
  at = 0

  constructor(fd: number) {
    this.#fd = fd
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, fstatSync(fd).size + FRAME_HEADROOM))
  }

  get bytes(): Buffer {
    return this.#buffer
  }

  /** Makes `length` bytes at `position` of the file readable at `this.at`; false when the file ends before. */
  has(position: number, length: number): boolean {
    if (position < this.#from || position + length > this.#from + this.#filled) this.#load(position, length)
    this.at = position - this.#from
    return position + length <= this.#from + this.#filled
  }

  /** How many of the `length` bytes at `position` the last `has` made readable. */
  readable(position: number, length: number): number {
    return Math.max(0, Math.min(length, this.#from + this.#filled - position))
  }

  #load(position: number, length: number): void {
    const kept = position < this.#from ? 0 : Math.max(0, this.#from + this.#filled - position)
    const target = length > this.#buffer.length ? Buffer.allocUnsafeSlow(Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES) : this.#buffer
    if (kept > 0) this.#buffer.copy(target, 0, position - this.#from, position - this.#from + kept)
    this.#buffer = target
    this.#from = position
    this.#filled = kept
    while (this.#filled < this.#buffer.length) {
      const n = readSync(this.#fd, this.#buffer, this.#filled, this.#buffer.length - this.#filled, position + this.#filled)
      if (n === 0) return
      this.#filled += n
    }
  }
}

/**
 * Walks the frames of one file as far as they follow the chain.
 * @param chain what the first frame is seeded with
 * @throws CairnError ERR_FORMAT for a frame with flags of a newer version
 */
export function scanFrames(fd: number, firstSequence: number, chain: number, visit: FrameVisitor): ScanEnd {
  const window = new Window(fd)
  let position = JOURNAL_HEADER_BYTES
  let sequence = firstSequence
  for (;;) {
    const length = nextFrame(window, position, sequence, chain)
    if (length < 0) return { end: position, chain, last: sequence - 1, ...evidence(window, position, sequence) }
    const { bytes, at } = window
    const flags = frameFlags(bytes, at)
    if ((flags & ~FRAME_SEALED) !== 0)
      throw new CairnError('ERR_FORMAT', `Journal frame ${sequence} was written by a newer version of cairn.`, 'Install a newer version of cairn.')
    chain = frameCrc(bytes, at)
    position += FRAME_HEADROOM + length
    const goOn = visit(sequence, bytes.subarray(at + FRAME_HEADROOM, at + FRAME_HEADROOM + length), flags)
    sequence++
    if (!goOn) return { end: position, chain, last: sequence - 1, cut: false, damaged: false }
  }
}

/** Payload length of the frame at `position` when it is number `sequence` and verifies; else -1. */
function nextFrame(window: Window, position: number, sequence: number, chain: number): number {
  const length = plausible(window, position, sequence)
  if (length < 0 || !window.has(position, FRAME_HEADROOM + length)) return -1
  return computeFrameCrc(window.bytes, window.at, length, chain) === frameCrc(window.bytes, window.at) ? length : -1
}

/** Payload length by the header at `position`, when it looks like one of frame `sequence`; else -1. */
function plausible(window: Window, position: number, sequence: number): number {
  if (!window.has(position, FRAME_HEADROOM)) return -1
  const length = frameLength(window.bytes, window.at)
  return frameSequence(window.bytes, window.at) === sequence && length <= MAX_FRAME_BYTES ? length : -1
}

/**
 * What stands behind the last good frame. A kill in the middle of write(2) leaves the start of one frame and nothing behind it: a
 * frame whose last byte is there, or anything beyond it, was written whole, and is damaged. So is one whose length leads too far
 * when another frame stands within it. (After a power loss, pages may be missing anywhere.)
 */
function evidence(window: Window, position: number, sequence: number): { cut: boolean; damaged: boolean } {
  if (!window.has(position, 1)) return { cut: false, damaged: false }
  if (!window.has(position, FRAME_HEADROOM)) return { cut: true, damaged: false }
  const blank = window.bytes.subarray(window.at, window.at + FRAME_HEADROOM).every(byte => byte === 0)
  const length = plausible(window, position, sequence)
  const frameEnd = position + FRAME_HEADROOM + Math.max(length, 0)
  return { cut: !blank, damaged: hasBytes(window, length > 0 ? frameEnd - 1 : frameEnd) || (length > 0 && holdsNext(window, position, length, sequence)) }
}

/** Whether anything but zeros, which were written ahead, stands at or behind `position`. */
function hasBytes(window: Window, position: number): boolean {
  for (; window.has(position, 1); position += PROBE_BYTES) {
    window.has(position, PROBE_BYTES)
    if (window.bytes.subarray(window.at, window.at + window.readable(position, PROBE_BYTES)).some(byte => byte !== 0)) return true
  }
  return false
}

/** Whether the next frame, seeded with the crc that this one stores, stands within the payload that this one claims. */
function holdsNext(window: Window, position: number, length: number, sequence: number): boolean {
  window.has(position, FRAME_HEADROOM)
  const stored = frameCrc(window.bytes, window.at)
  window.has(position, FRAME_HEADROOM + length)
  const within = Buffer.from(window.bytes.subarray(window.at, window.at + window.readable(position, FRAME_HEADROOM + length)))
  const wanted = Buffer.alloc(FRAME_HEADROOM)
  putFrameHeader(wanted, 0, 0, sequence + 1)
  const mark = wanted.subarray(SEQUENCE_AT, FLAGS_AT)
  for (let at = within.indexOf(mark, FRAME_HEADROOM + SEQUENCE_AT); at >= 0; at = within.indexOf(mark, at + 1)) {
    if (nextFrame(window, position + at - SEQUENCE_AT, sequence + 1, stored) >= 0) return true
  }
  return false
}
