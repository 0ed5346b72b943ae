/** What the processes and threads of one server tell each other. */

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
  /** `remote`: fsync returns when it is in the store, which hosts share. Default that of this `Cairn`, else `local`: on this host's disk. */
  durability?: 'local' | 'remote'
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
  durability?: 'remote'
  sub?: string
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
