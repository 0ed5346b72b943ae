import type { Head } from '../codec/head.js'
import { BatchReader, Item, isVersionBlock, POINTER_BYTES, Tag } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import { Journal, type RedoLog, type ReplayReport, StoredJournal } from '../journal/index.js'
import type { VolumeLog } from '../store/store-logs.js'
import { assert, limits, type Random } from '../sys/index.js'
import { BTree, type PageCache } from '../tree/index.js'
import { EXTENT_BYTES } from './content.js'
import { approachOpening } from './nearing.js'
import type { Spool } from './spool.js'
import { VolumeState } from './state.js'
import type { StoreContext } from './volume.js'

const FOLDS_AT_ONCE = 16

export interface RecoverOptions {
  context: StoreContext
  head: Head
  journalDir: string
  /** Where the store keeps the journal: then there is none in the folder. */
  log?: VolumeLog
  /** Id of the volume that the journal was written for. */
  journalOf: string
  random: Random
  bootId: string
  spool: Spool
  /** Handles of the writer's mounts mean nothing here. */
  isReader?: boolean
}

export interface Recovered {
  state: VolumeState
  journal: RedoLog
  /** Sequence of the last batch. */
  sequence: number
}

/** Blocks that a batch put into packs: after a power loss they may be missing though the journal names them. */
interface Reference {
  sequence: number
  pointer: Buffer
}

/**
 * The state that was acknowledged last: the head's, and what the journal holds behind it. After a power loss a batch whose
 * blocks did not reach the disk ends the history, as one whose frame did not: nobody was told that it was durable.
 * @throws CorruptError when the journal is damaged though no power was lost
 */
export function recover(options: RecoverOptions): Recovered {
  for (;;) {
    const references: Reference[] = []
    const { state, journal, sequence, sameBoot } = replay(options, references)
    const lost = sameBoot ? undefined : references.find(reference => !isStored(options.context, reference.pointer))
    if (lost === undefined) {
      options.spool.takeOver(sameBoot ? references.map(reference => reference.pointer) : [])
      return { state, journal, sequence }
    }
    journal.truncateAfter(lost.sequence - 1)
    journal.close()
  }
}

function replay(options: RecoverOptions, references: Reference[]): Recovered & { sameBoot: boolean } {
  const { context, head, spool } = options
  const state = new VolumeState(openTree(context.pages, head.root), openTree(context.pages, head.history), context.packs)
  state.sink = spool
  if (context.store.prefetch !== undefined) approachOpening(state.tree, state.history)
  state.loadApplied()
  if (options.isReader !== true) state.incarnations.load(state.history)
  state.loadVersionSequence()
  state.nextIno = head.nextIno
  state.usage.inodes = head.inodes
  state.usage.bytes = head.bytes
  const journal = openJournal(options)
  const batch = new BatchReader()
  let foldable = true
  const report = replayOrClose(journal, (sequence, payload) => {
    if (!batch.open(payload, 0, payload.length)) throw new CorruptError(`the journal of volume ${head.volume}`, `batch ${sequence} is of a newer format`)
    collectReferences(batch, sequence, references)
    batch.open(payload, 0, payload.length)
    state.apply(batch)
    foldable = foldable && boundOverlays(state, spool)
  })
  if (report.damaged && report.sameBoot) {
    journal.close()
    throw new CorruptError(`the journal of volume ${head.volume}`, `it cannot be read behind change ${report.lastSequence}, and there are later ones`)
  }
  return { state, journal, sequence: report.lastSequence, sameBoot: report.sameBoot }
}

function openJournal({ context, log, head, journalDir, journalOf, random, bootId, spool }: RecoverOptions): RedoLog {
  const afterSequence = head.watermark
  const cipher = context.store.coding?.cipher
  if (log !== undefined) return new StoredJournal({ log, volume: head.volume, afterSequence, packs: spool, cipher })
  return Journal.open(journalDir, { volume: Buffer.from(journalOf, 'hex'), afterSequence, random, bootId, cipher })
}

function replayOrClose(journal: RedoLog, visit: (sequence: number, payload: Buffer) => void): ReplayReport {
  try {
    return journal.replay(visit)
  } catch (error) {
    journal.close()
    throw error
  }
}

/** False when the disk is full or a block under an overlay damaged: what is in memory stays there, and the volume opens. */
function boundOverlays(state: VolumeState, spool: Spool): boolean {
  if (state.overlays.bytes <= limits.overlayBytes) return true
  try {
    state.foldOldest(FOLDS_AT_ONCE, spool)
    return true
  } catch (error) {
    if (error instanceof CorruptError || typeof (error as NodeJS.ErrnoException).syscall === 'string') return false
    throw error
  }
}

function collectReferences(batch: BatchReader, sequence: number, into: Reference[]): void {
  while (batch.next()) {
    if (batch.vl !== EXTENT_BYTES || !namesBlock(batch)) continue
    into.push({ sequence, pointer: Buffer.from(batch.buffer.subarray(batch.vp + 1, batch.vp + 1 + POINTER_BYTES)) })
  }
}

function namesBlock(batch: BatchReader): boolean {
  if (batch.op === Item.put) return batch.buffer[batch.kp] === Tag.extent
  return batch.op === Item.historyPut && isVersionBlock(batch.buffer, batch.kp, batch.kl)
}

function isStored(context: StoreContext, pointer: Buffer): boolean {
  try {
    context.packs.verify(pointer, 0)
    return true
  } catch (error) {
    if (error instanceof CorruptError) return false
    throw error
  }
}

/** The tree that a head or commit names by its root's pointer in hex; the empty one for `''`. */
export function openTree(pages: PageCache, pointer: string): BTree {
  if (pointer === '') return BTree.empty(pages)
  const bytes = Buffer.from(pointer, 'hex')
  assert(bytes.length === POINTER_BYTES, 'a head holds whole pointers')
  return BTree.open(pages, bytes)
}
