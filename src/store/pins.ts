import { CorruptError } from '../errors.js'
import type { LocalStore } from './contract.js'
import { decodeSmall, encodeSmall } from './small-object.js'

/**
 * What a change that takes content from one volume to another needs while it is made (docs/format-packs.md, "Pins"). Its maker writes it
 * before it reads the source; only a collector removes it, and never one that was made after that collection began.
 */
export const PINS_PREFIX = 'pins/'
const FORMAT = 1
const HEX_POINTER = /^[0-9a-f]{124}$/

export interface Pin {
  /** Milliseconds since 1970: one that is old and was not finished belongs to a process that is gone. */
  atMs: number
  /** Volume id: where the content goes. */
  into: string
  /** Pointers of root pages, in hex. */
  roots: string[]
  /** Its content is in a head or a journal now. */
  done?: true
  /**
   * In a store that several hosts reach, whose journals a collector does not see: the epoch of the writer that needs it, and the watermark from which on
   * that writer's head names what it pins.
   */
  epoch?: number
  upTo?: number
}

export function pinKey(id: string): string {
  return `${PINS_PREFIX}${id}`
}

/** Not synced: what is lost with the power is lost with its maker. Cost: one small write */
export function writePin(store: LocalStore, id: string, pin: Pin): void {
  store.putSync(pinKey(id), encodeSmall(FORMAT, pin), { relaxed: true })
}

function isWhole(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  return text.endsWith('}\n') && !text.includes('\0')
}

/** @throws CorruptError */
export function readPin(store: LocalStore, key: string): Pin | undefined {
  const found = store.getSync(key)
  if (found === undefined) return undefined
  // One that a power loss tore is its maker's last trace. Where hosts share a store nothing is torn there: it came so.
  if (!isWhole(found.bytes) && store.isStillOurs === undefined) return { atMs: 0, into: '', roots: [], done: true }
  const { atMs, into, roots, done, epoch, upTo } = decodeSmall(found.bytes, key, FORMAT)
  const valid = typeof atMs === 'number' && typeof into === 'string' && Array.isArray(roots) && roots.every(root => HEX_POINTER.test(String(root)))
  if (!valid) throw new CorruptError(key, 'its members are not right')
  return {
    atMs,
    into,
    roots: roots as string[],
    ...(done === true ? { done } : {}),
    ...(typeof epoch === 'number' ? { epoch } : {}),
    ...(typeof upTo === 'number' ? { upTo } : {}),
  }
}
