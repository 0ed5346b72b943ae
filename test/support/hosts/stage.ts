import { existsSync, mkdtempSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os, { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CorruptError } from '../../../src/errors.js'
import { MemoryStore } from '../../../src/store/memory/index.js'
import { onCrashPoint, type Random } from '../../../src/sys/index.js'
import { seeded } from '../seeded.js'
import { Epochs } from './epochs.js'
import { Host, Killed } from './host.js'
import { newSecret, noSecret, type Secret } from './secret.js'

const HOSTS = 3
const STEPS = 150
/** Hosts that stop in the middle of something for as long as others go on, one in the other. */
const DEEPEST = 3
/** What came damaged may be met by whoever waits, turns later. */
const DAMAGE_TURNS = 4
export const HOUR = 3600 * 1000

/** Hosts, a store, time, and all that befalls them, in an order that a seed decides. */
export abstract class Stage {
  readonly folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cairn-hosts-'))
  readonly store: MemoryStore
  protected readonly secret: Secret
  protected readonly epochs: Epochs
  protected readonly hosts: Host[] = []
  protected readonly pick: (below: number) => number
  /** Who does something now, the outermost first. */
  protected readonly stack: Host[] = []
  #late: Array<() => void> = []
  protected failed: unknown
  protected ms = 1_700_000_000_000
  protected hasFaults = false
  readonly counts = {
    ...{ kills: 0, losses: 0, takeovers: 0, published: 0, logged: 0, collections: 0, recovered: 0, overtaken: 0, reads: 0, stale: 0, forks: 0, cuts: 0 },
    ...{ merges: 0, held: 0, damaged: 0, missed: 0 },
  }
  /** What happened, the newest last: for whoever looks into a seed that fails. */
  readonly story: string[] = []

  constructor(seed: number) {
    sameEverywhere()
    this.pick = seeded(seed)
    const clock = { now: () => this.ms, monotonic: () => this.ms }
    this.store = new MemoryStore(clock)
    this.secret = seed % 2 === 0 ? newSecret(this.#random) : noSecret()
    this.epochs = new Epochs(this.store, this.secret, what => this.tell(what))
    for (let i = 0; i < HOSTS; i++) this.addHost(`h${i}`)
  }

  get #random(): Random {
    return { bytes: size => Buffer.from(Array.from({ length: size }, () => this.pick(256))) }
  }

  protected addHost(name: string): Host {
    const host: Host = new Host(name, {
      folder: this.folder,
      clock: { now: () => this.ms + host.clockOffMs, monotonic: () => this.ms },
      random: this.#random,
      secret: this.secret,
      network: {
        store: this.epochs.for(name),
        info: this.secret.info,
        pick: this.pick,
        fault: oneIn => this.hasFaults && this.pick(oneIn) === 0,
        damaged: what => this.#damaged(host, what),
        isCut: () => host.cutUntilMs > this.ms,
        between: isApart => this.#between(host, isApart),
        later: arrives => this.#late.push(arrives),
      },
    })
    this.hosts.push(host)
    return host
  }

  #damaged(host: Host, what: string): void {
    this.counts.damaged++
    host.damagedTurns = DAMAGE_TURNS
    this.tell(`${what} comes damaged`)
  }

  protected tell(what: string): void {
    const who = this.stack.map(({ name }) => name).join('>')
    this.story.push(`${this.ms} ${who}: ${what}`)
  }

  protected oneOf<T>(list: readonly T[]): T {
    return list[this.pick(list.length)]
  }

  /** The first host makes something; then hosts have their turns, and faults happen. */
  async run(): Promise<void> {
    onCrashPoint(() => this.#mayDie(2000))
    try {
      this.#turn(this.hosts[0], host => this.begin(host))
      this.hasFaults = true
      for (let i = 0; i < STEPS; i++) {
        this.#timePasses()
        this.#turn(this.oneOf(this.hosts), host => this.step(host))
        // Those who wait for a flush hear of it.
        await new Promise(resolve => setImmediate(resolve))
        if (this.failed !== undefined) throw this.failed
      }
    } finally {
      onCrashPoint(undefined)
    }
  }

  protected abstract begin(host: Host): void

  protected abstract step(host: Host): void

  /** What a host may hear while others do what they like, and requests are lost. */
  protected abstract isExpected(host: Host, error: unknown): boolean

  #timePasses(): void {
    this.ms += this.pick(25) === 0 ? this.pick(30 * HOUR) : this.pick(5) === 0 ? this.pick(40_000) : this.pick(400)
  }

  /** The host that does something now is stopped, or dies. */
  #between(host: Host, isApart: boolean): void {
    if (host.isDying) throw new Killed('it is dead')
    if (!this.hasFaults) return
    this.#mayDie(400)
    if (!isApart || this.stack.length > DEEPEST || this.pick(15) !== 0) return
    this.#timePasses()
    for (let i = this.pick(5); i >= 0; i--) {
      const other = this.oneOf(this.hosts)
      if (!other.isBusy) this.#turn(other, one => this.step(one))
    }
    host.arrive()
  }

  #mayDie(oneIn: number): void {
    const host = this.stack.at(-1)
    if (host === undefined || !this.hasFaults) return
    if (host.isDying || this.pick(oneIn) === 0) {
      host.isDying = true
      throw new Killed('by the scheduler')
    }
  }

  #turn(host: Host, work: (host: Host) => void): void {
    if (this.failed !== undefined) return
    host.isBusy = true
    if (host.damagedTurns > 0) host.damagedTurns--
    this.stack.push(host)
    try {
      work(host)
    } catch (error) {
      this.tell(`failed with ${String(error)}`)
      if (!(error instanceof Killed) && !this.isExpected(host, error)) this.failed ??= error
    } finally {
      this.stack.pop()
      host.isBusy = false
      // Who is killed may have taken it for an error of the store.
      if (host.isDying) this.#kill(host)
    }
  }

  #kill(host: Host): void {
    this.counts.kills++
    this.tell(`${host.name} killed`)
    host.kill()
  }

  protected misfortune(host: Host, kind: number): void {
    if (kind === 0) throw this.#killed(host)
    if (kind === 1) host.cutUntilMs = this.ms + this.pick(200_000)
    if (kind === 1) this.counts.cuts++
    if (kind === 2) host.clockOffMs = this.pick(2) === 0 ? 0 : this.pick(8 * HOUR) - 4 * HOUR
    if (kind === 3) this.#arriveLate()
    if (kind === 4 && this.pick(3) === 0) this.lose(host)
  }

  #killed(host: Host): Killed {
    host.isDying = true
    return new Killed('by the scheduler')
  }

  /** The host, and all that only it had, is gone. */
  protected lose(host: Host): void {
    this.counts.losses++
    this.tell(`${host.name} lost`)
    host.lose()
  }

  #arriveLate(): void {
    for (const arrives of this.#late.splice(0, 1 + this.pick(5))) arrives()
  }

  /** From now on all goes well. */
  protected endFaults(): void {
    this.hasFaults = false
    while (this.#late.length > 0) this.#arriveLate()
    for (const host of this.hosts) {
      host.cutUntilMs = 0
      host.clockOffMs = 0
    }
  }
}

/**
 * What is stored names the process, and requests come damaged at any of their bytes: a seed would mean something else in each. So it would where what nobody uses any
 * more is let go of when the memory happens to be cleared.
 */
function sameEverywhere(): void {
  globalThis.FinalizationRegistry = NeverCleared as unknown as typeof FinalizationRegistry
  Object.defineProperty(process, 'pid', { value: 4321 })
  os.hostname = () => 'host'
  syncBuiltinESMExports()
}

class NeverCleared {
  register(): void {}
  unregister(): boolean {
    return false
  }
}

export function corruptOf(error: unknown): CorruptError | undefined {
  const { cause } = error as { cause?: unknown }
  if (error instanceof CorruptError) return error
  return cause instanceof CorruptError ? cause : undefined
}
