import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { decodeHead } from '../../../src/codec/head.js'
import { CorruptError } from '../../../src/errors.js'
import { MemoryStore } from '../../../src/store/memory/index.js'
import { limits, onCrashPoint } from '../../../src/sys/index.js'
import { HeadFile } from '../../../src/volume/head.js'
import { allKeys } from '../../../src/volume/names.js'
import type { Volume } from '../../../src/volume/volume.js'
import { seeded } from '../seeded.js'
import { Epochs } from './epochs.js'
import { Host, Killed, LOCATION, type Opened, shaped } from './host.js'
import { States, stateIn, writeState } from './states.js'

const HOSTS = 3
const STEPS = 150
/** Hosts that stop in the middle of something for as long as others go on, one in the other. */
const DEEPEST = 3
const HOUR = 3600 * 1000

/** What everybody was told of a volume. */
interface Known {
  id: string
  name: string
  /** The state of the last flush that was acknowledged: whoever opens the volume must see it, or what came of it. */
  published: number
  checkpoints: Map<string, number>
  /** Who recovered it, of which volume: of what state is seen when it is opened for the first time. */
  offer?: { host?: Host; home: string; of: string } | undefined
}

/** Acknowledged on a host, not published, and the volume was taken over: `recover` must offer it there. */
interface Owed {
  host: Host
  id: string
  state: number
}

/** Several hosts on one store, in an order that a seed decides. */
export class World {
  readonly folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cairn-hosts-'))
  readonly store: MemoryStore
  readonly #states = new States()
  readonly #epochs: Epochs
  readonly #hosts: Host[] = []
  readonly #known = new Map<string, Known>()
  #owed: Owed[] = []
  /** By host and volume: states that `recover` has offered. */
  readonly #offers = new Set<string>()
  readonly #pick: (below: number) => number
  /** Who does something now, the outermost first. */
  readonly #stack: Host[] = []
  #late: Array<() => void> = []
  #failed: unknown
  #ms = 1_700_000_000_000
  #names = 0
  #hasFaults = false
  readonly counts = { kills: 0, losses: 0, takeovers: 0, published: 0, collections: 0, recovered: 0, overtaken: 0, reads: 0, stale: 0, forks: 0, cuts: 0 }

