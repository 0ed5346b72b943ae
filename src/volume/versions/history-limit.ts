import { isVersionBlock, pointerLength, Tag, versionSequence } from '../../codec/index.js'
import type { Tree } from '../../tree/tree.js'
import { EXTENT_STORED } from '../content.js'

const MINUTE_MS = 60_000
/** Records looked at between two looks at the clock. */
const AT_ONCE = 512

/** What versions hold, by the minute in which each ended: their records, and the blocks that were saved for them as they are stored. */
export class HistoryUse {
  bytes = 0
  readonly #byMinute = new Map<number, number>()

  add(endedMs: number, bytes: number): void {
    const minute = Math.floor(endedMs / MINUTE_MS)
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + bytes)
    this.bytes += bytes
  }

  /** When the newest of those ended that are to go, so that no more than `limit` is left; milliseconds, undefined when all may stay. */
  cutFor(limit: number): number | undefined {
    if (this.bytes <= limit) return undefined
    let left = this.bytes
    for (const minute of [...this.#byMinute.keys()].sort((a, b) => a - b)) {
      left -= this.#byMinute.get(minute) ?? 0
      if (left <= limit) return (minute + 1) * MINUTE_MS
    }
    return Number.POSITIVE_INFINITY
  }
}

/** Counts, in pieces of a millisecond or so; the history may change between two. */
export function* historyUse(history: () => Tree): Generator<void, HistoryUse> {
  const use = new HistoryUse()
  let from: Buffer = Buffer.from([Tag.version])
  for (;;) {
    const cursor = history().cursor()
    let more = cursor.seek(from, from.length)
    for (let looked = 0; more && cursor.buf[cursor.kp] === Tag.version && looked < AT_ONCE; looked++) {
      const { buf, kp, kl, vp, vl } = cursor
      const isStored = isVersionBlock(buf, kp, kl) && buf[vp] === EXTENT_STORED
      use.add(versionSequence(buf, kp) / 1000, kl + vl + (isStored ? pointerLength(buf, vp + 1) : 0))
      more = cursor.next()
    }
    if (!more || cursor.buf[cursor.kp] !== Tag.version) return use
    from = Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
    yield
  }
}
