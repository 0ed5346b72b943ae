/** What a collection says. JSON-safe; sizes in bytes as stored, segment headers included. */
export interface GcReport {
  store: string
  dryRun: boolean
  atMs: number
  durationMs: number
  /** Another collection began meanwhile: nothing was moved, and what is garbage still is the other's. */
  superseded: boolean
  /** Bytes of packs before, of those that are gone or would be, and of those that are there afterwards. */
  storeBytes: number
  freedBytes: number
  keptBytes: number
  /** Of the kept ones, bytes that something needs, and those that nothing needs but that are not worth, or not safe, to take away yet. */
  liveBytes: number
  deadBytes: number
  packs: GcPacks
  segments: number
  /** Volumes removed for good: their time as deleted ones was over. */
  erased: string[]
  /** What holds how much: newest volume states first, then history from new to old. */
  volumes: VolumeUsage[]
  /** What several volumes hold together, counted once. */
  shared: { liveBytes: number; historyBytes: number }
  /** Packs that were to be rewritten and could not be, and why; they are kept. */
  problems: Array<{ pack: string; problem: string }>
}

export interface GcPacks {
  before: number
  deleted: number
  rewritten: number
  written: number
  kept: number
  /** Without anything live, kept because their writer may still name them. */
  waiting: number
}

/** What one volume holds, as of a collection. */
export interface VolumeUsage {
  name: string
  id: string
  /** Deleted, and can be brought back until its time is over. */
  deletedMs?: number
  /** Bytes of all that its present state needs. */
  liveBytes: number
  /** Of these, what other volumes need too. */
  sharedBytes: number
  /** Bytes that this volume alone holds: what deleting it would free. */
  ownBytes: number
  /** Of these, what only its history holds: commits and versions. */
  historyBytes: number
  /** For each checkpoint what nothing newer holds, newest first. */
  checkpoints: Array<{ name: string; id: string; timeMs: number; bytes: number }>
  /** The same for the commits without a name, together. */
  commits: { count: number; bytes: number }
  versions: { bytes: number }
}

/** What `cairn stats` says: the volumes as of the last collection. */
export interface StatsReport {
  store: string
  /** When that was; undefined when there was none yet. */
  atMs?: number
  liveBytes: number
  shared: { liveBytes: number; historyBytes: number }
  volumes: VolumeUsage[]
}

/** Where a collection stands. */
export interface GcProgress {
  step: 'reading' | 'marking' | 'copying' | 'deleting'
  /** Volumes, segments or packs, by the step. */
  done: number
  total?: number
}
