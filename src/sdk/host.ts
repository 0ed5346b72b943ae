import type { Backend, BatchAnswer, BatchOp } from '../node/index.js'
import type { VersionPlace } from '../server/version-methods.js'
import type { CommitInfo } from '../volume/api.js'
import type { DurabilityLevel } from '../volume/lease.js'

/** Something open in a volume, whose files `backend` reaches: the volume itself, or a transaction in it. */
export interface Opened {
  backend: Backend
  /** A method of the engine that is about what is open, by name. */
  ask(method: string, ...args: unknown[]): Promise<unknown>
  /** A transaction in it. `commit` throws ERR_CONFLICT; `close` without it leaves no trace. */
  begin(): Promise<OpenedTransaction>
  close(): Promise<void>
}

export interface OpenedTransaction extends Opened {
  /** With `record` a commit of it is recorded, and returned unless nothing changed. */
  commit(record?: { message?: string; actor?: string }): Promise<CommitInfo | undefined>
  /** Runs the first of these operations, as many as take no long time, and answers them. @throws what the first of them threw */
  batch(ops: readonly BatchOp[]): Promise<BatchAnswer[]>
}

/** Of a session that may change something. */
export interface Why {
  reason?: string
  /** The command line that it is of. */
  argv?: string[]
}

/** Where volumes are: in this process, or in the server. */
export interface Host {
  readonly isServer: boolean
  /** The methods of `server/engine-host.ts`, by name. */
  call(method: string, ...args: unknown[]): Promise<unknown>
  /**
   * @param version only that file, in a root directory of its own
   * @param why what the audit chain says of it when it changes something
   * @param readOnly nothing is changed: the volume may be one that another host writes
   */
  open(name: string, ref?: string, actor?: string, version?: VersionPlace, readOnly?: boolean, durability?: DurabilityLevel, why?: Why): Promise<Opened>
  close(): Promise<unknown>
}
