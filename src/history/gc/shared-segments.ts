import { HASH_BYTES, pointerOffset } from '../../codec/index.js'
import type { LocalStore } from '../../store/contract.js'
import { decodeSmall, encodeSmall } from '../../store/small-object.js'
import { limits } from '../../sys/index.js'
import type { Marks } from './marks.js'
import { PackTable } from './pack-table.js'

export const GC_SHARED_KEY = 'gc/shared'
const FORMAT = 1

/** Notes what several volumes reach, by the places that pointers name. What a fork shares lies side by side, so that this is little. */
export function writeShared(store: LocalStore, atMs: number, marks: Marks): void {
  store.putSync(GC_SHARED_KEY, encodeSmall(FORMAT, { atMs, packs: runsOf(marks) }), { relaxed: true })
}

/** By id of the pack; undefined where it would be too much. */
function runsOf(marks: Marks): Record<string, number[]> | undefined {
  const packs: Record<string, number[]> = {}
  let noted = 0
  for (const [id, set] of marks.all()) {
    const runs = set.sharedRuns()
    if (runs.length === 0) continue
    noted += runs.length + 1
    if (noted > limits.gcSharedRuns) return undefined
    packs[Buffer.from(id).toString('hex')] = runs
  }
  return packs
}

/** What several volumes of a store reached when it was collected last. */
export class SharedSegments {
  readonly atMs: number
  readonly #packs = new PackTable<readonly number[]>()

  constructor(atMs: number, packs: Record<string, number[]>) {
    this.atMs = atMs
    for (const [id, runs] of Object.entries(packs)) this.#packs.add(Buffer.from(id, 'hex'), 0, runs)
  }

  /** Undefined when there was no collection, or what it noted does not read: the next one notes it again. */
  static of(store: LocalStore): SharedSegments | undefined {
    const found = store.getSync(GC_SHARED_KEY)
    if (found === undefined) return undefined
    try {
      const { atMs, packs } = decodeSmall(found.bytes, GC_SHARED_KEY, FORMAT) as { atMs: number; packs?: Record<string, number[]> }
      return packs === undefined ? undefined : new SharedSegments(atMs, packs)
    } catch {
      return undefined
    }
  }

  /** Of the segment that a pointer at `at` names. */
  has(pointer: Uint8Array, at: number): boolean {
    const runs = this.#packs.get(pointer, at + HASH_BYTES)
    return runs !== undefined && startsUpTo(runs, pointerOffset(pointer, at)) % 2 === 1
  }
}

/** How many of the ascending numbers are at most `offset`. */
function startsUpTo(runs: readonly number[], offset: number): number {
  let [low, high] = [0, runs.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (runs[middle] <= offset) low = middle + 1
    else high = middle
  }
  return low
}
