import { fstatSync, readSync } from 'node:fs'
import { computeFrameCrc, FRAME_HEADROOM, frameCrc, frameFlags, frameLength, frameSequence, JOURNAL_HEADER_BYTES, MAX_FRAME_BYTES } from '../codec/frame.js'
import { CairnError } from '../errors.js'

const CHUNK_BYTES = 1024 * 1024

/** Gets each frame of a file that verifies. The payload is valid during the call only. Returns false to stop behind it. */
export type FrameVisitor = (sequence: number, payload: Buffer, chain: number) => boolean

export interface ScanEnd {
  /** Where the next frame would stand. */
  end: number
  /** Chain value behind the last frame. */
  chain: number
  /** Last sequence that verified; one less than the first when there is none. */
  last: number
  /** Something stands at `end` that does not verify: a write that was torn, or damage. */
  cut: boolean
  /** A frame that verifies follows the one that does not: that was no torn write. */
  damaged: boolean
}

/** Reads a file forward, in chunks that grow when a frame is larger. */
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
    if (position + length > this.#from + this.#filled) this.#load(position, length)
    this.at = position - this.#from
    return position + length <= this.#from + this.#filled
  }

  #load(position: number, length: number): void {
    const kept = Math.max(0, this.#from + this.#filled - position)
    const target = length > this.#buffer.length ? Buffer.allocUnsafeSlow(Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES) : this.#buffer
    this.#buffer.copy(target, 0, position - this.#from, position - this.#from + kept)
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
    if (frameFlags(bytes, at) !== 0)
      throw new CairnError('ERR_FORMAT', `Journal frame ${sequence} was written by a newer version of cairn.`, 'Install a newer version of cairn.')
    chain = frameCrc(bytes, at)
    position += FRAME_HEADROOM + length
    const goOn = visit(sequence, bytes.subarray(at + FRAME_HEADROOM, at + FRAME_HEADROOM + length), chain)
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

/** What stands behind the last good frame. A later frame is seeded with the crc that the bad one stores. */
function evidence(window: Window, position: number, sequence: number): { cut: boolean; damaged: boolean } {
  if (!window.has(position, 1)) return { cut: false, damaged: false }
  if (!window.has(position, FRAME_HEADROOM)) return { cut: true, damaged: false }
  const stored = frameCrc(window.bytes, window.at)
  const blank = window.bytes.subarray(window.at, window.at + FRAME_HEADROOM).every(byte => byte === 0)
  const length = plausible(window, position, sequence)
  const damaged = length >= 0 && nextFrame(window, position + FRAME_HEADROOM + length, sequence + 1, stored) >= 0
  return { cut: !blank, damaged }
}
