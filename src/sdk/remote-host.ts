import { CairnError } from '../errors.js'
import { neverSent, type RpcClient } from '../http/rpc-client.js'
import type { Backend, BatchAnswer, OpArgs, OpName, OpResult } from '../node/index.js'
import type { CopyRest } from '../node/ops.js'
import type { VersionPlace } from '../server/version-methods.js'
import { credentialVariables } from '../store/environment.js'
import type { KeySource } from '../store/user-key.js'
import { limits } from '../sys/index.js'
import type { CommitInfo } from '../volume/api.js'
import type { DurabilityLevel } from '../volume/lease.js'
import { BlockingClient } from './blocking-client.js'
import type { Host, Opened, Why } from './host.js'
import { isAboutKey, keysToGive } from './keys.js'
import { readMethods } from './read-methods.js'
import { RemoteHandles } from './remote-handles.js'

/** Calls that change nothing, or nothing the second time: after a lost answer they are simply asked again. */
const reads: ReadonlySet<string> = new Set([
  ...readMethods,
  ...['caughtUp', 'claimView', 'viewChanges', 'closeView', 'beginRun', 'startRun', 'runEnded'],
  ...['access', 'getxattr', 'listxattr', 'lstat', 'readdir', 'readlink', 'realpath', 'stat', 'statfs', 'statIfExists', 'readFile'].map(name => `fs.${name}`),
])

/** Connects again to a server that was started again; undefined when none runs any more. */
export type Reconnect = () => Promise<RpcClient | undefined>

/** The volumes of a home in its server. Lives through a restart of the server, but for what was open in it. */
export class RemoteHost implements Host {
  readonly isServer = true
  #client: RpcClient
  readonly #reconnect: Reconnect
  #connecting: Promise<void> | undefined
  #now: BlockingClient | undefined
  readonly #keys: readonly KeySource[]
  readonly #watchers = new Set<() => void>()

  /** @param keys what a server is told that has no key of a store */
  constructor(client: RpcClient, reconnect: Reconnect, keys: readonly KeySource[] = []) {
    this.#client = client
    this.#reconnect = reconnect
    this.#keys = keys
    client.onLost = () => this.#onLost()
  }

  /** `lost` is called each time the server goes away. @returns ends that */
  watch(lost: () => void): () => void {
    this.#watchers.add(lost)
    return () => this.#watchers.delete(lost)
  }

  #onLost(): void {
    for (const lost of this.#watchers) lost()
  }

  /** As `call`, blocking this thread. It does not survive a restart of the server: the next asynchronous call finds the new one. */
  callNow(method: string, args: unknown[]): unknown {
    const session = this.#client.knownSession
    if (session === undefined) throw new CairnError('ERR_SERVER_LOST', 'The server was started again.', 'Open the volume again.', { retry: 'reopen' })
    if (this.#now?.session !== session) {
      this.#now?.close()
      this.#now = new BlockingClient(this.#client.socketPath, session)
    }
    return this.#now.call(method, args)
  }

  /** False when its server is gone for good. */
  async isAlive(): Promise<boolean> {
    try {
      await this.#client.session()
      return true
    } catch (error) {
      if (!neverSent(error)) throw error
      const client = await this.#reconnect()
      if (client !== undefined) this.#client = client
      if (client !== undefined) client.onLost = () => this.#onLost()
      return client !== undefined
    }
  }

  /** @throws what the server threw; CairnError ERR_SERVER_LOST when it went away before it answered */
  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const client = this.#client
    try {
      return await client.call(method, args)
    } catch (error) {
      if (isAboutKey(error) && this.#keys.length > 0) {
        await client.call('giveKeys', [keysToGive(this.#keys)])
        return client.call(method, args)
      }
      if ((error as CairnError).code === 'ERR_STORE_CREDENTIALS') {
        // The server was started in another environment, or long ago.
        await client.call('giveCredentials', [credentialVariables()])
        return client.call(method, args)
      }
      const repeatable = wasNotRun(error) || (reads.has(method) && (error as CairnError).code === 'ERR_SERVER_LOST')
      if (!repeatable) throw error
      await this.#again(error, client)
      return this.#client.call(method, args)
    }
  }

  /** Many calls fail at once when a server is killed: one of them connects, and none closes what another uses already. */
  async #again(error: unknown, failed: RpcClient): Promise<void> {
    if ((error as CairnError).code === 'ERR_SESSION_UNKNOWN' || this.#client !== failed) return
    this.#connecting ??= this.#connect(error).finally(() => {
      this.#connecting = undefined
    })
    await this.#connecting
  }

