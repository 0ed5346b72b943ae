import { rmSync } from 'node:fs'
import { expect } from 'vitest'
import { decodeHead } from '../../../src/codec/head.js'
import { mergeFork, rebaseFork } from '../../../src/history/merge/merge.js'
import { limits } from '../../../src/sys/index.js'
import { HeadFile } from '../../../src/volume/head.js'
import { allKeys } from '../../../src/volume/names.js'
import type { OpenOptions } from '../../../src/volume/pool.js'
import type { Volume } from '../../../src/volume/volume.js'
import { anyChange, type Change, ownFile, ownText, patched, replaced } from './changes.js'
import { type Host, LOCATION, type Opened, shaped } from './host.js'
import { plainBytes } from './secret.js'
import { corruptOf, HOUR, Stage } from './stage.js'
import { States } from './states.js'

/** What everybody was told of a volume. */
interface Known {
  id: string
  name: string
  /** The state of the last flush that was acknowledged: whoever opens the volume must see it, or what came of it. */
  published: number
  /** Of those the last that a head has: readers see no log. */
  sealed: number
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
export class World extends Stage {
  readonly #states = new States()
  readonly #known = new Map<string, Known>()
  #owed: Owed[] = []
  /** By host and volume: states that `recover` has offered. */
  readonly #offers = new Set<string>()
  #names = 0

  protected isExpected(host: Host, error: unknown): boolean {
    if (corruptOf(error) !== undefined) return host.damagedTurns > 0 || !this.#hasAll(host)
    const code = String((error as { code?: string }).code)
    return EXPECTED.has(code) || (code === 'ERR_FORMAT' && host.damagedTurns > 0)
  }

  /** It is the writer of all that it has open: nobody may have collected what it needs. */
  #hasAll(host: Host): boolean {
    return [...host.open.values()].every(opened => this.#isWriter(opened)) && host.reading.size === 0
  }

  #isWriter({ id, volume }: Pick<Opened, 'id' | 'volume'>): boolean {
    const key = HeadFile.key(id)
    const found = this.store.getSync(key)
    return found !== undefined && strideOf(decodeHead(plainBytes(this.secret, key, found.bytes)).epoch) === strideOf(volume.head.value.epoch)
  }

  protected begin(host: Host): void {
    this.#create(host, 'v0')
  }

  protected step(host: Host): void {
    const kind = this.pick(110)
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
    else if (kind < 95) this.#follow(host)
    else if (kind < 97) this.#recover(host)
    else if (kind < 101) this.#merge(host)
    else if (kind < 105) this.#hold(host)
    else this.misfortune(host, kind - 105)
  }

  protected override lose(host: Host): void {
    this.#owed = this.#owed.filter(owed => owed.host !== host)
    super.lose(host)
  }

