import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FileSystem } from '../../../src/fs/index.js'
import { collect } from '../../../src/history/gc/collect.js'
import { createFs, LocalBackend, LocalOps } from '../../../src/node/index.js'
import { RemoteStore } from '../../../src/store/remote/remote-store.js'
import type { StoreLocation } from '../../../src/store/url.js'
import type { Clock, Random } from '../../../src/sys/index.js'
import { Engine } from '../../../src/volume/engine.js'
import type { Session } from '../../../src/volume/session.js'
import type { Syncer } from '../../../src/volume/syncer.js'
import type { Volume } from '../../../src/volume/volume.js'
import type { Held } from './held.js'
import { type Network, SimulatedLine } from './line.js'
import { type Secret, STORE_ID } from './secret.js'

export type Shape = ReturnType<typeof createFs>
export const shaped = (session: Session): Shape => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))

/** Nobody looks there: lines are simulated. */
export const LOCATION: StoreLocation = { kind: 'directory', path: '/simulated' }

/** Thrown in the middle of whatever a host does: it is gone. */
export class Killed extends Error {}

/** A volume that a host has open. */
export interface Opened {
  id: string
  name: string
  volume: Volume
  fs: Shape
  /** The state that it is in. */
  state: number
  /** Checkpoints that were made in it, with their states. */
  checkpoints: Map<string, number>
}

/** Syncs end when the host has its turn. */
class TurnSyncer implements Syncer {
  #waiting: Array<() => void> = []

  request(_fds: readonly number[], done: (errno: number) => void): void {
    this.#waiting.push(() => done(0))
  }

  finish(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next()
  }
}

interface Surroundings {
  folder: string
  clock: Clock
  random: Random
  network: Network
  secret: Secret
}

/** One host: a home, and while it runs an engine, and maybe a collection. */
export class Host {
  readonly name: string
  home: string
  readonly syncer = new TurnSyncer()
  readonly open = new Map<string, Opened>()
  /** Volumes that it reads, and another one writes. */
  readonly reading = new Map<string, { volume: Volume; state: number }>()
  /** Views and transactions that it leaves open. */
  held: Held[] = []
  /** In how many of its turns from now on it may meet what came damaged. */
  damagedTurns = 0
  /** By volume: the state that it was told of last, and that no other writer has taken over. */
  readonly acknowledged = new Map<string, number>()
  /** It is in the middle of something. */
  isBusy = false
  /** Killed, and whatever still runs of it must do nothing more. */
  isDying = false
  clockOffMs = 0
  cutUntilMs = 0
  readonly #around: Surroundings
  #engine: Engine | undefined
  #lines: SimulatedLine[] = []
  collection: ReturnType<typeof collect> | undefined

  constructor(name: string, around: Surroundings) {
    this.name = name
    this.#around = around
    this.home = mkdtempSync(join(around.folder, `${name}-`))
  }

  get engine(): Engine {
    const { clock, random, secret } = this.#around
    const { home, syncer, name } = this
    this.#engine ??= Engine.open({ home, clock, random, syncer, bootId: 'boot', actor: name, keys: secret.keys, line: () => this.#line() })
    return this.#engine
  }

  #line(): SimulatedLine {
    const line = new SimulatedLine(this.#around.network)
    this.#lines.push(line)
    return line
  }

  /** Requests that nobody waits for arrive, or are answered. False when there was none. */
  step(): boolean {
    return this.#lines.map(line => line.step()).includes(true)
  }

  /** Requests arrive while the host itself is stopped. */
  arrive(): void {
    for (const line of this.#lines) line.arrive()
  }

  beginCollection(thorough = false): void {
    const { clock, random, secret } = this.#around
    const { coding } = secret
    const folder = join(this.home, 'stores', STORE_ID)
    const store = new RemoteStore({ location: LOCATION, id: STORE_ID, folder, thread: this.#line(), collects: true, coding })
    let steps = 0
    // Each look at the clock costs a slice of time, so that it stops wherever it may.
    const slow = { now: () => clock.now(), monotonic: () => clock.monotonic() + ++steps * 10 }
    this.collection = this.#collected(store, collect({ store, storeName: 'simulated', home: this.home, clock: slow, random, thorough }))
  }

  *#collected(store: RemoteStore, run: ReturnType<typeof collect>): ReturnType<typeof collect> {
    try {
      return yield* run
    } finally {
      void store.close()
    }
  }

  kill(): void {
    this.isDying = true
    this.#engine?.crash()
    this.syncer.finish()
    // Only its lock is let go of, as the kernel does.
    this.collection?.return(undefined as never)
    this.collection = undefined
    for (const line of this.#lines.splice(0)) line.close()
    this.#engine = undefined
    this.open.clear()
    this.reading.clear()
    this.held = []
    this.isDying = false
  }

  /** The disk of the host is gone with it; another one gets its name. */
  lose(): void {
    this.kill()
    rmSync(this.home, { recursive: true, force: true })
    this.home = mkdtempSync(join(this.#around.folder, `${this.name}-`))
    this.acknowledged.clear()
  }

  close(): void {
    this.#engine?.close()
    this.syncer.finish()
    this.#lines = []
    this.#engine = undefined
  }
}
