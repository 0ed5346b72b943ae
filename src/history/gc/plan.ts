import type { Head } from '../../codec/head.js'
import { isCopy, PACK_ENTRY_BYTES, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, packIdOf } from '../../codec/pack.js'
import type { RelocationIndex } from '../../codec/relocation.js'
import type { LocalStore } from '../../store/contract.js'
import { limits } from '../../sys/index.js'
import type { Marks } from './marks.js'
import { nameOf, RelocationList } from './relocation-list.js'
import type { SegmentSet } from './segment-set.js'

export interface ListedPack {
  key: string
  id: Buffer
  sizeBytes: number
}

export interface RewritablePack extends ListedPack {
  live: SegmentSet
}

/** All packs of a store; other objects under their prefix are none. */
export function listPacks(store: LocalStore): ListedPack[] {
  const packs: ListedPack[] = []
  let cursor: string | undefined
  do {
    const page = store.listSync('packs/', cursor)
    for (const { key, sizeBytes } of page.objects) {
      const id = packIdOf(key)
      if (id !== undefined) packs.push({ key, id, sizeBytes })
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return packs
}

/** Nothing that can still happen will make a segment of this pack, if nothing names it, a named one (spec/README.md, "A collector"). */
export function isSettled(id: Buffer, heads: ReadonlyMap<string, Head>): boolean {
  if (isCopy(id)) return true
  const head = heads.get(id.toString('hex', 0, 8))
  // Ids are never used again, and a head comes before the packs of its volume: its writer is gone.
  if (head === undefined) return true
  const epoch = id.readUInt32BE(8)
  return epoch < (head.fenced ?? 0) || (head.mark !== undefined && epoch === head.mark[0] && id.readUInt32BE(12) < head.mark[1])
}

/** What a collection does with each pack. */
export interface Plan {
  /** Nothing names anything in them. */
  garbage: ListedPack[]
  /** They can go as soon as the gc record names the index without them: packs that have moved, and copies that nothing leads to any more. */
  dropped: ListedPack[]
  /** So little of them is live, or they are so small, that what lives is copied elsewhere. */
  rewritten: RewritablePack[]
  kept: ListedPack[]
  /** Of these, packs without anything live whose writer may still name them. */
  waiting: ListedPack[]
  relocations: RelocationList
  problems: Array<{ pack: string; problem: string }>
}

/** @param isThorough no byte that nothing names may stay in this pack, whatever it costs: after a purge */
export function planOf(
  listing: readonly ListedPack[],
  marks: Marks,
  heads: ReadonlyMap<string, Head>,
  index: RelocationIndex | undefined,
  isThorough: (packId: Buffer) => boolean = () => false,
): Plan {
  const relocations = new RelocationList(index, marks)
  const plan: Plan = { garbage: [], dropped: [], rewritten: [], kept: [], waiting: [], relocations, problems: [] }
  const small: RewritablePack[] = []
  for (const pack of listing) {
    const live = isCopy(pack.id) ? relocations.copies.get(nameOf(pack.id)) : marks.of(pack.id)
    const moved = relocations.moved.get(nameOf(pack.id))
    if (moved !== undefined && moved === (live?.count ?? 0)) plan.dropped.push(pack)
    else if (moved !== undefined) {
      plan.kept.push(pack)
      plan.problems.push({ pack: pack.key, problem: 'it has moved, but not all that is needed of it' })
    } else if (!isSettled(pack.id, heads)) {
      plan.kept.push(pack)
      if (live === undefined) plan.waiting.push(pack)
    } else if (live === undefined) (isCopy(pack.id) ? plan.dropped : plan.garbage).push(pack)
    else if (live.liveBytes < pack.sizeBytes * limits.gcLivePart || (isThorough(pack.id) && hasDead(pack, live))) plan.rewritten.push({ ...pack, live })
    else if (pack.sizeBytes < limits.gcSmallPackBytes) small.push({ ...pack, live })
    else plan.kept.push(pack)
  }
  if (small.length >= limits.gcSmallPacks) plan.rewritten.push(...small)
  else plan.kept.push(...small)
  return plan
}

/** Whether a pack may hold what a volume once held: its own, those of its lineage, copies, and those of volumes that are gone. */
export function isOfLineage(id: Buffer, volume: string, heads: ReadonlyMap<string, Head>): boolean {
  const head = heads.get(id.toString('hex', 0, 8))
  const of = heads.get(volume)
  return isCopy(id) || head === undefined || of === undefined || head.dirHashKey === of.dirHashKey
}

/** Something in it is neither live nor its own header and index. */
function hasDead({ sizeBytes }: ListedPack, { liveBytes, count }: SegmentSet): boolean {
  return sizeBytes > PACK_HEADER_BYTES + liveBytes + count * PACK_ENTRY_BYTES + PACK_TRAILER_BYTES
}