  #pump(host: Host): void {
    host.syncer.finish()
    for (let i = this.pick(6); i >= 0; i--) host.step()
    host.engine.pump(4)
  }

  #create(host: Host, name: string): void {
    this.#know(host.engine.create(name, { store: LOCATION }).id, name, 0)
  }

  #know(id: string, name: string, published: number): void {
    this.#known.set(id, { id, name, published, sealed: published, checkpoints: new Map() })
  }

  /** One of the volumes, open on this host; by force where it is told to. */
  #opened(host: Host, options: OpenOptions = {}): Opened | undefined {
    if (this.#known.size === 0) return undefined
    const known = this.oneOf([...this.#known.values()])
    const open = host.open.get(known.id)
    return open ?? this.#open(host, known, options)
  }

  #open(host: Host, known: Known, options: OpenOptions): Opened {
    host.engine.attach(known.name, LOCATION)
    this.#endReading(host, known)
    // What is acknowledged while it is being opened may come too late for it.
    const { published } = known
    const checkpoints = [...known.checkpoints]
    const volume = host.engine.openVolume(known.name, { ...options, ...(this.pick(3) === 0 ? { durability: 'remote' } : {}) })
    const opened: Opened = { id: known.id, name: known.name, volume, fs: shaped(volume.session), state: 0, checkpoints: new Map() }
    opened.state = this.#stateOpened(host, opened)
    host.open.set(known.id, opened)
    this.tell(`${known.name} opened at ${opened.state}, epoch ${volume.head.value.epoch} ${JSON.stringify(options)}`)
    if (this.#isWriter(opened)) this.#mustInclude(opened, published, checkpoints)
    this.#compareWithOwn(host, opened)
    if (known.offer !== undefined) this.#offered(known, opened.state)
    return opened
  }

  #stateOpened(host: Host, opened: Opened): number {
    const { volume, fs } = opened
    try {
      return this.#states.in(fs)
    } catch (error) {
      if (corruptOf(error) !== undefined && host.damagedTurns === 0 && this.#isWriter(opened))
        throw new Error(`${opened.name} misses something`, { cause: error })
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
    const known = this.oneOf([...this.#known.values()])
    if (host.open.has(known.id)) return
    host.engine.attach(known.name, LOCATION)
    const { sealed } = known
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
    if (!this.#states.includes(known.id, state, reading.state)) throw new Error(`a reader of ${known.name} went from ${reading.state} to ${state}`)
    if (!isNew && !this.#states.includes(known.id, state, sealed)) throw new Error(`a reader of ${known.name} is at ${state}, but ${sealed} was published`)
    reading.state = state
  }

  /** Undefined when what it showed was collected meanwhile. */
  #stateRead(host: Host, volume: Volume): number | undefined {
    try {
      return this.#states.in(shaped(volume.session))
    } catch (error) {
      if (corruptOf(error) === undefined || host.damagedTurns > 0) throw error
      if (host.engine.isStale(volume, error)) this.counts.stale++
      return undefined
    }
  }

  #mustInclude({ id, state, volume, name }: Opened, published: number, checkpoints: ReadonlyArray<[string, number]>): void {
    if (!this.#states.includes(id, state, published)) throw new Error(`${name} is at ${state}, but ${published} was published`)
    for (const [checkpoint, at] of checkpoints) expect([checkpoint, this.#states.in(shaped(volume.at(checkpoint)))]).toEqual([checkpoint, at])
  }

  /** What this host was told of before is there, or was set aside because another one took the volume over. */
  #compareWithOwn(host: Host, { id, state }: Opened): void {
    const before = host.acknowledged.get(id) ?? 0
    if (!this.#states.includes(id, state, before)) {
      this.counts.overtaken++
      this.#owed.push({ host, id, state: before })
    }
    host.acknowledged.set(id, state)
  }

  #write(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined) return
    const own = ownFile(opened.id)
    const isWhole = this.pick(3) > 0 || !this.#states.tree(opened.state).has(own)
    const isWritten = isWhole ? this.#transaction(host, opened, own) : this.#operations(host, opened, own)
    // Overtaken: what was acknowledged here comes with `recover`.
    if (!isWritten) this.#shut(host, opened)
    else if (opened.volume.durability === 'remote') this.#wait(opened)
  }

  /** In one transaction: all of it, or nothing. */
  #transaction(host: Host, opened: Opened, own: string): boolean {
    const state = this.#states.next(opened.state)
    const session = opened.volume.begin()
    const fs = shaped(session)
    let tree = this.#states.tree(opened.state)
    const run = (change: Change | undefined): void => {
      if (change !== undefined) this.tell(`in ${state}: ${change.text}`)
      change?.run(fs)
      tree = change?.after ?? tree
    }
    run(replaced(tree, own, ownText(state)))
    for (let i = this.pick(5); i >= 0; i--) run(anyChange(tree, this.pick, state))
    this.#states.is(state, tree)
    if (this.pick(3) === 0) opened.volume.commitTransaction(session, { message: `state ${state}` })
    else if (session.commitTransaction() < 0) return false
    this.#wrote(host, opened, state)
    return true
  }

  /** One change that is a batch of its own after another: each leaves a state. */
  #operations(host: Host, opened: Opened, own: string): boolean {
    const text = this.#states.next(opened.state)
    if (!this.#one(host, opened, text, patched(this.#states.tree(opened.state), own, ownText(text), 0))) return false
    const change = anyChange(this.#states.tree(text), this.pick, text)
    return change?.isOne !== true || this.#one(host, opened, this.#states.next(text), change)
  }

  /** False where another host has taken the volume. */
  #one(host: Host, opened: Opened, state: number, change: Change): boolean {
    this.#states.is(state, change.after)
    try {
      change.run(opened.fs)
    } catch (error) {
      if ((error as { code?: string }).code === 'EROFS') return false
      throw error
    }
    this.tell(change.text)
    this.#wrote(host, opened, state)
    return true
  }

  #wrote(host: Host, opened: Opened, state: number): void {
    this.tell(`${opened.name} written: ${state} after ${opened.state}`)
    opened.state = state
    host.acknowledged.set(opened.id, state)
  }

  /** Until it is in the store, or meanwhile others go on. */
  #wait(opened: Opened): void {
    const known = this.#known.get(opened.id)
    if (known === undefined || this.pick(4) === 0) return
    const { state, volume } = opened
    const checkpoints = [...opened.checkpoints]
    const stored = (): void => {
      this.counts.logged++
      this.#published(known, state, checkpoints)
    }
    if (this.pick(3) === 0) volume.session.stored().then(stored, () => undefined)
    else if (volume.session.syncNow() === 0) stored()
  }

  /** Brings what one volume has into another, or the other way round, whoever made them. */
  #merge(host: Host): void {
    const opened = this.#opened(host)
    const known = this.oneOf([...this.#known.values()])
    if (opened === undefined || opened.volume.session.readOnly || known.id === opened.id || host.reading.has(known.id)) return
    const other = host.open.get(known.id) ?? this.#open(host, known, {})
    this.#states.merging(opened.id, opened.state, other.state)
    const resolution = this.pick(2) === 0 ? 'ours' : 'theirs'
    const how = this.pick(2) === 0 ? mergeFork : rebaseFork
    const { state } = how(opened.volume, other.volume, { resolution })
    const made = this.#states.in(opened.fs)
    this.tell(`${how.name} of ${other.name} at ${other.state} into ${opened.name}: ${state}, ${made}`)
    expect([opened.name, opened.state, made, this.#states.includes(opened.id, made, opened.state)]).toEqual([opened.name, opened.state, made, true])
    this.counts.merges++
    this.#wrote(host, opened, made)
  }

  /** Opens a view of the past, or of now, or looks whether one that is open still shows the same. */
  #hold(host: Host): void {
    if (host.held.length < 3 && this.pick(host.held.length + 1) === 0) {
      const opened = this.#opened(host)
      if (opened !== undefined) this.#holdMore(host, opened)
      return
    }
    const [held] = host.held.splice(this.pick(host.held.length), 1)
    const { volume } = held
    volume.context.packs.clearCache()
    volume.context.pages.trim(0)
    this.counts.held++
    try {
      expect(this.#states.in(shaped(held.session))).toBe(held.state)
    } catch (error) {
      if (corruptOf(error) === undefined || host.damagedTurns > 0) throw error
      // Its own commits may be pruned, and all of it be another's by now.
      if (this.#isWriter(held)) throw new Error(`a view of ${held.state} misses something`, { cause: error })
      this.counts.missed++
    }
  }

  #holdMore(host: Host, { id, volume, state, checkpoints }: Opened): void {
    const saved = [...checkpoints]
    const kind = this.pick(3)
    if (kind === 2 && volume.commits({ limit: 2 }).length === 2) {
      // Of a commit that nobody named: it is not pruned while this is open.
      const session = volume.at('~1')
      host.held.push({ id, volume, session, state: this.#states.in(shaped(session)) })
    } else if (saved.length === 0 || kind === 0) host.held.push({ id, volume, session: volume.begin(), state })
    else {
      const [name, at] = this.oneOf(saved)
      host.held.push({ id, volume, session: volume.at(name), state: at })
    }
  }

  #shut(host: Host, opened: Opened): void {
    this.tell(`${opened.name} closed at ${opened.state}`)
    host.open.delete(opened.id)
    host.held = host.held.filter(({ volume }) => volume !== opened.volume)
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
    const published = (): void => {
      this.#published(known, state, checkpoints)
      if (this.#states.includes(known.id, state, known.sealed)) known.sealed = state
    }
    host.engine.publish(opened.volume, 20_000).then(published, () => undefined)
  }

  #published(known: Known, state: number, checkpoints: ReadonlyArray<[string, number]>): void {
    this.counts.published++
    this.tell(`${known.name} published ${state}`)
    if (this.#states.includes(known.id, state, known.published)) known.published = state
    else if (!this.#states.includes(known.id, known.published, state))
      this.failed ??= new Error(`${known.name}: both ${state} and ${known.published} were published`)
    for (const [name, at] of checkpoints) known.checkpoints.set(name, at)
  }

  #takeOver(host: Host): void {
    const free = [...this.#known.values()].filter(({ id }) => !host.open.has(id))
    if (free.length === 0) return
    this.#open(host, this.oneOf(free), this.pick(2) === 0 ? { steal: true } : { steal: true, force: true })
    this.counts.takeovers++
  }

  #close(host: Host): void {
    const opened = [...host.open.values()]
    if (opened.length > 0) this.#shut(host, this.oneOf(opened))
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
    const [ref, state] = saved.length > 0 && this.pick(2) === 0 ? this.oneOf(saved) : [undefined, opened.state]
    const name = `v${++this.#names}`
    this.#know(host.engine.fork(opened.name, ref, name).id, name, state)
    this.tell(`${name} forked of ${opened.name} at ${state}`)
    this.counts.forks++
  }

  /** All that nobody named goes, so that there is something to collect. */
  #prune(host: Host): void {
    const opened = this.#opened(host)
    if (opened === undefined) return
    opened.volume.flush()
    opened.volume.versions.prune({ keep: this.pick(2) })
    opened.volume.flush()
  }

  /** A collection goes on while others work, in steps that lie far apart. */
  #collect(host: Host): void {
    if (host.collection === undefined) host.beginCollection()
    try {
      for (let i = this.pick(40); i >= 0; i--) {
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
    expect(this.#states.in(opened.fs)).toBe(opened.state)
  }

  /** What was set aside becomes volumes of its own. */
  #recover(host: Host): void {
    const known = this.oneOf([...this.#known.values()])
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
    this.tell(`${name} recovered of ${of.name}`)
    this.#know(id, name, 0)
    const known = this.#known.get(id)
    if (known !== undefined) known.offer = { host, home: host.home, of: of.id }
  }

  #offered(known: Known, state: number): void {
    if (known.offer === undefined) return
    const { host, home, of: id } = known.offer
    known.offer = undefined
    known.published = state
    known.sealed = state
    const offer = `${home} ${id} ${state}`
    const isOwed = (owed: Owed): boolean => (host === undefined || owed.host === host) && owed.id === id && this.#states.includes(id, state, owed.state)
    // What is offered for nothing but times of reading, or because an answer was lost, is in the volume too.
    const isThere = this.#states.includes(id, this.#known.get(id)?.published ?? 0, state)
    if (this.#offers.has(offer) && !isThere) throw new Error(`state ${state} of ${id} was offered twice on ${host?.name}`)
    if (this.#owed.some(isOwed)) this.#offers.add(offer)
    this.#owed = this.#owed.filter(owed => !isOwed(owed))
    // Recovered before it was missed.
    const missing = home === host?.home ? host.acknowledged.get(id) : undefined
    if (missing !== undefined && this.#states.includes(id, state, missing)) host?.acknowledged.delete(id)
  }

  /** Faults are over: everything drains, and all that was acknowledged is there, and whole. */
  async finish(): Promise<void> {
    this.endFaults()
    this.ms += limits.leaseMs * 10
    for (const host of this.hosts) await this.#drain(host)
    this.#findRecovered()
    for (const host of this.hosts) for (const known of [...this.#known.values()]) this.#recoverAll(host, known)
    expect(this.#owed.map(({ host, id, state }) => `${host.name} ${id} ${state}`)).toEqual([])
    for (const host of this.hosts) host.close()
    this.#checkAll()
    this.#collectAll()
    this.#checkAll()
    expect(this.epochs.shared).toEqual([])
    rmSync(this.folder, { recursive: true, force: true })
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
      this.ms += limits.publishRetryMaxMs
      await new Promise(resolve => setImmediate(resolve))
    }
    if (this.failed !== undefined) throw this.failed
  }

  /** Of hosts that were killed after they had made them. */
  #findRecovered(): void {
    for (const key of allKeys(this.store, 'volumes/')) {
      if (!key.endsWith('/head')) continue
      const { volume, name, parent, deletedMs } = decodeHead(plainBytes(this.secret, key, this.store.getSync(key)?.bytes ?? new Uint8Array()))
      if (this.#known.has(volume) || deletedMs !== undefined || parent === undefined || !name.includes('-recovered')) continue
      this.#know(volume, name, 0)
      const known = this.#known.get(volume)
      if (known !== undefined) known.offer = { home: '', of: parent.id }
    }
  }

  #recoverAll(host: Host, known: Known): void {
    this.stack.push(host)
    try {
      const opened = this.#open(host, known, { steal: true, force: true })
      this.#shut(host, opened)
      for (const { id, name } of host.engine.recover(known.name)) this.#foundAgain(host, known, id, name)
      for (const one of this.#known.values()) if (one.offer !== undefined) this.#open(host, one, { force: true })
      for (const one of [...host.open.values()]) this.#shut(host, one)
      expect(host.engine.recover(known.name)).toEqual([])
    } finally {
      this.stack.pop()
    }
  }

  /** By a host that has nothing of it yet. */
  #checkAll(): void {
    const fresh = this.addHost('fresh')
    this.hosts.pop()
    this.stack.push(fresh)
    for (const known of this.#known.values()) {
      const opened = this.#open(fresh, known, { force: true })
      this.#mustInclude(opened, known.published, [...known.checkpoints])
      expect(opened.volume.fsck()).toMatchObject({ ok: true, findings: [] })
      this.#shut(fresh, opened)
    }
    fresh.close()
    this.stack.pop()
  }

  #collectAll(): void {
    const host = this.hosts[0]
    this.stack.push(host)
    for (let i = 0; i < 2; i++) {
      this.ms += 8 * 24 * HOUR
      host.beginCollection(true)
      while (host.collection?.next().done === false);
    }
    host.collection = undefined
    this.stack.pop()
  }
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
  // One that was overtaken before both had a commit in common; one that was pruned.
  'ERR_MERGE_UNRELATED',
  'ERR_COMMIT_PRUNED',
])
