import type { Change, CommitInfo, FsckReport, VolumeInfo, VolumeStatus } from '../volume/api.js'

export interface CairnOptions {
  /** Default: CAIRN_HOME, else `~/.cairn`. */
  home?: string
  /** `auto` (default): the server where one runs or the volume is mounted, else in process. */
  via?: 'auto' | 'server' | 'process'
}

export interface MountOptions {
  name: string
  /** A directory of the volume to show as the root; default the whole. */
  sub?: string
  path: string
  readOnly?: boolean
  /** Let other users of this machine in. */
  allowOther?: boolean
}

export interface MountInfo {
  name: string
  mountpoint: string
  readOnly: boolean
  sub?: string
}

export interface ServerStatus {
  running: boolean
  pid?: number
  supervisorPid?: number
  sinceMs?: number
  version?: string
  mounts: MountInfo[]
  /** Names of volumes open in the server. */
  open: string[]
}

export interface StatusReport {
  home: string
  server: ServerStatus
  volumes: Array<VolumeStatus & { mounts: MountInfo[]; servedBy: 'server' | 'process' | 'nobody' }>
}

export interface Check {
  name: string
  ok: boolean
  /** `warning` does not make doctor fail. */
  severity: 'error' | 'warning'
  detail: string
  fix?: string
}

export interface DoctorReport {
  ok: boolean
  storageBackend: { found: boolean; detail: string; fix?: string }
  mountSupport: { found: boolean; detail: string; fix?: string }
  checks: Check[]
  /** Commands that `--install` ran. */
  ran?: string[]
}

/** What the CLI drives. The class `Cairn` in `sdk/cairn.ts` implements it. */
export interface CairnApi {
  readonly home: string
  createVolume(options: { name: string; dev?: boolean; store?: string }): Promise<VolumeInfo>
  /** Creates it or finds it. */
  ensureVolume(options: { name: string; dev?: boolean; store?: string }): Promise<VolumeInfo & { created: boolean }>
  volumes(options?: { deleted?: boolean }): Promise<VolumeInfo[]>
  renameVolume(from: string, to: string): Promise<VolumeInfo>
  deleteVolume(name: string, options?: { now?: boolean }): Promise<void>
  undeleteVolume(name: string): Promise<VolumeInfo>
  mount(options: MountOptions): Promise<MountInfo>
  /** By volume name or mount path. Flushes first. Not mounted is no error: returns false. */
  unmount(target: string, options?: { force?: boolean }): Promise<boolean>
  flush(name: string): Promise<{ bytes: number }>
  status(name?: string): Promise<StatusReport>
  fork(source: string, ref: string | undefined, name: string): Promise<VolumeInfo>
  checkpoint(name: string, checkpoint?: string, options?: { message?: string }): Promise<CommitInfo>
  checkpoints(name: string): Promise<CommitInfo[]>
  deleteCheckpoint(name: string, checkpoint: string): Promise<void>
  diff(a: { volume: string; ref?: string }, b: { volume: string; ref?: string }): Promise<Change[]>
  fsck(name: string): Promise<FsckReport>
  /** A volume with the whole of node:fs/promises. `ref`: read-only, at that state. */
  open(name: string, options?: { ref?: string }): Promise<OpenVolume>
  close(): Promise<void>
}

/** The type of `node/` is filled in there; the CLI needs `fs.promises` and `close`. */
export interface OpenVolume {
  readonly name: string
  readonly fs: { promises: typeof import('node:fs/promises') & Record<string, unknown> }
  close(): Promise<void>
}
