import { collectorSteps, garbageOf, nameAll } from './collector.js'
import { encode } from './encode.js'
import type { Model } from './explore.js'
import { forkerSteps } from './forker.js'
import { chain, commitsIn, logLimit, logSlots, packsIn } from './log.js'
import { moverSteps } from './mover.js'
import { readerSteps } from './reader.js'
import type { BadRule, Bounds, Setting } from './rules.js'
import {
  bit,
  type Collector,
  commitOf,
  epochs,
  firstCopy,
  missing,
  objectsOf,
  packLimit,
  packOf,
  packsPerEpoch,
  resolve,
  type State,
  unmoved,
  type Writer,
  withAt,
} from './state.js'
import { viewerSteps } from './viewer.js'
import { twoWinners, writerSteps } from './writer.js'

/** Of another volume, whose writer is gone. */
const OTHERS_PACK = bit(packOf(0, 0))

/** The protocol of writers, readers, forkers and collectors over one store, as a model to explore. */
export function protocol(bounds: Bounds, bad: readonly BadRule[] = []): Model<State> {
  const setting: Setting = { bounds, bad: new Set(bad) }
  checkBounds(setting)
  return {
    initial: initial(setting),
    steps(s, emit) {
      for (let id = 0; id < s.writers.length; id++) writerSteps(setting, s, id, emit)
      if (bounds.forks) forkerSteps(setting, s, emit)
      for (let id = 0; id < s.collectors.length; id++) collectorSteps(setting, s, id, emit)
      if (bounds.reads) readerSteps(setting, s, emit)
      if (bounds.merges === true) moverSteps(setting, s, emit)
      if (bounds.views === true) viewerSteps(s, emit)
    },
    encode,
    violation: s => violation(setting, s),
    stuck: s => stuck(bounds, s),
  }
}

/** The masks and lists of a state have room for so much. */
function checkBounds(setting: Setting): void {
  const { bounds } = setting
  const crashed = bounds.start === 'crashed'
  const fits =
    (crashed ? 0 : 1) + bounds.commits + bounds.folds <= packsPerEpoch &&
    bounds.writers + (crashed ? 1 : 0) < epochs &&
    firstCopy + bounds.collectors * bounds.rounds < packLimit &&
    3 + bounds.writers * (1 + bounds.commits) <= logLimit
  if (!fits) throw new RangeError('these bounds do not fit the state')
}

/** A volume whose first writer has published one tree (pack 1.0); after a crash also two commits that are only in the log. */
function initial(setting: Setting): State {
  const { bounds } = setting
  const crashed = bounds.start === 'crashed'
  const log: State['log'] = new Array(logSlots(setting)).fill(undefined)
  const base = setting.bad.has('log numbers per epoch') ? log.length / 4 : 0
  let filled = withAt(log, base, { by: 9, epoch: 1, commit: -1, packs: 0, mark: 0 })
  let packs = bit(packOf(1, 0))
  let acked = 0
  for (let n = 1; crashed && n <= 2; n++) {
    filled = withAt(filled, base + n, { by: 9, epoch: 1, commit: commitOf(1, n), packs: bit(packOf(1, n)), mark: n + 1 })
    packs |= bit(packOf(1, n))
    acked |= bit(commitOf(1, n))
  }
  const closed: Writer = {
    ...{ step: 'closed', epoch: 0, seen: 0, ended: false, next: 0, nextPack: 0, known: 0, refs: 0, commit: 'idle', commitPack: 0, commits: 0 },
    ...{ commitsLeft: bounds.commits, fold: 'idle', foldPack: 0, foldUpTo: 0, foldKnown: 0, foldRefs: 0, foldsLeft: bounds.folds },
  }
  const open: Writer = { ...closed, step: 'open', epoch: 1, seen: 1, next: 1, nextPack: 1 }
  const collector: Collector = {
    ...{ step: 'idle', roundsLeft: bounds.rounds, epoch: 0, listing: 0, old: 0, seen: 0, watermark: 0, fenced: 0 },
    ...{ marks: [0, 0, 0, 0], refs: 0, garbage: 0, from: 0, to: 0, copies: 0, moved: unmoved, pinsSeen: 0 },
  }
  return {
    head: { version: 1, by: crashed ? 9 : 0, epoch: 1, fenced: 1, watermark: 1, folded: 0, packs: bit(packOf(1, 0)), mark: 1, markEpoch: 1, open: true },
    log: filled,
    packs: bounds.merges === true ? packs | OTHERS_PACK : packs,
    pin: undefined,
    taking: undefined,
    other: bounds.merges === true ? OTHERS_PACK : undefined,
    hold: 0,
    fork: undefined,
    gc: { epoch: 0, moved: unmoved },
    writers: Array.from({ length: bounds.writers }, (_, id) => (id === 0 && !crashed ? open : closed)),
    mover: { step: 'pin', packs: 0 },
    viewer: { step: 'idle', packs: 0 },
    forker: { step: 'start', seen: 0, watermark: 0, packs: 0 },
    collectors: Array.from({ length: bounds.collectors }, () => collector),
    reader: { step: 'idle', seen: 0, watermark: 0, refs: 0, commits: 0, must: 0 },
    losable: bounds.lost,
    acked,
    winners: new Array<number>(log.length).fill(0),
    wrong: '',
  }
}

