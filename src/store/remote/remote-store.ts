import { existsSync, linkSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Coding, plainCoding } from '../../codec/coding.js'
import { packIdOf } from '../../codec/pack.js'
import { CairnError, PageMiss } from '../../errors.js'
import { limits, makeFolders, systemClock } from '../../sys/index.js'
import type { WakerHandle } from '../../sys/waker.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { type DirectoryStore, openDirectoryStore } from '../directory/index.js'
import type { CredentialVariables } from '../environment.js'
import { unlessRefused } from '../keys.js'
import { isAway, unreachable } from '../remote-errors.js'
import { STORE_INFO_KEY } from '../store-info.js'
import { formatStoreUrl, type StoreLocation } from '../url.js'
import { openedObject, plainInfo, plainPage, sealedObject } from '../wrap/sealed-store.js'
import { type CacheStats, PackCache } from './cache.js'
import { CacheSpace } from './cache-space.js'
import type { ChunkPlace } from './chunks.js'
import { mergedPage } from './merged-page.js'
import { Outbox } from './outbox.js'
import type { Brought, Done, LocalPack, StoreCalls, StoreLine } from './protocol.js'
import { StoreThread } from './thread-client.js'

export interface RemoteStoreOptions {
  location: StoreLocation
  /** Of its `store.json`. */
  id: string
  /** This host's folder for it: what is not published yet, and the cache. */
  folder: string
  /** What the cache may take on the disk, from now on and for all processes; without it, what was said last. */
  cacheBytes?: number
  /** Wakes this thread when an answer came that it does not wait for. */
  waker?: WakerHandle
  /** Called when promises were settled. */
  onSettled?: () => void
  /** Told that the store is out of reach, and why; then that it answers again. */
  onAway?: (error: CairnError) => void
  onBack?: () => void
  /** Of the store, where it was started already. */
  thread?: StoreLine
  coding?: Coding
  /**
   * Beside the engine of this home, whose packs can be read while they wait; but they are in no listing, and neither stored nor deleted from here: what
   * nothing in the store needs may be needed by what this host has not published.
   */
  collects?: boolean
}

/** An object that this host alone changes for a time: read and written here, and stored elsewhere by `publish`. */
interface Held {
  /** Version of what is stored. */
  version: string
  /** The bytes here are newer. */
  isNewer: boolean
  publishing: boolean
}

/**
 * A store elsewhere, with what this host has of it. Packs that are written here are durable here at once and wait in the outbox; `publish` stores them, and then
 * the object that names them. Reads go through a cache. Other small objects are read and written where the store is; this thread waits for that.
 * What is not reachable fails with ERR_STORE_UNREACHABLE, after a time at first, then at once, until the store has answered somebody who waits in the background.
 */
export class RemoteStore extends AsyncLocal {
  readonly description: string
  readonly id: string
  readonly cache: PackCache
  readonly coding: Coding
  mayMiss = false
  readonly #thread: StoreLine
  readonly #local: DirectoryStore
  readonly #outbox: Outbox
  readonly #collects: boolean
  readonly #held = new Map<string, Held>()
  /** Packs that are on their way before anything names them, and who waits for that. */
  readonly #storing = new Map<string, Array<Done<void>>>()
  /** Why the store is out of reach; its thread watches for it then. */
  #away: CairnError | undefined
  #isWatched = false
  #reachedMs = Number.NEGATIVE_INFINITY
  #isFelt = false
  /** Objects as they were when somebody knocked. */
  readonly #knocked = new Map<string, StoredObject | undefined>()
  /** How often it answered again after it had been out of reach. */
  recoveries = 0
  readonly #onAway: (error: CairnError) => void
  readonly #onBack: () => void
  /** Why the last attempt of a request failed that is made again. */
  #trouble: Error | undefined