  async #connect(error: unknown): Promise<void> {
    const client = await this.#reconnect()
    if (client === undefined) {
      throw new CairnError('ERR_SERVER_LOST', 'The cairn server has ended.', 'Open the volume again.', { retry: 'reopen', cause: error })
    }
    this.#client.close()
    this.#client = client
    client.onLost = () => this.#onLost()
  }

  async open(name: string, ref?: string, actor?: string, version?: VersionPlace, readOnly?: boolean, durability?: DurabilityLevel, why?: Why): Promise<Opened> {
    const again = async () => (await this.call('open', name, ref, actor, version, readOnly, durability, why)) as number
    const target = new RemoteTarget(this, await again(), again)
    return this.#opened(target)
  }

  #opened(target: RemoteTarget): Opened {
    return {
      backend: target,
      ask: (method, ...args) => target.retargeted(id => this.call(method, id, ...args)),
      begin: async () => {
        const transaction = new RemoteTarget(this, (await target.retargeted(id => this.call('begin', id))) as number, undefined)
        return {
          ...this.#opened(transaction),
          commit: async record => (await this.call('commit', transaction.id, record)) as CommitInfo | undefined,
          batch: async ops => (await this.call('batch', transaction.id, ops)) as BatchAnswer[],
        }
      },
      close: () => target.close(),
    }
  }

  async close(): Promise<void> {
    this.#now?.close()
    this.#client.close()
  }
}

/** The server said so, or never heard of it. */
function wasNotRun(error: unknown): boolean {
  return neverSent(error) || (error instanceof CairnError && error.code === 'ERR_SESSION_UNKNOWN')
}

/** The files of one open volume, or transaction, in the server. */
class RemoteTarget implements Backend {
  readonly isLocal = false
  readonly transferBytes = limits.rpcChunkBytes
  id: number
  readonly #host: RemoteHost
  readonly #reopen: (() => Promise<number>) | undefined
  readonly #handles = new RemoteHandles()
  #reopening: Promise<number> | undefined

  /** @param reopen undefined where nothing could take its place: a transaction ends with its server */
  constructor(host: RemoteHost, id: number, reopen: (() => Promise<number>) | undefined) {
    this.#host = host
    this.id = id
    this.#reopen = reopen
  }

  async call<M extends OpName>(method: M, args: OpArgs<M>): Promise<OpResult<M>> {
    const name = `fs.${method}`
    if (typeof args[0] === 'number') return (await this.#host.call(name, ...this.#byHandle(method, args))) as OpResult<M>
    // A path means the same in the next server.
    return this.#result(method, await this.retargeted(id => this.#host.call(name, id, ...args)))
  }

  callNow<M extends OpName>(method: M, args: OpArgs<M>): OpResult<M> {
    const sent = typeof args[0] === 'number' ? this.#byHandle(method, args) : [this.id, ...args]
    // This thread waits, not the server's.
    return this.#result(method, this.#host.callNow(method === 'fsyncNow' ? 'fs.fsync' : `fs.${method}`, sent))
  }

  #result<M extends OpName>(method: M, result: unknown): OpResult<M> {
    if (method === 'open') return this.#handles.add(this.id, result as number) as OpResult<M>
    return (method === 'copyFile' ? this.#rest(result as CopyRest | undefined) : result) as OpResult<M>
  }

  /** What is sent for a call on a handle, which died with the server that had it. */
  #byHandle(method: OpName, args: unknown[]): unknown[] {
    const first = this.#handles.get(args[0] as number, this.id)
    const rest = method === 'copyRange' ? [this.#handles.get(args[1] as number, this.id).there, ...args.slice(2)] : args.slice(1)
    if (method === 'close') this.#handles.remove(args[0] as number)
    return [first.target, first.there, ...rest]
  }

  #rest(rest: CopyRest | undefined): CopyRest | undefined {
    return rest && { ...rest, from: this.#handles.add(this.id, rest.from), to: this.#handles.add(this.id, rest.to) }
  }

  /** Runs `work`; when the server was started again, opens there what was open before and runs it once more. */
  async retargeted(work: (id: number) => Promise<unknown>): Promise<unknown> {
    const id = this.id
    try {
      return await work(id)
    } catch (error) {
      const closed = error instanceof CairnError && error.code === 'ERR_VOLUME_CLOSED'
      if (!closed || this.#reopen === undefined) throw error
      if (this.id === id) {
        this.#reopening ??= this.#reopen()
        this.id = await this.#reopening.finally(() => {
          this.#reopening = undefined
        })
      }
      return work(this.id)
    }
  }

  async close(): Promise<void> {
    try {
      await this.#host.call('close', this.id)
    } catch (error) {
      if (!(error instanceof CairnError) || error.retry !== 'reopen') throw error
    }
  }
}
