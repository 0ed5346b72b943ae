import type { Backend } from '../node/index.js'

/** Something open in a volume, whose files `backend` reaches: the volume itself, or a transaction in it. */
export interface Opened {
  backend: Backend
  /** A transaction in it. `commit` throws ERR_CONFLICT; `close` without it leaves no trace. */
  begin(): Promise<Opened & { commit(): Promise<void> }>
  close(): Promise<void>
}

/** Where volumes are: in this process, or in the server. */
export interface Host {
  readonly isServer: boolean
  /** The methods of `server/engine-host.ts`, by name. */
  call(method: string, ...args: unknown[]): Promise<unknown>
  open(name: string, ref?: string): Promise<Opened>
  close(): Promise<void>
}