  constructor(options: RemoteStoreOptions) {
    super()
    const { location, id, folder } = options
    this.#onAway = options.onAway ?? (() => {})
    this.#onBack = options.onBack ?? (() => {})
    this.description = formatStoreUrl(location)
    this.id = id
    this.coding = options.coding ?? plainCoding
    const cache = join(folder, 'cache')
    this.#thread = options.thread ?? new StoreThread(location, options)
    this.#thread.onTrouble = error => {
      this.#trouble = error
    }
    this.#thread.cacheIn(cache, id)
    this.#local = openDirectoryStore(join(folder, 'local'), { create: true })
    this.#collects = options.collects === true
    this.#outbox = new Outbox(this.#local, join(folder, 'local'), this.#collects)
    const space = new CacheSpace(cache, id)
    if (options.cacheBytes !== undefined) limitIfPossible(space, options.cacheBytes)
    // How much that is: no more than a part of it is fetched ahead.
    else space.use()
    this.cache = new PackCache(space, {
      fetch: (key, chunk, asBytes) => (this.mayMiss ? this.#miss(key, chunk) : this.#ask('fetch', key, chunk, asBytes)),
      expect: (key, first, count) => {
        if (this.#away === undefined) this.#thread.tell('prefetch', key, first, count)
      },
      arrived: this.#thread.arrived,
    })
  }

  /** Why the store could not be reached the last time; undefined when it could. */
  get unreachable(): Error | undefined {
    return this.#away ?? this.#trouble
  }

  /** Nobody asks it: who did would be answered at once that it is not there. */
  get isAway(): boolean {
    if (this.#away !== undefined) this.#thread.takeAnswers()
    return this.#away !== undefined
  }

  /** Asks the store for its id. @throws CairnError ERR_STORE_REPLACED, ERR_STORE_UNREACHABLE */
  check(): void {
    this.#ask('check')
  }

  get cacheStats(): CacheStats {
    return this.cache.stats
  }

  /** Bytes that only this host has, of a volume's packs. @param key of its head */
  unpublishedBytesOf(key: string): number {
    return this.#outbox.bytesOf(packsOf(key))
  }

  #ask<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]> {
    this.checkReach()
    try {
      const result = this.#thread.callSync(op, ...args)
      this.#reached()
      return result
    } catch (error) {
      throw this.#heard(error)
    }
  }

  /** Credentials are looked for there from now on, when those that there are are refused. */
  useCredentials(variables: CredentialVariables): void {
    this.#thread.callSync('useCredentials', variables)
  }

  /** @throws CairnError ERR_STORE_UNREACHABLE while nobody waits for it */
  checkReach(): void {
    if (this.isAway) throw this.#away
  }

  /**
   * Tries the store out, as when it was made (`probe`), or asks it whether it is the one that this host knows, and what the credentials allow. Nobody waits in
   * this thread.
   * @throws CairnError ERR_STORE_UNREACHABLE after `limits.storeCheckMs`, ERR_STORE_UNFIT, ERR_STORE_REPLACED, ERR_STORE_ACCESS …
   */
  async tryOut(probe: boolean): Promise<{ roundTripMs: number }> {
    const { roundTripMs } = await this.#soon('look')
    return probe ? this.#soon('probe') : { roundTripMs }
  }

  #soon<Op extends 'look' | 'probe'>(op: Op): Promise<ReturnType<StoreCalls[Op]>> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(this.unreachable ?? unreachable(this.description, 'it did not answer in time')), limits.storeCheckMs)
      this.#request(op, [] as Parameters<StoreCalls[Op]>, (error, result) => {
        clearTimeout(late)
        if (error === undefined) resolve(result as ReturnType<StoreCalls[Op]>)
        else reject(error)
      })
    })
  }

  /** Asks, and goes on; see `StoreLine.request`. */
  #request<Op extends keyof StoreCalls>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>): void {
    this.#thread.request(op, args, (error, result) => {
      if (error === undefined) this.#reached()
      else this.#heard(error)
      done(error, result)
    })
  }

  /**
   * Finds out whether the store answers, by asking for an object that is wanted next; nobody waits in this thread. Whoever asks then, and waits, is not kept
   * by a store that is out of reach.
   * @returns undefined where it answered a moment ago, or is known not to; else it resolves when that is known. `storedSync` of the key is answered with what came
   * until `forgetKnock`
   */
  knock(key: string): Promise<void> | undefined {
    if (this.isAway || systemClock.monotonic() - this.#reachedMs < limits.storeKnockMs) return undefined
    return new Promise(resolve => {
      this.#request('knock', [key], (error, stored) => {
        if (error === undefined) this.#knocked.set(key, stored)
        resolve()
      })
    })
  }

  /** Finds out whether the store answers, where nobody has asked it lately, for whoever looks next how it stands. Nobody waits. */
  feel(): void {
    if (this.isAway || this.#isFelt || systemClock.monotonic() - this.#reachedMs < limits.storeKnockMs) return
    this.#isFelt = true
    const done = (error: Error | undefined): void => {
      this.#isFelt = false
      if (error === undefined) this.#reached()
      else this.#heard(error)
    }
    this.#thread.request('knock', [STORE_INFO_KEY], done, true)
  }

  /** What came with a knock is too old for whoever comes next. */
  forgetKnock(): void {
    this.#knocked.clear()
  }

  #reached(): void {
    this.#trouble = undefined
    this.#reachedMs = systemClock.monotonic()
    if (this.#away === undefined) return
    this.#away = undefined
    this.recoveries++
    this.#onBack()
  }

  #heard<T>(error: T): T {
    if (!isAway(error)) {
      if (error instanceof CairnError) this.#reached()
      return error
    }
    if (this.#away === undefined) this.#onAway(error)
    this.#away = error
    this.#watch()
    return error
  }

  /** Nobody waits for a store that is out of reach: its thread says when it answers again. */
  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const done = (error: Error | undefined): void => {
      this.#isWatched = false
      if (error === undefined) this.#reached()
    }
    this.#thread.request('awaitStore', [], done, true)
  }

  #miss(key: string, chunk: number): never {
    this.checkReach()
    throw new PageMiss(done => {
      this.#request('fetch', [key, chunk], (error, found) => {
        if (found instanceof Uint8Array) this.cache.remember(key, chunk, found)
        done(error === undefined && (found instanceof Uint8Array || Number(found) > 0))
      })
    })
  }

  /** Asks the store itself and goes on; `done` is called from the event loop, or from `waitUntil`. */
  later<Op extends 'get' | 'put' | 'delete' | 'list'>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>): void {
    const { cipher } = this.coding
    const [key, bytes, options] = args as Parameters<StoreCalls['put']>
    if (op === 'get') this.#get(key, {}, done as Done<StoredObject | undefined>)
    else if (op === 'put') this.#request('put', [key, this.#sealed(key, bytes), options], done as Done<{ version: string }>)
    else if (op === 'list') this.#request('list', [key], (error, page) => (done as Done<ListPage>)(error, page && plainPage(cipher, page)))
    else this.#request(op, args, done)
  }

  #get(key: string, options: Pick<GetOptions, 'unlessVersion'>, done: Done<StoredObject | undefined>): void {
    this.#request('get', [key, options], (failed, stored) => {
      let error = failed
      let found: StoredObject | undefined
      try {
        found = this.#opened(key, stored)
      } catch (damage) {
        error ??= damage as Error
      }
      done(error, found)
    })
  }

  /** Waits, and takes answers to what was asked with `later`, until `isDone`. @throws CairnError ERR_STORE_UNREACHABLE when none comes in time */
  waitUntil(isDone: () => boolean): void {
    this.#thread.waitUntil(isDone)
  }

  /** What is stored under each of these keys, asked for at once. @throws what the first of them that failed threw */
  storedAllSync(keys: readonly string[]): Array<StoredObject | undefined> {
    const found: Array<StoredObject | undefined> = []
    let [left, failed] = [keys.length, undefined as Error | undefined]
    keys.forEach((key, i) => {
      this.#get(key, {}, (error, object) => {
        left--
        failed ??= error
        found[i] = object
      })
    })
    this.#thread.waitUntil(() => left === 0)
    if (failed !== undefined) throw failed
    return found
  }

  /** Stores a small object where none is, past the outbox. False when one is there. */
  createSync(key: string, bytes: Uint8Array): boolean {
    this.#changes()
    return unlessRefused(() => this.#ask('put', key, this.#sealed(key, bytes), { ifAbsent: true })) !== undefined
  }

  getSync(key: string, options: GetOptions = {}): StoredObject | undefined {
    return this.#held.has(key) || this.#outbox.has(key) ? this.#opened(key, this.#local.getSync(key, options)) : this.storedSync(key, options)
  }

  /** An object as it is stored, and kept here. */
  #sealed(key: string, bytes: Uint8Array): Uint8Array {
    return sealedObject(this.coding.cipher, key, bytes)
  }

  #opened(key: string, found: StoredObject | undefined): StoredObject | undefined {
    return openedObject(this.coding.cipher, key, found)
  }

  /** What is stored elsewhere, whatever is newer here. */
  storedSync(key: string, { range, unlessVersion }: GetOptions = {}): StoredObject | undefined {
    if (this.#knocked.size > 0 && range === undefined && unlessVersion === undefined && this.#knocked.has(key)) return this.#opened(key, this.#taken(key))
    return this.#opened(key, this.#ask('get', key, { ...(range !== undefined && { range }), ...(unlessVersion !== undefined && { unlessVersion }) }))
  }

  /** Once: a second look is meant to see what is new. */
  #taken(key: string): StoredObject | undefined {
    const found = this.#knocked.get(key)
    this.#knocked.delete(key)
    return found
  }

  /** As `storedSync`, without waiting for it. */
  storedSoon(key: string, unlessVersion: string | undefined, done: Done<StoredObject | undefined>): void {
    this.#get(key, unlessVersion === undefined ? {} : { unlessVersion }, done)
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    if (this.#collects || this.#outbox.has(key)) {
      const n = this.#local.readSync(key, offset, into, at, length)
      if (n >= 0) return n
    }
    return this.cache.read(key, offset, into, at, length)
  }

  prefetch(key: string, offset: number, length: number): void {
    if (!this.#outbox.has(key)) this.cache.prefetch(key, offset, length)
  }

  /** Deletes what is cached of a part of an object, which does not verify. @returns false when it was not a cache that it came from */
  discardSync(key: string, offset: number, length: number): boolean {
    return this.cache.discard(key, offset, length)
  }

  /** Brings chunks of objects into the cache. */
  bring(places: readonly ChunkPlace[]): Promise<Brought> {
    return new Promise((resolve, reject) => {
      this.#request('bring', [places], (error, brought) => (brought === undefined ? reject(error) : resolve(brought)))
    })
  }

  waitsHere(key: string): boolean {
    return this.#outbox.has(key)
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    this.#changes()
    const held = this.#held.get(key)
    if (held !== undefined) {
      const { version } = this.#local.putSync(key, this.#sealed(key, bytes), options)
      held.isNewer = true
      return { version }
    }
    // It may name any of them.
    if (/^(volumes|pins|gc)\//.test(key)) this.uploadSync()
    const { ifAbsent, ifMatch } = options
    return this.#ask('put', key, this.#sealed(key, bytes), { ...(ifAbsent === undefined ? {} : { ifAbsent }), ...(ifMatch === undefined ? {} : { ifMatch }) })
  }

  /** From the first change on no operation is given up any more. */
  #changes(): void {
    this.mayMiss = false
    this.#knocked.clear()
  }

  putAllSync(puts: readonly Put[]): string[] {
    const versions: string[] = []
    for (const { key, bytes, options } of puts) {
      const put = unlessRefused(() => this.putSync(key, bytes, options))
      if (put === undefined) break
      versions.push(put.version)
    }
    return versions
  }

  headSync(key: string): ObjectInfo | undefined {
    if (this.#held.has(key) || this.#outbox.has(key)) {
      const found = this.#local.headSync(key)
      if (found !== undefined) return plainInfo(this.coding.cipher, key, found)
    }
    return plainInfo(this.coding.cipher, key, this.#ask('head', key))
  }

  listSync(prefix: string, cursor?: string): ListPage {
    return plainPage(
      this.coding.cipher,
      mergedPage(this.#outbox, prefix, cursor, from => this.#ask('list', prefix, from)),
    )
  }

  deleteSync(keys: readonly string[]): void {
    if (keys.length === 0) return
    this.#changes()
    for (const key of keys) this.#held.delete(key)
    this.#ask('delete', keys)
    const here = this.#collects ? keys.filter(key => this.#outbox.has(key)) : keys
    this.#outbox.remove(here)
    this.#local.deleteSync(here)
    this.cache.remove(keys)
  }

  /** The file waits in the outbox: durable here, elsewhere with the next `publish`. */
  adoptSync(key: string, path: string): void {
    this.#local.adoptSync(key, path)
    const pack = this.#outbox.add(key)
    if (pack.bytes > limits.storeWholeBytes && this.#outbox.isWaiting(key)) this.#storeSoon(pack)
  }

  /**
   * Lets go of packs that are stored, and waits while more than so many bytes are not. For a volume that is being made, whose packs no collector takes away before
   * its head says that it is one: they are not kept here until something names them.
   * @throws what the store says
   */
  async passOn(mostBytes: number): Promise<void> {
    if (this.#outbox.waitingBytes > mostBytes)
      await new Promise<void>((resolve, reject) => this.#upload(this.#outbox.waiting(), error => (error === undefined ? resolve() : reject(error))))
    const keys = this.#outbox.done().map(({ key }) => key)
    this.#outbox.remove(keys)
    this.#local.deleteSync(keys)
  }

  /** A large pack is on its way while others are written. That it fails matters when it is published, which tries again. */
  #storeSoon(pack: LocalPack): void {
    if (this.#away !== undefined) return
    const waiting: Array<Done<void>> = []
    this.#storing.set(pack.key, waiting)
    this.#request('upload', [[pack]], error => {
      this.#storing.delete(pack.key)
      if (error === undefined) this.#outbox.stored([pack])
      for (const done of waiting) done(error)
    })
  }

  forgetRemoved(): void {
    this.#local.forgetRemoved()
    this.cache.sweep()
  }

  /**
   * From now on the object is read and written here, and stored by `publish` only.
   * @param bytes what it is here; default what an earlier process left
   * @param version of what is stored
   */
  hold(key: string, version: string, bytes?: Uint8Array): void {
    if (bytes !== undefined) this.#local.putSync(key, this.#sealed(key, bytes))
    this.#held.set(key, { version, isNewer: true, publishing: false })
  }

  isHeld(key: string): boolean {
    return this.#held.has(key)
  }

  /** True also for what is not held here. */
  isStillOurs(key: string): boolean {
    const held = this.#held.get(key)
    if (held === undefined) return true
    this.#thread.waitUntil(() => !held.publishing)
    return this.#ask('head', key)?.version === held.version
  }

  /** What an earlier process of this home held and may not have stored. */
  leftSync(key: string): StoredObject | undefined {
    return this.#opened(key, this.#local.getSync(key))
  }

  /** Ends `hold`. @param keep what is here stays, for `leftSync` */
  letGo(key: string, keep = false): void {
    this.#held.delete(key)
    if (!keep) this.#local.deleteSync([key])
  }

  /** Something that `publish` of this object would store. */
  isUnpublished(key: string): boolean {
    const held = this.#held.get(key)
    return held !== undefined && (held.isNewer || held.publishing)
  }

  isPublishing(key: string): boolean {
    return this.#held.get(key)?.publishing === true
  }

  /**
   * Stores all packs that wait, then the held object as it is now. One at a time for each object.
   * @param done with CairnError ERR_PRECONDITION when somebody else has changed it, ERR_STORE_UNREACHABLE …; all stays here then
   */
  publish(key: string, done: Done<void>): void {
    const held = this.#heldOf(key)
    const bytes = this.#bytesOf(key)
    held.isNewer = false
    held.publishing = true
    const end = (error: Error | undefined): void => {
      held.publishing = false
      if (error !== undefined) held.isNewer = true
      done(error)
    }
    // What is sealed meanwhile is not named by what is stored now.
    const named = new Set(this.#outbox.keys())
    this.#upload(this.#outbox.waiting(), error => {
      if (error !== undefined) {
        end(error)
        return
      }
      this.#request('put', [key, bytes, { ifMatch: held.version }], (refused, put) => {
        if (put !== undefined) {
          held.version = put.version
          this.#keepStored(key, named)
        }
        end(refused)
      })
    })
  }

  #heldOf(key: string): Held {
    const held = this.#held.get(key)
    if (held === undefined) throw new Error(`invariant broken: ${key} is held`)
    return held
  }

  #bytesOf(key: string): Uint8Array {
    const found = this.#local.getSync(key)
    if (found === undefined) throw new Error(`invariant broken: ${key} is here`)
    return found.bytes
  }

  #upload(packs: readonly LocalPack[], done: Done<void>): void {
    const rest = packs.filter(({ key }) => !this.#storing.has(key))
    let left = packs.length - rest.length + 1
    let isDone = false
    const one = (error: Error | undefined): void => {
      left--
      if (isDone || (error === undefined && left > 0)) return
      isDone = true
      done(error)
    }
    for (const { key } of packs) this.#storing.get(key)?.push(one)
    if (rest.length === 0) {
      one(undefined)
      return
    }
    this.#request('upload', [rest], error => {
      if (error === undefined) this.#outbox.stored(rest)
      one(error)
    })
  }

  /** Stores all packs that wait; this thread waits for it. */
  uploadSync(): void {
    for (const pack of this.#outbox.waiting()) {
      this.#thread.waitUntil(() => !this.#storing.has(pack.key))
      if (!this.#outbox.isWaiting(pack.key)) continue
      this.#ask('upload', [pack])
      this.#outbox.stored([pack])
    }
  }

  /**
   * What is stored, and named by something that is: from now on it is only cached. What was sealed meanwhile, or belongs to a volume that this host has not let
   * go of, stays: when another host takes the volume there is no other copy of it.
   */
  #keepStored(key: string, named: ReadonlySet<string>): void {
    const isOurs = (pack: string): boolean => pack.startsWith(packsOf(key)) || this.#local.headSync(headOf(pack)) === undefined
    for (const pack of this.#outbox.done()) if (named.has(pack.key) && isOurs(pack.key)) this.#keep(pack)
  }

  #keep({ key, path }: LocalPack): void {
    this.#outbox.remove([key])
    this.cache.adopt(key, path)
  }

  /** Moves packs that wait and that volume's writer made into a folder, from which `bringBack` takes them. */
  setAside(key: string, folder: string): void {
    const prefix = packsOf(key)
    makeFolders(folder)
    for (const pack of [...this.#outbox.waiting(), ...this.#outbox.done()].filter(one => one.key.startsWith(prefix))) {
      renameSync(pack.path, join(folder, pack.key.slice(prefix.length)))
      this.#outbox.remove([pack.key])
    }
  }

  /** What was set aside can be read again, and is not stored, until `takeBack`. @returns keys of the packs */
  bringBack(key: string, folder: string): string[] {
    const names = existsSync(folder) ? readdirSync(folder) : []
    const keys = names.map(name => `${packsOf(key)}${name}`).filter(pack => packIdOf(pack) !== undefined)
    for (const pack of keys) {
      const path = join(folder, pack.slice(packsOf(key).length))
      rmSync(`${path}~`, { force: true })
      linkSync(path, `${path}~`)
      this.#local.adoptSync(pack, `${path}~`)
      this.#outbox.add(pack, true)
    }
    return keys
  }

  /** Packs of a volume that come from now on are not stored, until `takeBack`. */
  keepHere(key: string): void {
    this.#outbox.apart.add(packsOf(key))
  }

  /** Packs of a volume that are here and not stored, or not known to be. */
  packsHere(key: string): string[] {
    return this.#outbox.list(packsOf(key)).map(pack => pack.key)
  }

  /** What was brought back, or came of volumes that are kept here, is here no more. @param of keys of those volumes' heads */
  takeBack(packs: readonly string[], of: readonly string[]): void {
    this.#outbox.remove(packs)
    for (const key of of) this.#outbox.apart.delete(packsOf(key))
    this.#local.deleteSync(packs)
  }

  async close(): Promise<void> {
    if (this.#collects) for (const pack of this.#outbox.done()) this.#keep(pack)
    this.#thread.close()
    this.cache.close()
    await this.#local.close()
  }
}

/** A folder that cannot be used is no reason not to open the store. */
function limitIfPossible(space: CacheSpace, bytes: number): void {
  try {
    space.limit(bytes)
  } catch {
    space.maxBytes = bytes
  }
}

/** Key of the head of the volume whose writer made a pack. */
function headOf(packKey: string): string {
  return `volumes/${packKey.split('/')[1]}/head`
}

/** Where the packs are that the writer of a head made. */
function packsOf(headKey: string): string {
  return `packs/${headKey.split('/')[1]}/`
}
