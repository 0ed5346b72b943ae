import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { CairnError } from '../errors.js'
import { type CompressionChoice, otherCompression } from '../store/compression-for.js'
import { openDirectoryStore } from '../store/directory/index.js'
import { openElsewhere } from '../store/elsewhere.js'
import { type CredentialVariables, useCredentialVariables } from '../store/environment.js'
import { readKnown } from '../store/known-store.js'
import { HOME_FILES, sweepLocalFiles } from '../store/local-files.js'
import { Packs } from '../store/packs.js'
import type { RemoteStore } from '../store/remote/index.js'
import type { StoreLine } from '../store/remote/protocol.js'
import { isAway } from '../store/remote-errors.js'
import { homeNotEncrypted, notEncrypted } from '../store/unlock.js'
import { formatStoreUrl, type StoreLocation } from '../store/url.js'
import { type KeySource, keySourcesOf } from '../store/user-key.js'
import { ownActor } from '../sys/actor.js'
import { type Clock, limits, type Random, systemClock, systemRandom } from '../sys/index.js'
import type { WakerHandle } from '../sys/waker.js'
import { PageCache } from '../tree/index.js'
import type { Change, EngineApi, StoreCheck, Unpublished, VolumeInfo, VolumeStatus } from './api.js'
import { AttachedNames, Attachments, OwnNames } from './attached.js'
import { type AuditSigner, readSigner } from './audit/index.js'
import { diffStates } from './diff.js'
import { HeadFile } from './head.js'
import { openHome } from './home.js'
import { checkVolumeName } from './names.js'
import { type OpenOptions, type Pinned, Pool, type PoolOptions } from './pool.js'
import type { VolumeState } from './state.js'
import { StoreCaches, storeFolder } from './store-caches.js'
import type { Syncer } from './syncer.js'
import type { StoreContext, Volume } from './volume.js'

export type { CommitPlace, Pinned } from './pool.js'

export interface EngineOptions {
  home: string
  clock?: Clock
  random?: Random
  syncer?: Syncer
  /** Who changes, where nothing else says so; default CAIRN_ACTOR, else the user of this process. */
  actor?: string
  /** Differs from boot to boot; default that of the kernel. */
  bootId?: string
  /** Called when promises were settled: a thread that runs a loop of its own must give them a turn. */
  onSettled?: () => void
  /** Wakes this thread where it runs a loop of its own. */
  waker?: WakerHandle
  /** After this a volume that another host writes is looked at for what is new; default one second. */
  refreshMs?: number
  /** Called when a volume that is read went on to another state by itself. */
  onRefreshed?: () => void
  /** What the cache of each store elsewhere may take on the disk. */
  cacheBytes?: number
  /** What a volume of a store elsewhere may have acknowledged and not published. */
  backlogBytes?: number
  /** A line for those who look after this host. */
  log?: (line: string) => void
  /** Where the keys of encrypted stores may come from; default what the environment names. */
  keys?: readonly KeySource[]
  /** File of the Ed25519 key that tips of audit chains are signed with; default CAIRN_AUDIT_KEY_FILE, else nothing is signed. */
  auditKeyFile?: string
  /** How stores elsewhere are reached; default by threads. */
  line?: (location: StoreLocation) => StoreLine
}

/** Of a store that is opened, or made, for a volume. */
export interface StoreOptions {
  /** One that is made is encrypted; one that is there and is not, is refused. */
  encrypt?: boolean
  /** Of one that is made; one that is there and has another, is refused. */
  compression?: CompressionChoice
  /** Where its key comes from. */
  key?: KeySource
}

/** See `Engine.apart`. */
export interface Apart {
  id: string
  pool: Pool
  remote: RemoteStore | undefined
}

export interface Side {
  volume: string
  ref?: string
}

/** The volumes of one CAIRN_HOME, in this process: those of its own store, and those of other stores that were attached. */
export class Engine implements EngineApi {
  readonly home: string
  /** The home's own store. */
  readonly dev: Pool
  readonly #options: EngineOptions
  readonly #pool: PoolOptions
  readonly #attachments: Attachments
  /** By id of the store. */
  readonly #elsewhere = new Map<string, { location: StoreLocation; id: string; remote: RemoteStore | undefined; pool: Pool }>()
  #keys: readonly KeySource[]