  constructor(seed: number) {
    this.#pick = seeded(seed)
    const clock = { now: () => this.#ms, monotonic: () => this.#ms }
    this.store = new MemoryStore(clock)
    this.#epochs = new Epochs(this.store, what => this.#tell(what))
    for (let i = 0; i < HOSTS; i++) this.#addHost(`h${i}`)
  }

  #addHost(name: string): Host {
    const host: Host = new Host(name, {
      folder: this.folder,
      clock: { now: () => this.#ms + host.clockOffMs, monotonic: () => this.#ms },
      random: { bytes: size => Buffer.from(Array.from({ length: size }, () => this.#pick(256))) },
      network: {
        store: this.#epochs.for(name),
        pick: this.#pick,
        fault: oneIn => this.#hasFaults && this.#pick(oneIn) === 0,
        isCut: () => host.cutUntilMs > this.#ms,
        between: () => this.#between(host),
        later: arrives => this.#late.push(arrives),
      },
    })
    this.#hosts.push(host)
    return host
  }

  /** What happened, the newest last: for whoever looks into a seed that fails. */
  readonly story: string[] = []

  #tell(what: string): void {
    const who = this.#stack.map(({ name }) => name).join('>')
    this.story.push(`${this.#ms} ${who}: ${what}`)
  }

  #oneOf<T>(list: readonly T[]): T {
    return list[this.#pick(list.length)]
  }

  async run(): Promise<void> {
    onCrashPoint(() => this.#mayDie(2000))
    try {
      this.#turn(this.#hosts[0], host => this.#create(host, 'v0'))
      this.#hasFaults = true
      for (let i = 0; i < STEPS; i++) {
        this.#timePasses()
        this.#turn(this.#oneOf(this.#hosts), host => this.#step(host))
        // Those who wait for a flush hear of it.
        await new Promise(resolve => setImmediate(resolve))
        if (this.#failed !== undefined) throw this.#failed
      }
    } finally {
      onCrashPoint(undefined)
    }
  }

  #timePasses(): void {
    this.#ms += this.#pick(25) === 0 ? this.#pick(30 * HOUR) : this.#pick(5) === 0 ? this.#pick(40_000) : this.#pick(400)
  }

  /** The host that does something now is stopped, or dies. */
  #between(host: Host): void {
    if (host.isDying) throw new Killed('it is dead')
    if (!this.#hasFaults) return
    this.#mayDie(400)
    if (this.#stack.length > DEEPEST || this.#pick(15) !== 0) return
    this.#timePasses()
    for (let i = this.#pick(5); i >= 0; i--) {
      const other = this.#oneOf(this.#hosts)
      if (!other.isBusy) this.#turn(other, one => this.#step(one))
    }
    host.arrive()
  }

  #mayDie(oneIn: number): void {
    const host = this.#stack.at(-1)
    if (host === undefined || !this.#hasFaults) return
    if (host.isDying || this.#pick(oneIn) === 0) {
      host.isDying = true
      throw new Killed('by the scheduler')
    }
  }

  #turn(host: Host, work: (host: Host) => void): void {
    if (this.#failed !== undefined) return
    host.isBusy = true
    this.#stack.push(host)
    try {
      work(host)
    } catch (error) {
      this.#tell(`failed with ${String(error)}`)
      if (!(error instanceof Killed) && !this.#isExpected(host, error)) this.#failed ??= error
    } finally {
      this.#stack.pop()
      host.isBusy = false
      // Who is killed may have taken it for an error of the store.
      if (host.isDying) this.#kill(host)
    }
  }

  /** What a host may hear while others do what they like, and requests are lost. */
  #isExpected(host: Host, error: unknown): boolean {
    if (corruptOf(error) !== undefined) return !this.#hasAll(host)
    return EXPECTED.has(String((error as { code?: string }).code))
  }

  /** It is the writer of all that it has open: nobody may have collected what it needs. */
  #hasAll(host: Host): boolean {
    return [...host.open.values()].every(opened => this.#isWriter(opened))
  }

  #isWriter({ id, volume }: Opened): boolean {
    const found = this.store.getSync(HeadFile.key(id))
    return found !== undefined && strideOf(decodeHead(found.bytes).epoch) === strideOf(volume.head.value.epoch)
  }

  #kill(host: Host): void {
    this.counts.kills++
    this.#tell(`${host.name} killed`)
    host.kill()
  }

  #step(host: Host): void {
    const kind = this.#pick(100)
    if (kind < 30) this.#write(host)
    else if (kind < 44) this.#flush(host)
    else if (kind < 62) this.#pump(host)
    else if (kind < 66) this.#takeOver(host)
    else if (kind < 70) this.#close(host)
    else if (kind < 74) this.#checkpoint(host)
    else if (kind < 77) this.#fork(host)
    else if (kind < 81) this.#prune(host)
    else if (kind < 89) this.#collect(host)
    else if (kind < 91) this.#read(host)
    else if (kind < 93) this.#follow(host)
    else if (kind < 95) this.#recover(host)
    else this.#misfortune(host, this.#pick(5))
  }

  #misfortune(host: Host, kind: number): void {
    if (kind === 0) throw this.#killed(host)
    if (kind === 1) host.cutUntilMs = this.#ms + this.#pick(200_000)
    if (kind === 1) this.counts.cuts++
    if (kind === 2) host.clockOffMs = this.#pick(2) === 0 ? 0 : this.#pick(8 * HOUR) - 4 * HOUR
    if (kind === 3) this.#arriveLate()
    if (kind === 4 && this.#pick(3) === 0) this.#lose(host)
  }

  #killed(host: Host): Killed {
    host.isDying = true
    return new Killed('by the scheduler')
  }

  #arriveLate(): void {
    for (const arrives of this.#late.splice(0, 1 + this.#pick(5))) arrives()
  }

  #lose(host: Host): void {
    this.counts.losses++
    this.#tell(`${host.name} lost`)
    this.#owed = this.#owed.filter(owed => owed.host !== host)
    host.lose()
  }

  #pump(host: Host): void {
    host.syncer.finish()
    for (let i = this.#pick(6); i >= 0; i--) host.step()
    host.engine.pump(4)
  }

