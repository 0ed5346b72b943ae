import type { StoreLocation } from '../store/url.js'
import type { BTree } from '../tree/index.js'
import type { NewCommit, PreparedCommit } from './history.js'
import type { Session } from './session.js'
import type { TreeChanges } from './tree-changes.js'

/** A volume as lists show it. JSON-safe. */
export interface VolumeInfo {
  name: string
  /** 16 hex digits; never used again. */
  id: string
  /** How the store is named: `dev` for the directory store of this CAIRN_HOME, else its address. */
  store: string
  createdMs: number
  /** The volume and ref it was forked from. */
  parent?: { volume: string; id: string; commit: string }
  deletedMs?: number
  /** Its head or name cannot be read: what is damaged. The fields beside name and store are empty then. */
  problem?: string
}

export type CommitKind = 'auto' | 'checkpoint' | 'exec' | 'merge' | 'restore' | 'undo'

export interface CommitInfo {
  /** 26 characters, time-ordered. */
  id: string
  parents: string[]
  kind: CommitKind
  /** Checkpoint name, when it has one. */
  name?: string
  message?: string
  actor?: string
  /** Of kind `exec`: id of the run that made the changes. */
  exec?: string
  timeMs: number
  inodes: number
  bytes: number
}

/** How two states differ at one path: in the state before for `deleted`, in the one after for all others. */
export interface Change {
  /** `mode`: permissions, owner or flags. A renamed directory is one change; what changed in it stands under its new path. */
  kind: 'created' | 'modified' | 'deleted' | 'renamed' | 'mode' | 'xattr'
  path: string
  /** For `renamed`: the path before. */
  from?: string
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Of files and symbolic links. */
  sizeBefore?: number
  sizeAfter?: number
  /** What changed beside `kind`: the content of a renamed file, the mode of a modified one. */
  also?: Array<'modified' | 'mode' | 'xattr'>
  /** Another file took the name, as editors save: other names of the file before do not see the change. */
  replaced?: true
  /** With the bits of the type, where they differ. */
  modeBefore?: number
  modeAfter?: number
}

/** A version of a file: one state of it. JSON-safe. */
export interface VersionInfo {
  /** From 1 on along the history of the path; stays the same when others are pruned. */
  number: number
  /** How it ended: changed in place; another file took its name; deleted; renamed away; this name deleted while others remained. */
  ended: 'current' | 'modified' | 'replaced' | 'deleted' | 'renamed' | 'unlinked'
  /** When its content was written last, as the file says; milliseconds since the epoch. */
  modifiedMs: number
  /** When it ended; absent for the current one. */
  endedMs?: number
  size: number
  /** Permission bits. */
  mode: number
  type: 'file' | 'directory' | 'symlink' | 'other'
  ino: number
  /** Who wrote it, where that is known: who ended the version before; of a first one the actor of the commit that has it. */
  writtenBy?: string
  /** Who ended it, where that is known. */
  endedBy?: string
  renamedTo?: string
}

export interface VolumeStatus extends VolumeInfo {
  epoch: number
  inodes: number
  bytes: number
  /** Acknowledged bytes in the journal that are not sealed into packs. */
  unsealedBytes: number
  lastSealMs?: number
  pageCacheBytes: number
  overlayBytes: number
  /** Of a store that other hosts reach too. */
  remote?: RemoteStatus
  /** A merge whose conflicts wait to be resolved. */
  merge?: { operation: 'merge' | 'rebase'; other: string; conflicts: number }
}

/** How a volume stands to its store, where other hosts reach that too. */
export interface RemoteStatus {
  /** `remote`: commits that are waited for are in the store when they are acknowledged. */
  durability: 'local' | 'remote'
  /** Acknowledged bytes that are on this host only. */
  unpublishedBytes: number
  /** How many may be, of a volume that is open: beyond it changes fail with ENOSPC. */
  maxUnpublishedBytes?: number
  /** They do. */
  isFull?: true
  lastPublishMs?: number
  /** Of a reader: when what it shows was last known to be the newest. */
  refreshedMs?: number
  /** Who writes it; missing when nobody does, or when that is not known because the store cannot be reached. */
  lease?: { holder: string; sinceMs: number; untilMs: number }
  /** This host writes it. */
  isWriter: boolean
  /** Why the store was not reached, or nothing published, the last time. */
  problem?: string
  /** All that the store holds is encrypted. */
  encrypted?: true
  /** Work of this host that another one overtook: what `cairn recover` makes forks of. */
  setAside: number
  /** All zeros where the store answers at once, and nothing is cached. */
  cache: { bytes: number; maxBytes: number; hits: number; misses: number }
}

