import { randomUUID } from 'node:crypto'
import { CairnError } from '../errors.js'
import type { RpcService } from '../http/rpc-handler.js'
import { type CredentialVariables, useCredentialVariables } from '../store/environment.js'
import { limits, systemClock } from '../sys/index.js'
import type { Unpublished } from '../volume/api.js'
import type { AuditEvent } from '../volume/audit/index.js'
import { AutoCollect } from './auto-collect.js'
import { checkActors } from './check-actors.js'
import { JobTable } from './job-table.js'
import type { JobData, JobOptions } from './jobs.js'
import type { EndRunOptions } from './mount-table.js'
import type { MountEngine, Mounts } from './mounts.js'
import type { BeginRunOptions, MountOptions, ServerStatus, ViewOptions } from './protocol.js'
import type { Written } from './turns-elsewhere.js'
import { PROTOCOL, version } from './version.js'

/** How long without mounts, clients and requests; a test makes it short. */
function idleMs(): number {
  const given = Number(process.env['CAIRN_IDLE_MS'])
  return Number.isFinite(given) && given > 0 ? given : limits.serverIdleMs
}

/** What `status` of a server says beside itself. */
export interface ServerReport extends ServerStatus {
  /** Clients connected now. */
  clients: number
}

/** The main thread of a server: sessions of clients, mounts, and when to end. Volumes are the engine thread's. */
export class Server implements RpcService {
  readonly #engine: MountEngine
  readonly #mounts: Mounts
  readonly #supervisorPid: () => number | undefined
  readonly #onIdle: () => void
  readonly #jobs: JobTable
  readonly #collecting: AutoCollect
  readonly #sinceMs = systemClock.now()
  readonly #sessions = new Set<string>()
  #running = 0
  #idle: NodeJS.Timeout | undefined
  #stopping = false
  #begun = false
  #usedMs = 0

  /** @param onIdle called once: nobody needs this server, or somebody asked it to end */
  constructor(options: {
    home: string
    engine: MountEngine
    mounts: Mounts
    supervisorPid: () => number | undefined
    log: (line: string) => void
    onIdle: () => void
  }) {
    this.#engine = options.engine
    this.#mounts = options.mounts
    this.#supervisorPid = options.supervisorPid
    this.#onIdle = options.onIdle
    this.#jobs = new JobTable((method, ...args) => this.#engine.call('', method, args), options.home)
    this.#collecting = new AutoCollect(this.#jobs, options.log, async () => (await this.#engine.call('', 'writtenElsewhere', [])) as Written[])
  }

  /** Clients can connect: from now on it counts how long nobody does. */
  begin(): void {
    this.#begun = true
    this.#collecting.begin()
    this.#rest()
  }

