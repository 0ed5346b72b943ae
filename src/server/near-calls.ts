import { noNames } from '../history/contents/tree-walk.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { Misses } from './when-near.js'

/** Methods that change nothing: given up where something that they read is not here, they are made again from their start. */
const READING: ReadonlySet<string> = new Set([
  ...['blameOpen', 'blameStates', 'blameFile', 'logOpen', 'logNext', 'diffOpen', 'diffNext', 'diffFile'],
  ...['contentsOpen', 'contentsSince', 'contentsNext', 'contentsRead', 'contentsPlaces', 'tagged'],
  ...['contentsWalk', 'contentsWalkNext', 'contentsFiles', 'contentsEntries', 'findOpen', 'findNext', 'cachedFiles'],
  ...['versions', 'retention', 'commits', 'checkpoints', 'status', 'quota', 'policy', 'auditRead', 'auditState'],
])

/** Methods that change something when they have read all that it takes, and are not given up any more from then on. */
const CHANGING: ReadonlySet<string> = new Set(['checkpoint', 'deleteCheckpoint', 'commit', 'batch'])

/** Methods that ask the store for more than pages, and wait for it, also of a volume that is open. */
const ASKING: ReadonlySet<string> = new Set([
  ...['fork', 'forkAll', 'merge', 'rebase', 'pin', 'unpin', 'holders'],
  ...['remove', 'recover', 'rename', 'takeLease', 'releaseLease', 'mount.prepare'],
])

/** Methods whose first argument names a volume that they neither open nor ask for. */
const ELSEWHERE: ReadonlySet<string> = new Set(['create', 'attach', 'info', 'storeOf', 'checkStore', 'cacheStats', 'cacheClear', 'cacheLimit'])

/** What such a method answers that goes on where it stood: its client asks again. */
const LATER: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['blameStates', undefined],
  ...['logNext', 'diffNext', 'contentsNext'].map(name => [name, []] as const),
  ...['contentsWalkNext', 'findNext'].map(name => [name, noNames] as const),
])

export function onlyReads(method: string): boolean {
  return READING.has(method)
}

export function isRepeated(method: string): boolean {
  return READING.has(method) || CHANGING.has(method)
}

/** See `whenNear`. */
export function laterOf(method: string): (() => unknown) | undefined {
  return LATER.has(method) ? () => LATER.get(method) : undefined
}

/** Waits until it is known of each store that a call is going to ask whether it answers. Undefined where there is nothing to wait for. */
export function knocked(volumes: OpenVolumes, method: string, args: readonly unknown[]): Promise<unknown> | undefined {
  if (ELSEWHERE.has(method)) return undefined
  const asks = ASKING.has(method)
  const waits = namesIn(args).flatMap(name => (asks || volumes.named(name) === undefined ? (volumes.engine.knock(name) ?? []) : []))
  return waits.length === 0 ? undefined : Promise.all(waits)
}

/** Names of volumes among the arguments of a method. */
export function namesIn([first, second]: readonly unknown[]): string[] {
  const of = (argument: unknown): { volume?: unknown; into?: unknown } => (typeof argument === 'object' && argument !== null ? argument : {})
  return [first, of(first).volume, of(second).volume, of(second).into].filter(name => typeof name === 'string')
}

/** The stores of volumes, as one; each of them may miss something, or none. */
export function storesOf(opened: readonly OpenVolume[]): Misses {
  const stores = [...new Set(opened.map(({ volume }) => volume.context.store as Misses))].filter(store => store.mayMiss !== undefined)
  if (stores.length <= 1) return stores[0] ?? {}
  return {
    get mayMiss() {
      return stores.some(store => store.mayMiss === true)
    },
    set mayMiss(may) {
      for (const store of stores) store.mayMiss = may
    },
  }
}