  #create(host: Host, name: string): void {
    this.#know(host.engine.create(name, { store: LOCATION }).id, name, 0)
  }

  #know(id: string, name: string, published: number): void {
    this.#known.set(id, { id, name, published, checkpoints: new Map() })
  }

  /** One of the volumes, open on this host; by force where it is told to. */
  #opened(host: Host, options: { steal?: boolean; force?: boolean } = {}): Opened | undefined {
    if (this.#known.size === 0) return undefined
    const known = this.#oneOf([...this.#known.values()])
    const open = host.open.get(known.id)
    return open ?? this.#open(host, known, options)
  }

  #open(host: Host, known: Known, options: { steal?: boolean; force?: boolean }): Opened {
    host.engine.attach(known.name, LOCATION)
    this.#endReading(host, known)
    // What is acknowledged while it is being opened may come too late for it.
    const { published } = known
    const checkpoints = [...known.checkpoints]
    const volume = host.engine.openVolume(known.name, options)
    const opened: Opened = { id: known.id, name: known.name, volume, fs: shaped(volume.session), state: 0, checkpoints: new Map() }
    opened.state = this.#stateOpened(host, opened)
    host.open.set(known.id, opened)
    this.#tell(`${known.name} opened at ${opened.state}, epoch ${volume.head.value.epoch} ${JSON.stringify(options)}`)
    expect(this.#states.isKnown(opened.state)).toBe(true)
    if (this.#isWriter(opened)) this.#mustInclude(opened, published, checkpoints)
    this.#compareWithOwn(host, opened)
    if (known.offer !== undefined) this.#offered(known, opened.state)
    return opened
  }

  #stateOpened(host: Host, opened: Opened): number {
    const { volume, fs } = opened
    try {
      return stateIn(fs)
    } catch (error) {
      if (corruptOf(error) !== undefined && this.#isWriter(opened)) throw new Error(`${opened.name} misses something`, { cause: error })
      // Out of reach just now.
      if (!host.isDying) volume.close()
      throw error
    }
  }

  #endReading(host: Host, { id }: Known): void {
    const reading = host.reading.get(id)
    host.reading.delete(id)
    reading?.volume.close()
  }

  /** Opens a volume that another host writes, or looks whether there is something new: states come in the order in which they were made. */
  #follow(host: Host): void {
    const known = this.#oneOf([...this.#known.values()])
    if (host.open.has(known.id)) return
    host.engine.attach(known.name, LOCATION)
    const { published } = known
    const isNew = !host.reading.has(known.id)
    const reading = host.reading.get(known.id) ?? { volume: host.engine.openVolume(known.name, { readOnly: true }), state: 0 }
    // What it writes itself and has not let go of is opened to be written.
    if (!reading.volume.isReader) {
      reading.volume.close()
      return
    }
    host.reading.set(known.id, reading)
    if (!isNew) host.engine.refresh(reading.volume)
    this.counts.reads++
    const state = this.#stateRead(host, reading.volume)
    if (state === undefined) return
    if (!this.#states.includes(state, reading.state)) throw new Error(`a reader of ${known.name} went from ${reading.state} to ${state}`)
    if (!isNew && !this.#states.includes(state, published)) throw new Error(`a reader of ${known.name} is at ${state}, but ${published} was published`)
    reading.state = state
  }

  /** Undefined when what it showed was collected meanwhile. */
  #stateRead(host: Host, volume: Volume): number | undefined {
    try {
      return stateIn(shaped(volume.session))
    } catch (error) {
      if (corruptOf(error) === undefined) throw error
      if (host.engine.isStale(volume, error)) this.counts.stale++
      return undefined
    }
  }

  #mustInclude({ state, volume, name }: Opened, published: number, checkpoints: ReadonlyArray<[string, number]>): void {
    if (!this.#states.includes(state, published)) throw new Error(`${name} is at ${state}, but ${published} was published`)
    for (const [checkpoint, at] of checkpoints) expect([checkpoint, stateIn(shaped(volume.at(checkpoint)))]).toEqual([checkpoint, at])
  }

  /** What this host was told of before is there, or was set aside because another one took the volume over. */
  #compareWithOwn(host: Host, { id, state }: Opened): void {
    const before = host.acknowledged.get(id) ?? 0
    if (!this.#states.includes(state, before)) {
      this.counts.overtaken++
      this.#owed.push({ host, id, state: before })
    }
    host.acknowledged.set(id, state)
  }

  /** In one transaction: all of it, or nothing. */
  #write(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined) return
    const state = this.#states.next(opened.state)
    const session = opened.volume.begin()
    writeState(shaped(session), state)
    const result = session.commitTransaction()
    if (result < 0) {
      // Overtaken: what was acknowledged here comes with `recover`.
      this.#shut(host, opened)
      return
    }
    this.#tell(`${opened.name} written: ${state} after ${opened.state}`)
    opened.state = state
    host.acknowledged.set(opened.id, state)
  }

  #shut(host: Host, opened: Opened): void {
    this.#tell(`${opened.name} closed at ${opened.state}`)
    host.open.delete(opened.id)
    opened.volume.close()
    host.syncer.finish()
  }

  #flush(host: Host): void {
    const opened = this.#opened(host)
    const known = this.#known.get(opened?.id ?? '')
    if (opened === undefined || known === undefined) return
    opened.volume.flush()
    const { state } = opened
    const checkpoints = [...opened.checkpoints]
    const published = (): void => this.#published(known, state, checkpoints)
    host.engine.publish(opened.volume, 20_000).then(published, () => undefined)
  }

  #published(known: Known, state: number, checkpoints: ReadonlyArray<[string, number]>): void {
    this.counts.published++
    this.#tell(`${known.name} published ${state}`)
    if (this.#states.includes(state, known.published)) known.published = state
    else if (!this.#states.includes(known.published, state)) this.#failed ??= new Error(`${known.name}: both ${state} and ${known.published} were published`)
    for (const [name, at] of checkpoints) known.checkpoints.set(name, at)
  }

  #takeOver(host: Host): void {
    const free = [...this.#known.values()].filter(({ id }) => !host.open.has(id))
    if (free.length === 0) return
    this.#open(host, this.#oneOf(free), this.#pick(2) === 0 ? { steal: true } : { steal: true, force: true })
    this.counts.takeovers++
  }

  #close(host: Host): void {
    const opened = [...host.open.values()]
    if (opened.length > 0) this.#shut(host, this.#oneOf(opened))
  }

  #checkpoint(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined || opened.volume.session.readOnly) return
    const name = `c${this.#names++}`
    opened.volume.checkpoint(name)
    opened.checkpoints.set(name, opened.state)
  }

  #fork(host: Host): void {
    const opened = this.#opened(host)
    const known = this.#known.get(opened?.id ?? '')
    if (opened === undefined || known === undefined || this.#known.size > 5) return
    const saved = [...opened.checkpoints]
    const [ref, state] = saved.length > 0 && this.#pick(2) === 0 ? this.#oneOf(saved) : [undefined, opened.state]
    const name = `v${++this.#names}`
    this.#know(host.engine.fork(opened.name, ref, name).id, name, state)
    this.#tell(`${name} forked of ${opened.name} at ${state}`)
    this.counts.forks++
  }

  /** All that nobody named goes, so that there is something to collect. */
  #prune(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined) return
    opened.volume.flush()
    opened.volume.versions.prune({ keep: this.#pick(2) })
    opened.volume.flush()
  }

  /** A collection goes on while others work, in steps that lie far apart. */
  #collect(host: Host): void {
    if (host.collection === undefined) host.beginCollection()
    try {
      for (let i = this.#pick(40); i >= 0; i--) {
        if (host.collection?.next().done !== true) continue
        host.collection = undefined
        this.counts.collections++
        return
      }
    } catch (error) {
      host.collection = undefined
      throw error
    }
  }

  #read(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined) return
    // What is in memory would hide what is gone.
    opened.volume.context.packs.clearCache()
    opened.volume.context.pages.trim(0)
    expect(stateIn(opened.fs)).toBe(opened.state)
  }

  /** What was set aside becomes volumes of its own. */
  #recover(host: Host): void {
    const known = this.#oneOf([...this.#known.values()])
    const opened = host.open.get(known.id)
    if (opened !== undefined) this.#shut(host, opened)
    this.#endReading(host, known)
    host.engine.attach(known.name, LOCATION)
    const before = new Set(host.engine.volumes().map(({ id }) => id))
    try {
      host.engine.recover(known.name)
    } finally {
      if (!host.isDying)
        for (const { id, name, parent } of host.engine.volumes()) if (!before.has(id) && parent?.id === known.id) this.#foundAgain(host, known, id, name)
    }
  }

  #foundAgain(host: Host, of: Known, id: string, name: string): void {
    this.counts.recovered++
    this.#tell(`${name} recovered of ${of.name}`)
    this.#know(id, name, 0)
    const known = this.#known.get(id)
    if (known !== undefined) known.offer = { host, home: host.home, of: of.id }
  }

  #offered(known: Known, state: number): void {
    if (known.offer === undefined) return
    const { host, home, of: id } = known.offer
    known.offer = undefined
    known.published = state
    const offer = `${home} ${id} ${state}`
    const isOwed = (owed: Owed): boolean => (host === undefined || owed.host === host) && owed.id === id && this.#states.includes(state, owed.state)
    // What is offered for nothing but times of reading, or because an answer was lost, is in the volume too.
    const isThere = this.#states.includes(this.#known.get(id)?.published ?? 0, state)
    if (this.#offers.has(offer) && !isThere) throw new Error(`state ${state} of ${id} was offered twice on ${host?.name}`)
    if (this.#owed.some(isOwed)) this.#offers.add(offer)
    this.#owed = this.#owed.filter(owed => !isOwed(owed))
    // Recovered before it was missed.
    const missing = home === host?.home ? host.acknowledged.get(id) : undefined
    if (missing !== undefined && this.#states.includes(state, missing)) host?.acknowledged.delete(id)
  }

  /** Faults are over: everything drains, and all that was acknowledged is there, and whole. */
  async finish(): Promise<void> {
    this.#hasFaults = false
    this.#ms += limits.leaseMs * 10
    this.#arriveLateAll()
    for (const host of this.#hosts) {
      host.cutUntilMs = 0
      host.clockOffMs = 0
      await this.#drain(host)
    }
    this.#findRecovered()
    for (const host of this.#hosts) for (const known of [...this.#known.values()]) this.#recoverAll(host, known)
    expect(this.#owed.map(({ host, id, state }) => `${host.name} ${id} ${state}`)).toEqual([])
    for (const host of this.#hosts) host.close()
    this.#checkAll()
    this.#collectAll()
    this.#checkAll()
    expect(this.#epochs.shared).toEqual([])
    rmSync(this.folder, { recursive: true, force: true })
  }

  #arriveLateAll(): void {
    while (this.#late.length > 0) this.#arriveLate()
  }

  async #drain(host: Host): Promise<void> {
    host.collection?.return(undefined as never)
    host.collection = undefined
    for (const opened of [...host.open.values()]) this.#shut(host, opened)
    for (const known of this.#known.values()) this.#endReading(host, known)
    for (let i = 0; i < 50; i++) {
      host.syncer.finish()
      host.engine.pump(100)
      while (host.step());
      this.#ms += limits.publishRetryMaxMs
      await new Promise(resolve => setImmediate(resolve))
    }
    if (this.#failed !== undefined) throw this.#failed
  }

  /** Of hosts that were killed after they had made them. */
  #findRecovered(): void {
    for (const key of allKeys(this.store, 'volumes/')) {
      const { volume, name, parent, deletedMs } = decodeHead(this.store.getSync(key)?.bytes ?? new Uint8Array())
      if (this.#known.has(volume) || deletedMs !== undefined || parent === undefined || !name.includes('-recovered')) continue
      this.#know(volume, name, 0)
      const known = this.#known.get(volume)
      if (known !== undefined) known.offer = { home: '', of: parent.id }
    }
  }

  #recoverAll(host: Host, known: Known): void {
    this.#stack.push(host)
    try {
      const opened = this.#open(host, known, { steal: true, force: true })
      this.#shut(host, opened)
      for (const { id, name } of host.engine.recover(known.name)) this.#foundAgain(host, known, id, name)
      for (const one of this.#known.values()) if (one.offer !== undefined) this.#open(host, one, { force: true })
      for (const one of [...host.open.values()]) this.#shut(host, one)
      expect(host.engine.recover(known.name)).toEqual([])
    } finally {
      this.#stack.pop()
    }
  }

  /** By a host that has nothing of it yet. */
  #checkAll(): void {
    const fresh = this.#addHost('fresh')
    this.#hosts.pop()
    this.#stack.push(fresh)
    for (const known of this.#known.values()) {
      const opened = this.#open(fresh, known, { force: true })
      this.#mustInclude(opened, known.published, [...known.checkpoints])
      expect(opened.volume.fsck()).toMatchObject({ ok: true, findings: [] })
      this.#shut(fresh, opened)
    }
    fresh.close()
    this.#stack.pop()
  }

  #collectAll(): void {
    const host = this.#hosts[0]
    this.#stack.push(host)
    for (let i = 0; i < 2; i++) {
      this.#ms += 8 * 24 * HOUR
      host.beginCollection(true)
      while (host.collection?.next().done === false);
    }
    host.collection = undefined
    this.#stack.pop()
  }
}

function corruptOf(error: unknown): CorruptError | undefined {
  const { cause } = error as { cause?: unknown }
  if (error instanceof CorruptError) return error
  return cause instanceof CorruptError ? cause : undefined
}

function strideOf(epoch: number): number {
  return Math.floor(epoch / limits.epochStride)
}

const EXPECTED = new Set([
  'EROFS',
  'EIO',
  'ERR_STORE_UNREACHABLE',
  'ERR_STORE_UNCERTAIN',
  'ERR_LEASE_HELD',
  'ERR_LEASE_LOST',
  'ERR_FENCED',
  'ERR_VOLUME_BUSY',
  'ERR_GC_RUNNING',
  'ERR_CONFLICT',
  'ERR_PRECONDITION',
])
