import { BatchReader, decodeCommit, Item, isVersionBlock, pointerPack, Tag } from '../../codec/index.js'
import { EXTENT_BYTES } from '../content.js'

/** What a batch puts into the trees by reference. */
export interface Named {
  /** Ids of packs that hold blocks of files and versions. */
  packs: Buffer[]
  /** Root pages of commits, pointers in hex. */
  roots: string[]
}

const reader = new BatchReader()

export function namedIn(batch: Buffer): Named {
  const packs = new Map<string, Buffer>()
  const roots: string[] = []
  reader.open(batch, 0, batch.length)
  while (reader.next()) {
    const { op, kp, kl, vp, vl } = reader
    if (op !== Item.put && op !== Item.historyPut) continue
    if (op === Item.historyPut && batch[kp] === Tag.commit) {
      const { root } = decodeCommit(batch, vp, vl)
      if (root !== '') roots.push(root)
    } else if (vl === EXTENT_BYTES && (op === Item.put ? batch[kp] === Tag.extent : isVersionBlock(batch, kp, kl))) {
      const pack = Buffer.from(pointerPack(batch, vp + 1))
      packs.set(pack.toString('hex'), pack)
    }
  }
  return { packs: [...packs.values()], roots }
}
