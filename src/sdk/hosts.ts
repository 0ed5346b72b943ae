import type { RpcClient } from '../http/rpc-client.js'
import { ensureServer, reconnect, type ServerOptions } from '../server/connect.js'
import type { KeySource } from '../store/user-key.js'
import type { Unpublished } from '../volume/api.js'
import type { Host } from './host.js'
import type { LocalHost } from './local-host.js'
import { syncMount } from './mounted.js'
import { ReadOnlyHost } from './read-only.js'
import { RemoteHost } from './remote-host.js'
import { orSuccessor } from './successor.js'
import type { CairnOptions, ServerStatus } from './types.js'

/** For whoever opens the volumes: this process, or a server that it starts. */
type Bounds = Pick<ServerOptions, 'cacheBytes' | 'backlogBytes' | 'refreshMs' | 'auditKeyFile'>

export interface HostsOptions {
  home: string
  actor: string
  via: 'auto' | 'server' | 'process'
  readOnly: boolean
  keys: readonly KeySource[]
  bounds: Bounds
  logLevel: CairnOptions['logLevel']
  gc: boolean | undefined
}

/** Who has the volumes of a home: its server, where one runs, else this process. */
export class Hosts {
  readonly #options: HostsOptions
  #local: Promise<LocalHost> | undefined
  #remote: RemoteHost | undefined

  constructor(options: HostsOptions) {
    this.#options = options
  }

  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const name = typeof args[0] === 'string' ? [args[0]] : []
    return (await this.of(...name)).call(method, ...args)
  }

  /** Where calls about these volumes go now: what this program has open itself stays here. */
  async of(...names: string[]): Promise<Host> {
    const place = (): Promise<Host> => this.#place(...names)
    return this.guarded(orSuccessor(await place(), place))
  }

  /** Programs that write through a mount may have bytes in the kernel that the server has not seen. */
  async settle(...names: string[]): Promise<void> {
    if (names.length === 0) return
    const host = await this.of(...names)
    if (!host.isServer) return
    const { mounts, views = [] } = (await host.call('server.status')) as ServerStatus
    const writable = [...mounts, ...views].filter(mount => names.includes(mount.name) && !mount.readOnly)
    if (writable.length === 0) return
    for (const mount of writable) syncMount(mount.mountpoint)
    await host.call('caughtUp')
  }

  /** What a server has acknowledged and not sealed, in all volumes that it has open. */
  async flushOpen(): Promise<void> {
    const host = await this.of()
    for (const name of (await host.call('openVolumes')) as string[]) await host.call('flush', name)
  }

  /** Refuses changes, where this program may only read. */
  guarded(host: Host): Host {
    return this.#options.readOnly ? new ReadOnlyHost(host) : host
  }

  async #place(...names: string[]): Promise<Host> {
    const { via } = this.#options
    if (via === 'process') return this.local()
    const local = await this.#local
    if (local?.openNames().some(name => names.includes(name))) return local
    if (via === 'server') return this.server()
    return (await this.runningServer()) ?? this.local()
  }

  /** Who has the home's volumes at present, whatever this program has open. Starts no server. */
  async present(waitMs: number): Promise<RemoteHost | LocalHost> {
    const running = this.#options.via === 'process' ? undefined : await this.runningServer(waitMs)
    return running ?? this.local()
  }

  local(): Promise<LocalHost> {
    const { home, actor, keys, bounds } = this.#options
    // The engine is loaded where it is used: most commands only talk to the server.
    this.#local ??= import('./local-host.js').then(({ LocalHost }) => new LocalHost(home, { actor, keys, ...bounds }))
    this.#local.catch(() => {
      this.#local = undefined
    })
    return this.#local
  }

  /** This process has the volume open itself. */
  async isOpenHere(name: string): Promise<boolean> {
    return (await this.#local)?.openNames().includes(name) === true
  }

  /**
   * The server, when one runs. One that died is waited for while its supervisor lives: whoever opened a mounted volume beside it
   * would remove unlinked files that are open there, and forget which requests were done.
   */
  async runningServer(waitMs?: number): Promise<RemoteHost | undefined> {
    if (this.#remote !== undefined && (await this.#remote.isAlive())) return this.#remote
    this.#remote = undefined
    const client = await reconnect(this.#options.home, waitMs)
    return client && this.#use(client)
  }

  /** The server, which is started when none runs. */
  async server(): Promise<RemoteHost> {
    const { home, logLevel, gc, bounds } = this.#options
    return (await this.runningServer()) ?? this.#use(await ensureServer(home, { logLevel, gc, ...bounds }))
  }

  #use(client: RpcClient): RemoteHost {
    const { home, keys } = this.#options
    this.#remote = new RemoteHost(client, () => reconnect(home), keys)
    return this.#remote
  }

  /** The next call finds the server anew. */
  forgetServer(): void {
    this.#remote?.close()
    this.#remote = undefined
  }

  /** @returns what could not be published: it stays here */
  async close(): Promise<Unpublished[]> {
    await this.#remote?.close()
    this.#remote = undefined
    const local = await this.#local
    this.#local = undefined
    return (await local?.close()) ?? []
  }
}
