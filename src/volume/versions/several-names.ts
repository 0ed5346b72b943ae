import { decodePastName, Ended, pastNameEnd, SEQUENCE_BYTES, Tag } from '../../codec/index.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'

export interface SeveralNames {
  /** Inodes of which a name went before the last one, or several at once. */
  readonly several: ReadonlySet<number>
  /** Inodes of which a name went: what still is there has another one. */
  readonly lost: ReadonlySet<number>
}

/** Files that more than one name means or meant. Yields while it looks. O(past names). */
export function* severalNames(history: BTree): Generator<void, SeveralNames> {
  const several = new Set<number>()
  const lost = new Set<number>()
  let from: Buffer = Buffer.from([Tag.pastName])
  for (;;) {
    const cursor = history.cursor()
    let more = cursor.seek(from, from.length)
    for (let i = 0; i < limits.pruneAtOnce; i++, more = cursor.next()) {
      const { buf, kp, kl, vp, vl } = cursor
      if (!more || buf[kp] !== Tag.pastName) return { several, lost }
      if (kl !== pastNameEnd(buf, kp, kl) - kp + 1 + SEQUENCE_BYTES) continue
      const { ino, isDirectory, ended } = decodePastName(buf, vp, vl)
      if (isDirectory) continue
      if (ended === Ended.renamed || ended === Ended.unlinked || lost.has(ino)) several.add(ino)
      lost.add(ino)
    }
    if (!more) return { several, lost }
    from = Buffer.concat([cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)])
    yield
  }
}
