import { limits } from '../../sys/index.js'
import { CHUNK_BYTES } from './chunks.js'

/** Somebody reads on in an object. */
interface Stream {
  key: string
  /** The chunk that comes next. */
  next: number
  /** Chunks that were fetched ahead the last time, and the first behind them. */
  ahead: number
  to: number
}

/** Has chunks fetched: `count` of them from `first` on. */
export type Expect = (key: string, first: number, count: number) => void

/**
 * Tells reading on from reading here and there, for several that read at the same time. Who reads on has twice as much fetched ahead as the last time, as soon
 * as half of it is read; who reads here and there gets what he asks for, and nothing else.
 */
export class ReadAhead {
  readonly #expect: Expect
  readonly #mostChunks: () => number
  /** The one used longest ago first. */
  readonly #streams: Stream[] = []
  #lastKey = ''
  #lastChunk = -1

  /** @param mostChunks what may be fetched ahead */
  constructor(expect: Expect, mostChunks: () => number) {
    this.#expect = expect
    this.#mostChunks = mostChunks
  }

  /** A chunk is about to be read. */
  reads(key: string, chunk: number): void {
    if (chunk === this.#lastChunk && key === this.#lastKey) return
    this.#lastChunk = chunk
    this.#lastKey = key
    const streams = this.#streams
    const i = streams.findIndex(one => one.key === key && chunk >= one.next - 1 && chunk <= one.next + one.ahead)
    const stream = i < 0 ? { key, next: chunk + 1, ahead: 0, to: chunk + 1 } : streams.splice(i, 1)[0]
    streams.push(stream)
    if (i < 0 && streams.length > limits.storeStreams) streams.shift()
    if (i >= 0 && chunk >= stream.next) this.#goOn(stream, chunk)
  }

  #goOn(stream: Stream, chunk: number): void {
    stream.next = chunk + 1
    if (stream.to - stream.next > stream.ahead / 2) return
    stream.ahead = Math.min(this.#mostChunks(), stream.ahead * 2 + 1)
    const from = Math.max(stream.to, stream.next)
    stream.to = stream.next + stream.ahead
    if (stream.to > from) this.#expect(stream.key, from, stream.to - from)
  }
}

/** What may be fetched ahead into a cache of this size: what is not read yet must not push itself out. */
export function mostAhead(cacheBytes: number): number {
  return Math.min(limits.storeAheadBytes * 8, Math.floor(cacheBytes / 4)) / CHUNK_BYTES
}
