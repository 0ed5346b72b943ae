/**
 * What the model knows: the objects of a store, and what each process remembers. Every value is immutable, a step makes a new one.
 * Sets of packs and of commits are bit masks.
 */
export interface State {
  readonly head: Head
  readonly log: readonly (LogRecord | undefined)[]
  /** The packs that the store holds. */
  readonly packs: number
  /** `pins/<fork>`: the packs that a fork in the making needs; undefined when there is none. */
  readonly pin: number | undefined
  /** The pin of what writer 1 takes from the other volume, and whether that is in its log. */
  readonly taking: { readonly packs: number; readonly done: boolean } | undefined
  /** What the other volume names; undefined without one. */
  readonly other: number | undefined
  /** What the process of writer 1 has written down of its open view. */
  readonly hold: number
  /** The head of the fork. */
  readonly fork: ForkHead | undefined
  /** The store's gc record. */
  readonly gc: GcRecord
  readonly writers: readonly Writer[]
  readonly forker: Forker
  readonly mover: Mover
  readonly viewer: Viewer
  readonly collectors: readonly Collector[]
  readonly reader: Reader
  /** Answers that may still get lost. */
  readonly losable: number
  /** Commits whose writer was told that they are durable. */
  readonly acked: number
  /** Which commit, or fence, a writer was told had won each log number: commit + 1, or -epoch. */
  readonly winners: readonly number[]
  /** Something a process saw that must not be. */
  readonly wrong: string
}

export interface Head {
  /** Never repeats; stands for sequence and nonce. */
  readonly version: number
  /** The writer of this version: the nonce that a lost answer is decided by. */
  readonly by: number
  readonly epoch: number
  /** Epochs below this one can commit nothing more: the fence of this one stands in the log. */
  readonly fenced: number
  /** Log numbers below this are folded. */
  readonly watermark: number
  readonly folded: number
  /** All that the tree of the folded commits needs. */
  readonly packs: number
  /** Packs of epoch `markEpoch` with a number below `mark` are settled: referenced by now, or never. */
  readonly mark: number
  readonly markEpoch: number
  /** The log may be written to: by the writer of this epoch, or by earlier ones. */
  readonly open: boolean
}

export interface LogRecord {
  readonly by: number
  readonly epoch: number
  /** -1 for a fence. */
  readonly commit: number
  readonly packs: number
  readonly mark: number
}

export interface ForkHead {
  readonly state: 'pending' | 'ready' | 'void'
  readonly packs: number
}

export interface GcRecord {
  /** Raised by each round of a collector, so that a stalled one cannot change the record. */
  readonly epoch: number
  /** Relocation index: where the content of a pack stands now; 0 when it did not move. */
  readonly moved: readonly number[]
}

export const writerSteps = ['closed', 'claim', 'claim?', 'fence', 'confirm', 'confirm?', 'open', 'stopped'] as const
export const commitSteps = ['idle', 'create'] as const
export const foldSteps = ['idle', 'publish', 'publish?', 'late pack', 'trim'] as const
export const forkerSteps = ['start', 'log', 'pin', 'source again', 'create', 'pin again', 'confirm', 'undo', 'done', 'failed'] as const
export const moverSteps = ['pin', 'read', 'commit', 'finish', 'done'] as const
export const viewerSteps = ['idle', 'open', 'moved', 'done'] as const
export const collectorSteps = [
  'idle',
  'head',
  'log',
  'head again',
  'holds',
  'other',
  'pins',
  'forks',
  'claim',
  'unindex',
  'sweep',
  'copy',
  'index',
  'drop',
] as const
export const readerSteps = ['idle', 'log', 'head again', 'packs', 'moved', 'missing', 'done'] as const

