import { statfsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { CairnError } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import type { BatchAnswer } from '../node/index.js'
import { EngineHost } from '../server/engine-host.js'
import type { VersionPlace } from '../server/version-methods.js'
import { credentialVariables } from '../store/environment.js'
import type { KeySource } from '../store/user-key.js'
import { limits, systemClock } from '../sys/index.js'
import type { CommitInfo, Unpublished } from '../volume/api.js'
import { Engine } from '../volume/engine.js'
import type { DurabilityLevel } from '../volume/lease.js'
import type { Host, Opened, Why } from './host.js'

/** This program is the only client of its own volumes. */
const SESSION = 'local'
/** Background work of volumes that were changed by calls which the engine cannot see: looked after this often. */
const PUMP_MS = 250
/** Another program that has a volume open for one command lets go of it soon. */
const BUSY_RETRY_MS = 4

/** The volumes of a home in this process. */
export class LocalHost implements Host {
  readonly isServer = false
  readonly #engine: Engine
  readonly #host: EngineHost
  #pump: NodeJS.Timeout | undefined
  /** Where the engine looks for credentials of stores. */
  #credentials = credentialVariables()

  /** @param actor who changes, where `open` does not say it */
  constructor(
    home: string,
    options: {
      actor?: string | undefined
      cacheBytes?: number | undefined
      backlogBytes?: number | undefined
      refreshMs?: number | undefined
      auditKeyFile?: string | undefined
      keys?: readonly KeySource[]
    } = {},
  ) {
    this.#engine = Engine.open({ home, ...given(options) })
    this.#host = new EngineHost(this.#engine, {
      makeFs: session => new FileSystem(session),
      space: () => {
        const disk = statfsSync(home)
        return { totalBytes: disk.blocks * disk.bsize, freeBytes: disk.bavail * disk.bsize }
      },
    })
  }

  /** For what reads packs of a pinned state, or makes a volume of its own, beside a server too. */
  get engine(): Engine {
    return this.#engine
  }

  /** Names of the volumes that are open here. */
  openNames(): string[] {
    return this.#engine.open().map(volume => volume.info.name)
  }

  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const result = this.#patiently(() => this.#host.call(SESSION, method, args))
    return method === 'flush' ? this.#pumped(result) : result
  }

  /** Pumps until it is done, and keeps the process alive so long: a store may have to be asked again. */
  async #pumped<T>(result: Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#work(), PUMP_MS)
    try {
      return await result
    } finally {
      clearInterval(timer)
    }
  }

  async open(name: string, ref?: string, actor?: string, version?: VersionPlace, readOnly?: boolean, durability?: DurabilityLevel, why?: Why): Promise<Opened> {
    const target = await this.#patiently(() => this.#host.call(SESSION, 'open', [name, ref, actor, version, readOnly, durability, why]) as number)
    this.#schedule(PUMP_MS)
    return this.#opened(target)
  }

  #opened(target: number): Opened {
    const { backend } = this.#host.sessions.get(SESSION, target)
    return {
      backend,
      ask: async (method, ...args) => this.#host.call(SESSION, method, [target, ...args]),
      begin: async () => {
        const transaction = (await this.#host.call(SESSION, 'begin', [target])) as number
        return {
          ...this.#opened(transaction),
          commit: async record => this.#host.call(SESSION, 'commit', [transaction, record]) as CommitInfo | undefined,
          batch: async ops => this.#host.call(SESSION, 'batch', [transaction, ops]) as BatchAnswer[],
        }
      },
      close: async () => this.#host.sessions.remove(SESSION, target),
    }
  }

  /** A volume that another program has open is asked for again, for a while: most programs are done soon. */
  async #patiently<T>(work: () => T | Promise<T>): Promise<T> {
    const until = systemClock.monotonic() + limits.volumeBusyMs
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (this.#hasOtherCredentials(error)) continue
        const isBusy = error instanceof CairnError && error.code === 'ERR_VOLUME_BUSY' && !error.message.includes(`process ${process.pid}`)
        if (!isBusy || systemClock.monotonic() > until) throw error
        await sleep(BUSY_RETRY_MS)
      }
    }
  }

  /** This program has set others in its environment since those that were refused. */
  #hasOtherCredentials(error: unknown): boolean {
    if ((error as CairnError).code !== 'ERR_STORE_CREDENTIALS') return false
    const now = credentialVariables()
    if (isDeepStrictEqual(now, this.#credentials)) return false
    this.#credentials = now
    this.#engine.useCredentials(now)
    return true
  }

  /** Sealing and the 1 s sync, while volumes are open. Does not keep the process alive: what was acknowledged is in the journal. */
  #schedule(delayMs: number): void {
    if (this.#pump !== undefined) return
    this.#pump = setTimeout(() => {
      this.#pump = undefined
      if (this.#engine.open().length === 0) return
      this.#schedule(this.#work())
    }, delayMs)
    this.#pump.unref()
  }

  #work(): number {
    try {
      return Math.min(PUMP_MS, Math.max(1, this.#engine.pump(limits.sealSliceMs)))
    } catch {
      // A full disk, for instance: the journal keeps what was acknowledged, and the next call of the user says what is wrong.
      return PUMP_MS
    }
  }

  /** @returns what could not be published: it stays here */
  async close(): Promise<Unpublished[]> {
    clearTimeout(this.#pump)
    this.#host.sessions.end(SESSION)
    this.#engine.close()
    return this.#engine.unpublished()
  }
}

/** Without those that nobody gave. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
