/** Rules that look reasonable and are wrong. None of them is in the protocol; each can be switched on to see how it fails. */
export const badRules = [
  // Known before the model was written.
  'age-only deletion',
  'log numbers per epoch',
  'fences deleted with the log',
  'fork does not read its pin again',
  'repack deletes the old pack before the index is referenced',
  'head published before its packs',
  // Found by the model, each a step that an earlier draft of the protocol left out.
  'open without confirming the epoch after the fence',
  'epoch in the head taken for a fence',
  'watermark ignores packs in flight',
  'collector does not read the head again after the log',
  'reader does not read the head again after the log',
  'collector reads pins before the heads',
  'collector reads pins after the forks',
  'fork does not read its source again after pinning',
  'pending fork not counted as a root',
  // Found with the local volumes: merges, open views of the past, packs that hold more than one thing.
  'mover deletes its pin when it is done',
  'mover reads its source before it pins',
  'collector reads pins before the other volumes',
  'held states written down after the head',
  'collector reads held states before the head',
  'repack of a pack that is not settled',
  'collector does not read the gc record again after the last read',
  // Found with writers that end their logs.
  'an ended log opened without saying so',
] as const

export type BadRule = (typeof badRules)[number]

export interface Bounds {
  /** `open`: the first writer is open; `crashed`: a writer left two commits in the log and all have yet to open. */
  start: 'open' | 'crashed'
  writers: number
  commits: number
  folds: number
  forks: boolean
  reads: boolean
  collectors: number
  rounds: number
  /** Packs that a collector may rewrite. */
  repacks: number
  /** There is another volume, whose content writer 1 takes over, and which loses it then. */
  merges?: boolean
  /** Writer 1 has a view of what the head names open while it folds. */
  views?: boolean
  /** Writers end their logs when all is folded. */
  ends?: boolean
  /** Packs 1 and 2, and 3 and 4, of each epoch are one object: a seal publishes what a transaction has begun to write. */
  joined?: boolean
  /** Answers that may get lost, applied or not. */
  lost: number
}

/** What the steps of every process need to know. */
export interface Setting {
  readonly bounds: Bounds
  readonly bad: ReadonlySet<BadRule>
}