function violation(setting: Setting, s: State): string | undefined {
  if (s.wrong !== '') return s.wrong
  const records = chain(setting, s, s.head.watermark)
  if ((s.acked & ~(s.head.folded | commitsIn(records))) !== 0) return 'an acknowledged commit is not in the history'
  if (s.winners.includes(twoWinners)) return 'two winners for one log number'
  const refs = s.head.packs | packsIn(records)
  const lost = missing(s, refs)
  if (lost !== 0) return `the volume needs ${nameAll(lost)}, which is gone`
  if (s.other !== undefined && missing(s, s.other) !== 0) return 'the other volume needs a pack, which is gone'
  if (s.fork?.state === 'ready') {
    const lostByFork = missing(s, s.fork.packs)
    if (lostByFork !== 0) return `the fork needs ${nameAll(lostByFork)}, which is gone`
  }
  return uncollectable(s, refs, setting.bounds.joined === true)
}

/**
 * If all stopped now, pins expired and a new writer opened, would one collector, alone, leave exactly what is needed?
 * A fork that is ready is needed, one in the making is not.
 */
function uncollectable(s: State, volumeRefs: number, joined: boolean): string | undefined {
  const refs = volumeRefs | (s.fork?.state === 'ready' ? s.fork.packs : 0) | (s.other ?? 0)
  const { packs: garbage } = garbageOf({ joined, listing: s.packs, refs, fenced: s.head.epoch + 1, marks: [0, 0, 0, 0], moved: s.gc.moved })
  const left = s.packs & ~garbage
  const needed = objectsOf(resolve(refs, s.gc.moved), joined) & (joined ? s.packs : -1)
  return left === needed ? undefined : `a last collection leaves ${nameAll(left)} where ${nameAll(needed)} is needed`
}

/** When nobody has a step left, everybody must have come to an end of his own. */
function stuck(bounds: Bounds, s: State): string | undefined {
  const ends: boolean[] = [
    ...s.writers.map(w => w.step === 'stopped' || (w.step === 'open' && w.commitsLeft === 0 && w.foldsLeft === 0)),
    ...s.collectors.map(c => c.step === 'idle' && c.roundsLeft === 0),
    !bounds.forks || s.forker.step === 'done' || s.forker.step === 'failed',
    !bounds.reads || s.reader.step === 'done',
    bounds.merges !== true || s.mover.step === 'done',
    bounds.views !== true || s.viewer.step === 'done',
  ]
  return ends.every(Boolean) ? undefined : 'a process cannot go on'
}
