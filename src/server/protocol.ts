/** What the processes and threads of one server tell each other. */
import type { Change } from '../volume/api.js'
import type { StoredPolicy } from '../volume/policy-record.js'

/** A mount as lists show it. JSON-safe. */
export interface MountInfo {
  name: string
  mountpoint: string
  readOnly: boolean
  durability?: 'remote'
  sub?: string
  /** Nobody serves it any more: unmount it, or mount it again. */
  stale?: boolean
}

export interface MountOptions {
  name: string
  /** A directory of the volume to show as the root; default the whole. */
  sub?: string
  path: string
  readOnly?: boolean
  /** Let other users of this machine in. */
  allowOther?: boolean
  /** Take it from a host whose lease has run out; with `force` also from one whose lease has not. */
  steal?: boolean
  force?: boolean
  /** What the cache of its store takes on the disk from now on, in bytes or as `10G`. Not for a volume of the home's own store. */
  cacheSize?: number | string
  /** Who changes through it, as commits say; default the actor of this `Cairn`. */
  actor?: string
  /** Why, as the audit chain says; default that of this `Cairn`. */
  reason?: string
  /** `remote`: fsync returns when it is in the store, which hosts share. Default that of this `Cairn`, else `local`: on this host's disk. */
  durability?: 'local' | 'remote'
}

/**
 * What a view does not show, and what cannot be changed through it. Globs of paths in the volume: one without a slash means a name anywhere, one with
 * a slash is read from the root of the volume. A glob that matches a directory holds for all below it. Of several that hold, the strictest counts.
 */
export interface ViewRules {
  /** As if it were not there: ENOENT, in no listing, and not in the past below `.cairn` either. Nothing can be made under such a name (EACCES). */
  hidden?: readonly string[]
  /** Every change fails with EROFS. */
  readOnly?: readonly string[]
  /** When given, all else is read-only; an empty list means all. */
  writable?: readonly string[]
}

/** A mount of a volume beside others, for one program: with rules, and an actor of its own. JSON-safe. */
export interface ViewOptions {
  rules?: ViewRules
  /** Who changes through it, as commits and versions say. */
  actor?: string
  /** Id of the run that changes through it: its commits are of kind `exec` and say so, and `changes` tells just these. */
  exec?: string
  readOnly?: boolean
  /** `.cairn/control` is there; without it, it is not. */
  control?: boolean
}

/** A view that is there. */
export interface ViewInfo {
  id: number
  /** An absolute path in a folder that only this user may enter. */
  mountpoint: string
  readOnly: boolean
  /** The namespace of mounts in which it is there, where that is known: whoever is in it sees it. */
  namespace?: string
  /** Shown by whoever claims the view for another connection, after the server was started again. */
  secret: string
}

/** A view for one run of a command, and what must be so for it. JSON-safe. */
export interface BeginRunOptions extends ViewOptions {
  exec: string
  /** What commits of what it changes say. */
  message: string
  /** What no commit has yet gets one before. */
  checkpoint: boolean
  /** Revision of the policy that it was judged by; empty: the volume had none. */
  policy: string
}

/** A run whose command may be started; or the policy that is in force instead of the one that it was judged by, and nothing was done. */
export type BegunRun = RunInfo | { policy: StoredPolicy | null }

export interface RunInfo extends ViewInfo {
  /** The commit before it. */
  before?: string
  /** Mounts that may hold back what others wrote: whoever asks syncs them, and calls `startRun`, which says `before`. */
  settle?: string[]
}

/** What a run changed, recorded; or its mount may hold something back: whoever asks syncs it, and asks again. */
export type EndedRun = { changes: Change[]; after?: string; quotaReached?: true } | { sync: true }

/** A view as lists show it. */
export interface ViewStatus extends MountInfo {
  id: number
  actor?: string
}

export interface ServerStatus {
  running: boolean
  /** It was killed, and its supervisor starts it again: mounts answer when it is there. */
  restarting?: boolean
  pid?: number
  supervisorPid?: number
  sinceMs?: number
  version?: string
  mounts: MountInfo[]
  /** Mounts for one program each; absent: none. */
  views?: ViewStatus[]
  /** Names of volumes open in the server. */
  open: string[]
}

/** All that a new server needs to go on serving a mount whose descriptor it is given. JSON-safe. */
export interface MountRecord {
  /** Unique within the home while the mount lives; part of the ids of requests that must not run twice. */
  id: number
  /** Never the name, which can change while it is mounted. */
  volumeId: string
  /** Inode of the directory that is shown as the root. */
  rootIno: number
  mountpoint: string
  readOnly: boolean
  allowOther: boolean
  /** Who changes through it, as commits say. */
  actor?: string
  reason?: string
  durability?: 'remote'
  sub?: string
  /** It is a view: its rules, the run that it belongs to, whether `.cairn/control` is there, what proves whose it is, and the last commit before it. */
  view?: { rules?: ViewRules; exec?: string; message?: string; control?: boolean; secret: string; before?: string }
  /** What the kernel and the first server agreed on; absent until then. */
  negotiated?: unknown
}

/** Supervisor to server, one JSON object per line. */
export type ToServer =
  /** First line: the mounts whose descriptors stand from `FIRST_MOUNT_FD` on, in this order. */
  | { resume: MountRecord[]; supervisorPid: number }
  /** Unmount everything and end. */
  | { stop: true }

/** Server to supervisor. */
export type ToSupervisor =
  /** Its descriptor was sent over the descriptor socket before. */
  | { hold: MountRecord }
  | { update: MountRecord }
  | { drop: number }
  | { ready: true }
  /** The end of the server is intended. */
  | { bye: true }

/** Descriptors that the server inherits. */
export const CONTROL_FD = 3
export const PASSING_FD = 4
/** Descriptor 5 is held open only: the lock of the home lives as long as one of the two processes. */
export const FIRST_MOUNT_FD = 6

/** Exit codes of the supervisor. */
export const EXIT_LOCKED = 3