/** A writer that opens, commits through the log and, on a second thread, folds. One that stalls or crashes just takes no step. */
export interface Writer {
  readonly step: (typeof writerSteps)[number]
  readonly epoch: number
  /** Version of the head that its next compare-and-swap expects. */
  readonly seen: number
  /** The writer before it had ended its log. */
  readonly ended: boolean
  /** The log number it will try next. */
  readonly next: number
  /** Number of its next pack. */
  readonly nextPack: number
  /** Commits of its history. */
  readonly known: number
  /** Packs of commits that are not folded. */
  readonly refs: number
  readonly commit: (typeof commitSteps)[number]
  readonly commitPack: number
  readonly commitsLeft: number
  readonly commits: number
  readonly fold: (typeof foldSteps)[number]
  readonly foldPack: number
  readonly foldUpTo: number
  readonly foldKnown: number
  readonly foldRefs: number
  readonly foldsLeft: number
}

export interface Forker {
  readonly step: (typeof forkerSteps)[number]
  readonly seen: number
  readonly watermark: number
  readonly packs: number
}

/** Takes over what another volume names, as a merge does: part of writer 1. */
export interface Mover {
  readonly step: (typeof moverSteps)[number]
  readonly packs: number
}

/** Reads what the head named when it began, whatever the head names later: in the process of writer 1. */
export interface Viewer {
  readonly step: (typeof viewerSteps)[number]
  /** What it has yet to read. */
  readonly packs: number
}

export interface Collector {
  readonly step: (typeof collectorSteps)[number]
  readonly roundsLeft: number
  readonly epoch: number
  readonly listing: number
  /** The listing of the round before: these packs have seen a grace period pass. */
  readonly old: number
  readonly seen: number
  readonly watermark: number
  readonly fenced: number
  /** Per epoch. */
  readonly marks: readonly number[]
  readonly refs: number
  readonly garbage: number
  readonly from: number
  readonly to: number
  readonly copies: number
  /** Pins that were there, and done, when it began: 1 the fork's, 2 the mover's. */
  readonly pinsSeen: number
  readonly moved: readonly number[]
}

export interface Reader {
  readonly step: (typeof readerSteps)[number]
  readonly seen: number
  readonly watermark: number
  readonly refs: number
  readonly commits: number
  /** What was acknowledged before it read the head. */
  readonly must: number
}

export const packsPerEpoch = 5
export const epochs = 4
/** Packs that collectors write come after those of writers. */
export const firstCopy = packsPerEpoch * epochs
/** Masks have 32 bits, and the sign is in the way. */
export const packLimit = 31

export const packOf = (epoch: number, sequence: number): number => epoch * packsPerEpoch + sequence
/** A collector copies one pack per round. */
export const copyOf = (gcEpoch: number): number => firstCopy + gcEpoch
export const bit = (n: number): number => 1 << n
export const commitOf = (epoch: number, sequence: number): number => epoch * 4 + sequence

/** The packs that are one object with this one. */
export function objectOf(pack: number, joined: boolean): number {
  const number = pack % packsPerEpoch
  if (!joined || pack >= firstCopy || number === 0) return bit(pack)
  const first = pack - number + (number <= 2 ? 1 : 3)
  return bit(first) | bit(first + 1)
}

/** All that lies in objects with one of these packs. */
export function objectsOf(packs: number, joined: boolean): number {
  let all = 0
  for (const pack of members(packs)) all |= objectOf(pack, joined)
  return all
}

export function* members(set: number): Generator<number> {
  for (let n = 0; set >>> n !== 0 && n < 32; n++) if ((set & bit(n)) !== 0) yield n
}

/** The relocation index as long as nothing has moved. */
export const unmoved: readonly number[] = new Array<number>(packLimit).fill(0)

/** Where the content of these packs stands, by the relocation index. */
export function resolve(packs: number, moved: readonly number[]): number {
  let found = 0
  if (moved === unmoved) return packs
  for (const pack of members(packs)) found |= bit(moved[pack] || pack)
  return found
}

/** Those of the packs that are neither there nor elsewhere. */
export function missing(state: State, packs: number): number {
  let lost = 0
  if ((packs & ~state.packs) === 0) return 0
  for (const pack of members(packs & ~state.packs)) {
    const to = state.gc.moved[pack]
    if (to === 0 || (state.packs & bit(to)) === 0) lost |= bit(pack)
  }
  return lost
}

/** The next values of one element of a list. */
export function withAt<T>(list: readonly T[], at: number, value: T): T[] {
  const copy = list.slice()
  copy[at] = value
  return copy
}