  private constructor(options: EngineOptions) {
    const { home } = options
    this.home = home
    this.#options = options
    openHome(home)
    sweepLocalFiles(join(home, HOME_FILES))
    this.#attachments = new Attachments(home)
    this.#keys = options.keys ?? keySourcesOf(process.env)
    this.#pool = {
      home,
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
      syncer: options.syncer,
      actor: options.actor ?? ownActor(),
      bootId: options.bootId ?? readBootId(),
      onSettled: options.onSettled,
      refreshMs: options.refreshMs ?? limits.refreshMs,
      onRefreshed: options.onRefreshed,
      // A loop that can be woken sees to it.
      isPumped: options.waker !== undefined,
      backlogBytes: options.backlogBytes,
      auditSigner: signerOf(options.auditKeyFile ?? process.env['CAIRN_AUDIT_KEY_FILE']),
      log: options.log ?? (() => {}),
    }
    const store = openDirectoryStore(join(home, 'store'), { create: true })
    this.dev = new Pool(this.#pool, contextOf(store, 'dev'), new OwnNames(store))
  }

  /** @throws CairnError when the home cannot be written, or was made by a newer version */
  static open(options: EngineOptions): Engine {
    return new Engine(options)
  }

  /**
   * Makes a volume, in the home's own store or in another one.
   * @param options store: where else
   * @throws CairnError ERR_VOLUME_EXISTS, ERR_VOLUME_NAME; ERR_STORE_PLAIN, ERR_KEY_MISSING … of `encrypt`; what the store says
   */
  create(name: string, options: { store?: StoreLocation } & StoreOptions = {}): VolumeInfo {
    const { store, ...rest } = options
    checkVolumeName(name)
    if (this.#attachments.get(name) !== undefined) throw exists(name)
    if (store === undefined && rest.encrypt === true) throw homeNotEncrypted()
    if (store === undefined) return this.dev.create(name)
    this.dev.checkFree(name)
    return this.#poolAt(store, undefined, rest).create(name)
  }

  /** Where keys may come from, for other threads of this process. */
  get keys(): readonly KeySource[] {
    return this.#keys
  }

  /** From now on stores elsewhere look for credentials there: those that this process was started with are refused. */
  useCredentials(variables: CredentialVariables): void {
    useCredentialVariables(variables)
    for (const { remote } of this.#elsewhere.values()) remote?.useCredentials(variables)
  }

  /** Other places where keys may come from, of a program that uses this engine; they are kept in memory only. */
  giveKeys(keys: readonly KeySource[]): void {
    const given = new Map([...keys, ...this.#keys].map(key => [JSON.stringify(key), key]))
    this.#keys = [...given.values()].slice(0, limits.keySources)
  }

  /**
   * The volume that has this name in a store, from now on a volume of this home; made when there is none.
   * @throws CairnError ERR_VOLUME_EXISTS when this home has another volume of that name
   */
  attach(name: string, location: StoreLocation, options: StoreOptions = {}): VolumeInfo & { created: boolean } {
    checkVolumeName(name)
    const known = this.#attachments.get(name)
    if (known !== undefined && formatStoreUrl(known.location) !== formatStoreUrl(location)) throw exists(name, known.volume.store)
    if (known !== undefined) {
      this.#checkStore(this.#poolAt(known.location, known.storeId, options))
      return { ...known.volume, created: false }
    }
    this.dev.checkFree(name)
    const pool = this.#poolAt(location, undefined, options)
    const found = pool.attach(name)
    return found === undefined ? { ...pool.create(name), created: true } : { ...found, created: false }
  }

  /** See `Pool.recover`. The volumes are called NAME-recovered, NAME-recovered-2 … */
  recover(name: string): VolumeInfo[] {
    const pool = this.poolOf(name)
    // The store may have one that this home does not know.
    const isFree = (candidate: string): boolean => this.volumes().every(volume => volume.name !== candidate) && pool.isFree(candidate)
    return pool.recover(name, () => {
      for (let n = 1; ; n++) {
        const candidate = n === 1 ? `${name}-recovered` : `${name}-recovered-${n}`
        if (isFree(candidate)) return candidate
      }
    })
  }

  /** What this host has of the stores elsewhere. */
  get caches(): StoreCaches {
    return new StoreCaches(this.home, this.#attachments, id => this.#elsewhere.get(id)?.remote)
  }

  /** The store of an open volume, where it has a cache. */
  remoteOf(volume: Volume): RemoteStore | undefined {
    return [...this.#elsewhere.values()].find(({ pool }) => pool.context === volume.context)?.remote
  }

  /**
   * Before a volume is opened whose store may be out of reach, or asked for more than its pages: finds that out while others go on. Undefined where there is nothing to
   * wait for; `forgetKnock` when what was to be done is done.
   */
  knock(name: string): Promise<void> | undefined {
    const attachment = this.#attachments.get(name)
    if (attachment?.volume === undefined) return this.dev.ending(name)
    const pool = this.#poolAt(attachment.location, attachment.storeId)
    return pool.ending(name) ?? this.#remoteAt(pool)?.knock(HeadFile.key(attachment.volume.id))
  }

  /** What came with a knock is as old as it. */
  forgetKnock(): void {
    for (const { remote } of this.#elsewhere.values()) remote?.forgetKnock()
  }

  #remoteAt(pool: Pool): RemoteStore | undefined {
    return [...this.#elsewhere.values()].find(one => one.pool === pool)?.remote
  }

  /** Where a volume is that does not lie in the home's own store. @throws CairnError ERR_VOLUME_UNKNOWN */
  storeOf(name: string): { location: StoreLocation; id: string } | undefined {
    const attachment = this.#attachments.get(name)
    if (attachment !== undefined) return { location: attachment.location, id: attachment.storeId }
    this.dev.info(name)
    return undefined
  }

  /** The store that has a volume of this name, else the home's own. */
  poolOf(name: string): Pool {
    const attachment = this.#attachments.get(name)
    return attachment === undefined ? this.dev : this.#poolAt(attachment.location, attachment.storeId)
  }

  /** The pool that has opened a volume, whatever that is called by now. */
  #poolWith(volume: Volume): Pool {
    for (const { pool } of this.#elsewhere.values()) if (pool.context === volume.context) return pool
    return this.dev
  }

  /** A store; the home's own without a location. */
  pool(location?: StoreLocation): Pool {
    return location === undefined ? this.dev : this.#poolAt(location)
  }

  /** Another store may have been made at a place since this home got to know the one that was there. */
  #poolAt(location: StoreLocation, storeId?: string, options: StoreOptions = {}): Pool {
    const known = [...this.#elsewhere.values()].find(one => sameStore(one.location, location) && (storeId === undefined || one.id === storeId))
    if (known !== undefined && (storeId !== undefined || this.#isThere(known.remote))) return this.#asWanted(known, options)
    const { cacheBytes, waker, onSettled, line } = this.#options
    const { store, id, description, remote } = openElsewhere(location, {
      folder: of => storeFolder(this.home, of),
      ...options,
      keys: this.#keys,
      ...(storeId === undefined ? {} : { id: storeId }),
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
      ...(waker === undefined ? {} : { waker }),
      ...(onSettled === undefined ? {} : { onSettled }),
      onAway: error => this.#pool.log(`${error.message} What is cached can be read, and changes wait here.`),
      onBack: () => this.#pool.log(`${formatStoreUrl(location)} answers again.`),
      ...(line === undefined ? {} : { line }),
    })
    const names = new AttachedNames(store, this.#attachments, { location, storeId: id })
    const pool = new Pool(this.#pool, contextOf(store, description), names, remote)
    this.#elsewhere.set(id, { location, id, remote, pool })
    return pool
  }

  /** @throws CairnError ERR_STORE_PLAIN, ERR_STORE_COMPRESSION */
  #asWanted({ pool, id }: { pool: Pool; id: string }, { encrypt, compression }: StoreOptions): Pool {
    const { store, storeName } = pool.context
    if (encrypt === true && store.coding?.cipher === undefined) throw notEncrypted(storeName)
    const has = readKnown(storeFolder(this.home, id))?.info.compression ?? 'auto'
    if (compression !== undefined && compression !== has) throw otherCompression(storeName, has)
    return pool
  }

  /**
   * A store whose volumes are none of this home's, to put one there. Close its pool.
   * @param folder for what is not stored yet, and for what this host remembers of it meanwhile
   */
  apart(location: StoreLocation, folder: string, options: StoreOptions = {}): Apart {
    const { store, id, description, remote } = openElsewhere(location, { folder: () => folder, ...options, keys: this.#keys })
    return { id, remote, pool: new Pool({ ...this.#pool, home: folder }, contextOf(store, description), new OwnNames(store), remote) }
  }

  #isThere(store: RemoteStore | undefined): boolean {
    try {
      store?.check()
      return true
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_STORE_REPLACED') return false
      throw error
    }
  }

  /** @throws CairnError ERR_STORE_REPLACED; one that is out of reach is taken for what it was */
  #checkStore(pool: Pool): void {
    const store = this.#remoteAt(pool)
    try {
      store?.check()
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }

  get #pools(): Set<Pool> {
    return new Set([this.dev, ...[...this.#elsewhere.values()].map(({ pool }) => pool)])
  }

  volumes(options: { deleted?: boolean } = {}): VolumeInfo[] {
    if (options.deleted === true) return [...this.#pools].flatMap(pool => pool.volumes(options))
    const attached = this.#attachments.names().flatMap(name => this.#attachments.get(name)?.volume ?? [])
    return [...this.dev.volumes(), ...attached].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The volume with this id, by its name now; undefined when there is none, or it was deleted. Costs the same however many the home's own store has. */
  volumeById(id: string): VolumeInfo | undefined {
    return (
      this.dev.volumeById(id) ??
      this.#attachments
        .names()
        .flatMap(name => this.#attachments.get(name)?.volume ?? [])
        .find(volume => volume.id === id)
    )
  }

  info(name: string): VolumeInfo {
    return this.poolOf(name).info(name)
  }

  openVolume(name: string, options?: OpenOptions): Volume {
    return this.poolOf(name).openVolume(name, options)
  }

  open(): Volume[] {
    return [...this.#pools].flatMap(pool => pool.open())
  }

  /** See `Pool.publish`. */
  publish(volume: Volume, timeoutMs?: number): Promise<void> {
    return this.#poolWith(volume).publish(volume, timeoutMs)
  }

  /** See `Pool.refresh`. */
  refresh(volume: Volume): boolean {
    return this.#poolWith(volume).refresh(volume)
  }

  /** See `Pool.refreshSoon`. */
  refreshSoon(volume: Volume): Promise<boolean> {
    return this.#poolWith(volume).refreshSoon(volume)
  }

  /** See `Pool.isStale`. */
  isStale(volume: Volume, error: unknown, isPast = false): boolean {
    return volume.isReader && this.#poolWith(volume).isStale(volume, error, isPast)
  }

  /**
   * Whether the store of a volume can be used: it is reached, is the one that this home knows, and the credentials may read and list; with `probe` also whether
   * it does what Cairn relies on, which writes and deletes small objects.
   * @throws CairnError with what is wrong
   */
  checkStore(name: string, options: { probe?: boolean } = {}): Promise<StoreCheck> {
    return this.poolOf(name).checkStore(options.probe === true)
  }

  /** It lies in a store elsewhere, which is not known to be out of reach. */
  isReached(volume: Volume): boolean {
    return this.#poolWith(volume).isReached
  }

  /** All of it is where other hosts see it, or never will be, because another host has taken the volume over. */
  isPublished(volume: Volume): boolean {
    return this.#poolWith(volume).isPublished(volume)
  }

  /** The volumes of which something waits to be published, among those that this process has used; after `close` those of which it will wait. */
  unpublished(): Unpublished[] {
    return [...this.#pools].flatMap(pool => pool.unpublished())
  }

  statusOf(name: string): VolumeStatus & { open: 'here' | 'elsewhere' | 'no' } {
    return this.poolOf(name).statusOf(name)
  }

  rename(from: string, to: string): VolumeInfo {
    const pool = this.poolOf(from)
    if (from !== to) this.#checkFreeElsewhere(to, pool)
    return pool.rename(from, to)
  }

  /** No other store of this home has a volume of that name. */
  #checkFreeElsewhere(name: string, pool: Pool): void {
    checkVolumeName(name)
    if (pool !== this.dev) this.dev.checkFree(name)
    else if (this.#attachments.get(name) !== undefined) throw exists(name)
  }

  remove(name: string, options: { now?: boolean } = {}): void {
    this.poolOf(name).remove(name, options)
  }

  undelete(name: string): VolumeInfo {
    const has = (pool: Pool): boolean => pool !== this.dev && pool.volumes({ deleted: true }).some(volume => volume.name === name || volume.id === name)
    return ([...this.#pools].find(has) ?? this.dev).undelete(name)
  }

  fork(source: string, ref: string | undefined, name: string): VolumeInfo {
    return this.forkAll(source, ref, [name])[0]
  }

  /** Several forks of one and the same state, or none; with the syncs of one. */
  forkAll(source: string, ref: string | undefined, names: readonly string[]): VolumeInfo[] {
    const pool = this.poolOf(source)
    for (const name of names) this.#checkFreeElsewhere(name, pool)
    return pool.forkAll(source, ref, names)
  }

  /** Heads of all volumes of all stores that are open here. */
  heads(): HeadFile[] {
    return [...this.#pools].flatMap(pool => pool.heads())
  }

  pin(name: string, options: { ref?: string; since?: string } = {}): Pinned {
    return this.poolOf(name).pin(name, options)
  }

  /** @param name of the volume that `pin` pinned */
  unpin(name: string, id: string): void {
    this.poolOf(name).unpin(id)
  }

  diff(a: Side, b: Side): Change[] {
    return this.#read(a.volume, one => this.#read(b.volume, two => diffStates(stateOf(one, a.ref), stateOf(two, b.ref))))
  }

  #read<T>(name: string, use: (volume: Volume) => T): T {
    const volume = this.openVolume(name, { readOnly: true })
    try {
      return use(volume)
    } finally {
      volume.close()
    }
  }

  /** @throws CairnError ERR_VOLUME_EXISTS, ERR_VOLUME_NAME */
  checkFree(name: string): void {
    checkVolumeName(name)
    if (this.#attachments.get(name) !== undefined) throw exists(name)
    this.dev.checkFree(name)
  }

  /** A collection is over: what is open still of packs that it deleted gives its space back. */
  collected(): void {
    for (const pool of this.#pools) pool.collected()
  }

  pump(budgetMs: number): number {
    let next = Number.POSITIVE_INFINITY
    let failed: unknown
    for (const pool of this.#pools) {
      try {
        next = Math.min(next, pool.pump(budgetMs))
      } catch (error) {
        // The others have their turn all the same.
        failed ??= error
      }
    }
    if (failed !== undefined) throw failed
    return next
  }

  /** Lets go of all without sealing, as a killed process does. For tests of recovery. */
  crash(): void {
    for (const pool of this.#pools) pool.crash()
  }

  close(): void {
    for (const pool of this.#pools) pool.close()
  }
}

function contextOf(store: StoreContext['store'], storeName: string): StoreContext {
  const packs = new Packs(store, { blockCacheBytes: limits.blockCacheBytes })
  return { store, storeName, packs, pages: new PageCache(packs, limits.pageCacheBytes) }
}

function stateOf(volume: Volume, ref: string | undefined): VolumeState {
  return volume.stateAt(ref === undefined ? undefined : volume.history.resolve(ref))
}

function sameStore(a: StoreLocation, b: StoreLocation): boolean {
  return isDeepStrictEqual(a, b)
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Without one every start counts as a new boot, which only means more checks.
    return ''
  }
}

function exists(name: string, store?: string): CairnError {
  const where = store === undefined ? '' : `, in ${store}`
  return new CairnError('ERR_VOLUME_EXISTS', `There is a volume '${name}' already${where}.`, 'Choose another name, or see `cairn volumes`.')
}

/** Reads the key when it is needed first: only what is recorded fails without it. */
function signerOf(file: string | undefined): (() => AuditSigner) | undefined {
  if (file === undefined || file === '') return undefined
  let signer: AuditSigner | undefined
  return () => {
    signer ??= readSigner(file)
    return signer
  }
}
