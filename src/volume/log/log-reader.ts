import { decodeLogObject, firstOf, type LogObject, logCrc, logKey } from '../../codec/log-object.js'
import { CorruptError } from '../../errors.js'
import type { RemoteStore } from '../../store/remote/remote-store.js'

/** Mostly there are none, or few. */
const FIRST_READS = 4
/** Requests at once, where there are more. */
const READS = 32

/** A log object, and what identifies it. */
export interface ReadObject extends LogObject {
  crc: number
}

/**
 * The log objects of a volume from a number on, up to the first number that has none.
 * @param watermark sequence of the last batch that the head contains, which gave the number
 * @param epoch of who reads: an object of a later one is the last that is read, because number and watermark may be old by then
 * @throws CorruptError when one of them is damaged, or does not follow the one before. Cost: one request for each, several at once
 */
export function readLog(store: RemoteStore, volume: string, from: number, watermark: number, epoch: number): ReadObject[] {
  const objects: ReadObject[] = []
  let known = watermark
  for (let [next, count] = [from, FIRST_READS]; ; next += count, count = READS) {
    const keys = Array.from({ length: count }, (_, i) => logKey(volume, next + i))
    for (const [i, found] of store.storedAllSync(keys).entries()) {
      if (found === undefined) return objects
      const object = { ...decodeLogObject(found.bytes, keys[i]), crc: logCrc(found.bytes) }
      if (object.epoch > epoch) return [...objects, object]
      checkFollows(keys[i], object, { volume, number: next + i, before: objects.at(-1), known })
      known = Math.max(known, object.last)
      objects.push(object)
    }
  }
}

function checkFollows(key: string, object: ReadObject, place: { volume: string; number: number; before: ReadObject | undefined; known: number }): void {
  const { volume, number, before, known } = place
  if (object.volume !== volume || object.number !== number) throw new CorruptError(key, 'it stands in the place of another')
  if (before !== undefined && object.previous !== 0 && object.previous !== before.crc) throw new CorruptError(key, 'it does not follow the one before')
  if (object.batches !== undefined && firstOf(object) > known + 1)
    throw new CorruptError(key, `changes ${known + 1} to ${firstOf(object) - 1} are missing before it`)
}
