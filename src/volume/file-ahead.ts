import { limits } from '../sys/index.js'

/** Files told apart that are read from their start to their end. */
const STREAMS = 16
/** What the kernel, or a reader with several threads, may ask for out of order. */
const SLACK_BYTES = 4 * limits.fuseRequestBytes

interface Stream {
  ino: number
  /** Where the next read of this reader begins. */
  next: number
  /** How much was fetched ahead the last time, and the end of it. */
  window: number
  to: number
}

/**
 * Has the blocks of a file brought near ahead of who reads it in order, wherever they lie: twice as much as the last time, as soon as half of it is read; at the
 * bound a little at a time, so that always about as much is on its way.
 * Of a file that is read here and there nothing comes but what is asked for, which comes at once when it is several blocks.
 */
export class FileAhead {
  readonly #prefetch: (ino: number, from: number, to: number) => void
  /** The one used longest ago first. */
  readonly #streams: Stream[] = []

  /** @param prefetch begins to bring near the blocks of a file between two offsets */
  constructor(prefetch: (ino: number, from: number, to: number) => void) {
    this.#prefetch = prefetch
  }

  /** Part of a file is about to be read. */
  reads(ino: number, offset: number, length: number): void {
    const streams = this.#streams
    const i = streams.findIndex(one => one.ino === ino && offset >= one.next - SLACK_BYTES && offset <= one.next + SLACK_BYTES)
    const stream = i < 0 ? { ino, next: offset, window: 0, to: offset } : streams.splice(i, 1)[0]
    streams.push(stream)
    if (i < 0 && streams.length > STREAMS) streams.shift()
    const end = offset + length
    const goesOn = i >= 0 && end > stream.next
    stream.next = Math.max(stream.next, end)
    if (goesOn && stream.to - stream.next <= stream.window - stepOf(stream))
      stream.window = Math.min(limits.fileAheadBytes, Math.max(stream.window * 2, length))
    else if (goesOn || length <= limits.blockBytes) return
    const from = goesOn ? Math.max(stream.to, offset) : offset
    stream.to = stream.next + stream.window
    if (stream.to > from) this.#prefetch(ino, from, stream.to)
  }
}

/** What is read before more is asked for. */
function stepOf({ window }: Stream): number {
  return Math.min(window / 2, limits.fileAheadStepBytes)
}