/** What a check of a store that can be used found. */
export interface StoreCheck {
  /** Its address; `dev` for the home's own. */
  store: string
  /** Median time of one small request. */
  roundTripMs: number
}

/** A volume of which something that was acknowledged is on this host only. */
export interface Unpublished {
  name: string
  /** Why, where that is known. */
  problem?: string
}

export interface Finding {
  severity: 'error' | 'warning'
  object: string
  problem: string
}

export interface FsckReport {
  ok: boolean
  pages: number
  blocks: number
  inodes: number
  packs: number
  bytes: number
  /** Packs of this volume that it does not reach: forks need them, or they are garbage, which `cairn gc` tells and takes away. */
  unreached: { packs: number; bytes: number }
  findings: Finding[]
  /** Of a check of what is stored elsewhere: the objects that something was found about. */
  stored?: StoredDamage[]
}

/** An object of a store elsewhere that a volume needs and that is not as it should be. */
export interface StoredDamage {
  object: string
  problem: 'missing' | 'damaged'
  /** Where this host has all of it, as it should be. */
  here?: 'outbox' | 'cache'
  /** It was stored again. */
  repaired?: true
}

/** An open volume: one writer in one process. Synchronous; made by `Engine.openVolume`. */
export interface VolumeApi {
  readonly info: VolumeInfo
  readonly session: Session
  /** The state at a ref (checkpoint name, `~n`, commit id prefix, time), read-only. @throws CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS */
  at(ref: string): Session
  /** A private optimistic copy: reads its own writes; `commitTransaction` validates and applies it at once. */
  begin(): TransactionSession
  /**
   * Applies a transaction and records a commit of it in the same batch; what changed before it gets a commit of its own. Undefined when it changed nothing.
   * @throws CairnError ERR_CONFLICT, and nothing is changed; a POSIX error of the disk
   */
  commitTransaction(transaction: TransactionSession, options?: { message?: string; actor?: string }): CommitInfo | undefined
  checkpoint(name?: string, options?: { message?: string; actor?: string }): CommitInfo
  deleteCheckpoint(name: string): void
  /** Newest first. */
  commits(options?: { limit?: number; checkpointsOnly?: boolean }): CommitInfo[]
  /** Everything acknowledged is sealed, synced and named by the head when it returns. */
  flush(): { bytes: number }
  status(): VolumeStatus
  fsck(): FsckReport
  close(): void
}

export interface TransactionSession extends Session {
  /** 0, or throws CairnError ERR_CONFLICT (`retry: 'reopen'`: begin again) and nothing is changed. */
  commitTransaction(record?: (after: Pick<NewCommit, 'inodes' | 'bytes' | 'nextIno'>) => PreparedCommit): number
  /** See `TransactionLive.edit`. */
  edit(change: (tree: BTree) => void): TreeChanges
  abort(): void
}

/** The volumes of one CAIRN_HOME. Synchronous. */
export interface EngineApi {
  readonly home: string
  /** @throws CairnError ERR_VOLUME_EXISTS, ERR_VOLUME_NAME */
  create(name: string, options?: { store?: StoreLocation }): VolumeInfo
  volumes(options?: { deleted?: boolean }): VolumeInfo[]
  /** @throws CairnError ERR_VOLUME_UNKNOWN */
  info(name: string): VolumeInfo
  /**
   * Opens, replays the journal if there is one, and locks the volume for this process; counted: the last `close` lets go.
   * @throws CairnError ERR_VOLUME_BUSY when another process has it, naming its pid
   */
  openVolume(name: string): VolumeApi
  /** The open volumes. */
  open(): VolumeApi[]
  /**
   * What is known of a volume without opening it: where it is open here its state now, else what its head says, which is its
   * last seal, and the size of the journal behind that.
   * @throws CairnError ERR_VOLUME_UNKNOWN
   */
  statusOf(name: string): VolumeStatus & { open: 'here' | 'elsewhere' | 'no' }
  rename(from: string, to: string): VolumeInfo
  /** Keeps the data for 7 days, unless `now`. */
  remove(name: string, options?: { now?: boolean }): void
  undelete(name: string): VolumeInfo
  fork(source: string, ref: string | undefined, name: string): VolumeInfo
  diff(a: { volume: string; ref?: string }, b: { volume: string; ref?: string }): Iterable<Change>
  /**
   * Background work (sealing slices, the 1 s sync, folding) for at most `budgetMs`. Returns when it next wants to be called:
   * 0 at once, a number of milliseconds, or Infinity.
   */
  pump(budgetMs: number): number
  /** Seals and closes all. */
  close(): void
}
