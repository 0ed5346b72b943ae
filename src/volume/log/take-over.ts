import { join } from 'node:path'
import type { Cipher } from '../../codec/cipher.js'
import { FRAME_HEADROOM } from '../../codec/frame.js'
import { decodeLogObject, encodeLogObject, firstOf, LOG_HEADER_BYTES, type LogObject, logCrc, logKey, logPrefix } from '../../codec/log-object.js'
import { CairnError } from '../../errors.js'
import { Journal } from '../../journal/index.js'
import type { RemoteStore } from '../../store/remote/remote-store.js'
import { crashPoint, limits, type Random } from '../../sys/index.js'
import { strideOf } from '../epochs.js'
import { type ReadObject, readLog } from './log-reader.js'

/** A number of the log that is in use, and that no head was known to contain. */
export interface LogEntry {
  number: number
  /** Sequence of the last batch in it. */
  last: number
  isFence: boolean
}

/** What a writer knows of the log when it begins. */
export interface LogState {
  /** The next free number. */
  next: number
  /** Crc of the object before; 0 where that is not known. */
  previous: number
  entries: LogEntry[]
  /** Sequence of the last change that is in the store. */
  stored: number
  /** The stored head says that this writer may make log objects. */
  isOpen: boolean
  /** Numbers from `next` on are free, and this writer's alone. Else durable commits go through the head. */
  isKnown: boolean
}

/** The log as a head tells of it whose writer has ended it. */
export function endedLog(next: number, watermark: number, isOpen: boolean): LogState {
  return { next, previous: 0, entries: [], stored: watermark, isOpen, isKnown: true }
}

/**
 * Reads what writers before this one logged, and puts a fence behind it: from then on none of them can log anything more. The epoch in the head was raised before;
 * afterwards the head must be confirmed, because another one may have done the same meanwhile (spec/README.md, "A writer opens").
 * @param epoch of this writer
 * @param from first number that the head may not contain
 * @returns undefined when a later writer's fence is there. @throws CorruptError; what the store says
 */
export function takeOverLog(
  store: RemoteStore,
  volume: string,
  epoch: number,
  from: number,
  watermark: number,
): { state: LogState; objects: ReadObject[] } | undefined {
  const objects: ReadObject[] = []
  let stored = watermark
  for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
    objects.push(...readLog(store, volume, from + objects.length, stored, epoch))
    if (objects.some(object => object.epoch > epoch)) return undefined
    stored = Math.max(watermark, ...objects.map(({ last }) => last))
    const number = from + objects.length
    const fence = encodeLogObject({ volume, number, epoch, previous: objects.at(-1)?.crc ?? 0, last: stored })
    crashPoint('log.before-fence')
    // A commit that was on its way came first.
    if (!store.createSync(logKey(volume, number), fence)) continue
    crashPoint('log.after-fence')
    const entries = objects.map(object => ({ number: object.number, last: object.last, isFence: object.batches === undefined }))
    entries.push({ number, last: stored, isFence: true })
    return { state: { next: number + 1, previous: logCrc(fence), entries, stored, isOpen: true, isKnown: true }, objects }
  }
  throw new CairnError('ERR_CONFLICT', `Others write the log of the volume ${volume} all the time.`, 'Try again.', { retry: 'same-call' })
}

/**
 * Sequence of the last change that a writer's successor found in the log: what that writer had until then is in the history. Fences of later ones say nothing
 * of it: where the successor had no reason for a fence, what they found is the successor's.
 * @param epoch the first of the successor
 * @returns undefined when no fence says so. Cost: a listing of the log, and a request for each fence
 */
export function logFencedAt(store: RemoteStore, volume: string, epoch: number): number | undefined {
  let found: LogObject | undefined
  let cursor: string | undefined
  do {
    const page = store.listSync(logPrefix(volume), cursor)
    for (const { key, sizeBytes } of page.objects) {
      const bytes = sizeBytes > LOG_HEADER_BYTES ? undefined : store.getSync(key)?.bytes
      const fence = bytes && decodeLogObject(bytes, key)
      if (fence !== undefined && strideOf(fence.epoch) === strideOf(epoch) && fence.epoch < (found?.epoch ?? Number.POSITIVE_INFINITY)) found = fence
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return found?.last
}

/**
 * Appends to a volume's journal what is in log objects and not in the journal, so that opening the volume finds it there. Durable when it returns.
 * @param watermark of the head that the volume is opened with
 */
export function journalLog(
  dir: string,
  objects: readonly ReadObject[],
  options: { volume: string; watermark: number; random: Random; bootId: string; cipher?: Cipher | undefined },
): void {
  const { volume, watermark, random, bootId, cipher } = options
  const journal = Journal.open(join(dir, 'journal'), { volume: Buffer.from(volume, 'hex'), afterSequence: watermark, random, bootId, cipher })
  try {
    const { damaged, sameBoot } = journal.replay(() => {})
    // Opening the volume says so.
    if (damaged && sameBoot) return
    crashPoint('log.before-journal')
    for (const object of objects) {
      const first = firstOf(object)
      for (const [i, batch] of (object.batches ?? []).entries()) if (first + i === journal.lastSequence + 1) append(journal, batch)
    }
    journal.sync()
    crashPoint('log.after-journal')
  } finally {
    journal.close()
  }
}

function append(journal: Journal, batch: Uint8Array): void {
  const frame = Buffer.allocUnsafe(FRAME_HEADROOM + batch.length)
  frame.set(batch, FRAME_HEADROOM)
  journal.append(frame, batch.length)
}
