import { expect } from 'vitest'
import { PageMiss } from '../../src/errors.js'
import { FileSystem, type FileSystemApi } from '../../src/fs/index.js'
import { MemoryStore } from '../../src/store/memory/index.js'
import type { RemoteStore } from '../../src/store/remote/remote-store.js'
import { Engine } from '../../src/volume/engine.js'
import type { Volume } from '../../src/volume/volume.js'
import { LOCATION } from './hosts/host.js'
import { SimulatedLine } from './hosts/line.js'
import { STORE_ID } from './hosts/secret.js'
import { seeded } from './seeded.js'

/** More than any operation here reads. */
const MANY = 400
/** Names are looked for in the tree. */
const FEW_NAMES = { nameCacheEntries: 1 }

/** A volume in a store elsewhere. */
export class Side {
  readonly engine: Engine
  readonly volume: Volume
  readonly live: FileSystemApi
  readonly #line: SimulatedLine
  readonly #store: RemoteStore
  /** Reads of the store that go well before one is missing. */
  #left = Number.POSITIVE_INFINITY
  missed = 0
  readonly #kept: number[] = []
  #transaction: ReturnType<Volume['begin']> | undefined
  #inTransaction: FileSystemApi | undefined

  constructor(home: string, clock: { now: () => number; monotonic: () => number }) {
    const random = seeded(7)
    const store = new MemoryStore(clock)
    const nothing = { info: { id: STORE_ID }, damaged: () => {}, isCut: () => false, fault: () => false, between: () => {}, later: () => {} }
    this.#line = new SimulatedLine({ store, pick: () => 1, ...nothing })
    const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random(256)))
    this.engine = Engine.open({ home, clock, random: { bytes }, bootId: 'boot', actor: 'me', line: () => this.#line })
    this.engine.create('w', { store: LOCATION })
    this.volume = this.engine.openVolume('w')
    this.live = new FileSystem(this.volume.session, FEW_NAMES)
    this.#store = this.volume.context.store as RemoteStore
    const read = this.#store.readSync.bind(this.#store)
    this.#store.readSync = (...args) => {
      if (this.#store.mayMiss && this.#left-- <= 0) throw new PageMiss(() => {})
      return read(...args)
    }
  }

  keep(ino: number): number {
    const result = this.live.open(ino, 0)
    if (result === 0) this.#kept.push(ino)
    return result
  }

  letGo(): void {
    const ino = this.#kept[0]
    if (ino === undefined) return
    this.live.release(ino)
    this.#kept.shift()
  }

  get fs(): FileSystemApi {
    return this.#inTransaction ?? this.live
  }

  begin(): void {
    this.#transaction = this.volume.begin()
    this.#inTransaction = new FileSystem(this.#transaction, FEW_NAMES)
  }

  commit(): void {
    expect(this.#transaction?.commitTransaction()).toBe(0)
    this.#inTransaction = undefined
  }

  /** All that was changed is stored, and nothing of the store in memory. */
  cool(): void {
    this.volume.flush()
    this.#chill()
  }

  #chill(): void {
    this.volume.context.pages.trim(0)
    this.volume.context.packs.clearCache()
  }

  /** Goes on with work that goes on where it stood, with a miss at each of its reads. */
  resuming<T>(step: () => T): T {
    this.#chill()
    for (let reads = 0; reads < MANY; reads++) {
      this.#left = 1
      this.#store.mayMiss = true
      try {
        return step()
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error
        this.missed++
      } finally {
        this.#store.mayMiss = false
      }
    }
    throw new Error('work never got through')
  }

  /** Runs an operation with a miss at each of its reads in turn; then whole. */
  missing<T>(operation: (side: Side) => T): T {
    for (let reads = 0; reads < MANY; reads++) {
      this.#chill()
      this.#left = reads
      this.#store.mayMiss = true
      const { sequence } = this.volume.session
      const { inodes, bytes } = this.volume.session.usage
      try {
        return operation(this)
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error
        this.missed++
        this.fs.session.discard()
        expect(this.volume.session.sequence).toBe(sequence)
        expect(this.volume.session.usage).toEqual({ inodes, bytes })
      } finally {
        this.#store.mayMiss = false
      }
    }
    throw new Error('an operation never got through')
  }
}