  hello(): Record<string, unknown> {
    // Whoever asks is about to connect: it does not end under their hands.
    this.#rest()
    return { version, protocol: PROTOCOL, pid: process.pid, mounts: this.#mounts.size, clients: this.#sessions.size }
  }

  openSession(): string {
    if (this.#stopping) throw ending()
    if (this.#sessions.size >= limits.serverSessions) {
      throw new CairnError('ERR_SERVER_FULL', `${limits.serverSessions} programs use this server already.`, 'End some of them and try again.', {
        retry: 'same-call',
      })
    }
    const id = randomUUID()
    this.#sessions.add(id)
    this.#rest()
    return id
  }

  closeSession(session: string): void {
    this.#sessions.delete(session)
    void this.#mounts
      .endViewsOf(session)
      .then(() => this.#engine.call(session, 'session.end', []))
      .catch(() => undefined)
      .then(() => this.#rest())
    this.#rest()
  }

  async call(session: string | undefined, method: string, args: unknown[]): Promise<unknown> {
    if (this.#stopping) throw ending()
    if (session !== undefined && !this.#sessions.has(session)) {
      throw new CairnError('ERR_SESSION_UNKNOWN', 'The server was started again since this program connected to it.', 'Open the volume again.', {
        retry: 'reopen',
      })
    }
    checkActors(method, args)
    this.#running++
    this.#rest()
    try {
      return await this.#dispatch(session ?? '', method, args)
    } finally {
      this.#running--
      this.#rest()
    }
  }

  async #dispatch(session: string, method: string, args: unknown[]): Promise<unknown> {
    switch (method) {
      case 'mount':
        return this.#mounts.mount(args[0] as MountOptions)
      case 'unmount':
        return this.#mounts.unmount(String(args[0]), (args[1] ?? {}) as { force?: boolean })
      case 'openView':
        return this.#mounts.openView(session, String(args[0]), (args[1] ?? {}) as ViewOptions)
      case 'beginRun':
        return this.#mounts.beginRun(session, String(args[0]), args[1] as BeginRunOptions)
      case 'startRun':
        return this.#mounts.startRun(session, Number(args[0]), args[1] === true)
      case 'endRun':
        return this.#mounts.endRun(session, Number(args[0]), args[1] as AuditEvent, args[2] as EndRunOptions)
      case 'claimView':
        return this.#mounts.claimView(session, Number(args[0]), String(args[1]))
      case 'closeView':
        return this.#mounts.closeView(session, Number(args[0]))
      case 'viewChanges':
        this.#mounts.ownView(session, Number(args[0]))
        return this.#engine.call('', 'mount.changes', [Number(args[0])])
      case 'server.status':
        return this.report()
      case 'server.stop':
        return this.stop()
      case 'job.start':
        return this.#jobs.start(args[0] as JobData['kind'], args[1] as string | undefined, args[2] as JobOptions | undefined)
      case 'job.wait':
        return this.#jobs.wait(Number(args[0]))
      case 'giveCredentials':
        // For threads of jobs, which are started here.
        useCredentialVariables(args[0] as CredentialVariables)
        return this.#engine.call(session, method, args)
      default:
        if (/^(mount|session|engine)\./.test(method))
          throw new CairnError('ERR_METHOD_UNKNOWN', `The server has no ${method} for clients.`, 'Use the same version of cairn on both sides.')
        return this.#engine.call(session, method, args)
    }
  }

  async report(): Promise<ServerReport> {
    const mounted = this.#mounts.volumeIds()
    const volumes = (await this.#engine.call('', 'volumesById', [mounted])) as Array<{ id: string; name: string } | undefined>
    const names = new Map(volumes.map((volume, i) => [mounted[i], volume?.name]))
    const views = this.#mounts.listViews(id => names.get(id) ?? id)
    return {
      running: true,
      pid: process.pid,
      supervisorPid: this.#supervisorPid(),
      sinceMs: this.#sinceMs,
      version,
      mounts: this.#mounts.list(id => names.get(id) ?? id),
      ...(views.length > 0 && { views }),
      open: (await this.#engine.call('', 'openVolumes', [])) as string[],
      clients: this.#sessions.size,
    }
  }

  /** Ends soon, after the answer. @throws CairnError ERR_SERVER_BUSY while something is mounted */
  async stop(): Promise<void> {
    if (this.#mounts.size > 0) throw new CairnError('ERR_SERVER_BUSY', 'The server has mounted volumes.', 'Unmount them first.')
    setImmediate(() => this.#end())
  }

  /** Counts the time without anybody from now on. */
  #rest(): void {
    this.#usedMs = systemClock.monotonic()
    this.#count()
  }

  #count(): void {
    clearTimeout(this.#idle)
    if (!this.#begun || this.#stopping || this.#isNeeded) return
    this.#idle = setTimeout(() => void this.#idled(), idleMs())
  }

  get #isNeeded(): boolean {
    return this.#running > 0 || this.#sessions.size > 0 || this.#mounts.size > 0
  }

  /** Nobody came. What waits for a store that is out of reach is published before this server ends, but it does not wait for ever. */
  async #idled(): Promise<void> {
    const usedMs = this.#usedMs
    const waiting = (await this.#engine.call('', 'unpublished', []).catch(() => undefined)) as Unpublished[] | undefined
    if (this.#stopping || this.#isNeeded || this.#usedMs !== usedMs) return
    if (waiting === undefined || waiting.length === 0 || systemClock.monotonic() - usedMs > limits.serverDrainMs) this.#end()
    else this.#count()
  }

  /** A mount came or went. */
  mountsChanged(): void {
    this.#rest()
  }

  #end(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#collecting.end()
    this.#onIdle()
  }
}

function ending(): CairnError {
  return new CairnError('ERR_SERVER_ENDING', 'The server is ending.', 'Try again.', { retry: 'same-call' })
}
