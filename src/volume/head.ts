import { decodeHead, encodeHead, type Head } from '../codec/head.js'
import { CairnError, CorruptError } from '../errors.js'
import type { LocalStore, Put, StoredObject } from '../store/contract.js'
import type { Random } from '../sys/index.js'
import type { VolumeInfo } from './api.js'

/** The one mutable object of a volume, changed only by compare-and-swap. */
export class HeadFile {
  readonly #store: LocalStore
  readonly #key: string
  readonly #random: Random
  #version: string
  value: Head

  private constructor(store: LocalStore, key: string, random: Random, value: Head, version: string) {
    this.#store = store
    this.#key = key
    this.#random = random
    this.value = value
    this.#version = version
  }

  static key(id: string): string {
    return `volumes/${id}/head`
  }

  static read(store: LocalStore, id: string, random: Random): HeadFile | undefined {
    const key = HeadFile.key(id)
    const found = store.getSync(key)
    return found === undefined ? undefined : HeadFile.of(found, store, id, random)
  }

  /** The head of a volume with its stored bytes. @throws CorruptError; CairnError ERR_FORMAT */
  static of(found: StoredObject, store: LocalStore, id: string, random: Random): HeadFile {
    const key = HeadFile.key(id)
    const head = decodeHead(found.bytes, key)
    if (head.volume !== id) throw new CorruptError(key, `it is the head of volume ${head.volume}`)
    return new HeadFile(store, key, random, head, found.version)
  }

  /** @param options relaxed: not synced, for a head that counts only when it is changed again */
  static create(store: LocalStore, head: Head, random: Random, options: { relaxed?: boolean } = {}): HeadFile {
    const key = HeadFile.key(head.volume)
    const { version } = store.putSync(key, encodeHead(head), { ...options, ifAbsent: true })
    return new HeadFile(store, key, random, head, version)
  }

  /** Of the stored object, as far as is known. */
  get version(): string {
    return this.#version
  }

  /** What a stored head of this volume says. @throws CorruptError; CairnError ERR_FORMAT */
  decode(found: StoredObject): Head {
    return decodeHead(found.bytes, this.#key)
  }

  /** Takes what another writer stored. */
  follow(found: StoredObject): void {
    this.value = this.decode(found)
    this.#version = found.version
  }

  /** Nobody has changed it in the store since. */
  get isCurrent(): boolean {
    return this.#store.headSync(this.#key)?.version === this.#version && this.#store.isStillOurs?.(this.#key) !== false
  }

  /**
   * As `update`, with other puts after it and the syncs of one (`putAllSync`).
   * @returns how many took effect: 0 when another writer changed the head meanwhile, 1 for the head alone, and one more for each of `then`
   */
  updateWith(changes: Partial<Head>, then: readonly Put[]): number {
    const next = this.#next(changes)
    const versions = this.#store.putAllSync([{ key: this.#key, bytes: encodeHead(next), options: { ifMatch: this.#version } }, ...then])
    if (versions.length > 0) {
      this.#version = versions[0]
      this.value = next
    }
    return versions.length
  }

  #next(changes: Partial<Head>): Head {
    return { ...this.value, ...changes, sequence: this.value.sequence + 1, nonce: this.#random.bytes(8).toString('hex') }
  }

  /** Publishes changed fields. @throws CairnError ERR_FENCED when another writer changed the head meanwhile */
  update(changes: Partial<Head>): void {
    const next = this.#next(changes)
    try {
      this.#version = this.#store.putSync(this.#key, encodeHead(next), { ifMatch: this.#version }).version
    } catch (error) {
      this.#adopt(next)
      if (!(error instanceof CairnError) || error.code !== 'ERR_PRECONDITION') throw error
      throw new CairnError(
        'ERR_FENCED',
        `The head of volume ${this.value.volume} was changed by another writer.`,
        'Open the volume again; what was acknowledged here is still in the journal.',
        { retry: 'reopen', cause: error },
      )
    }
    this.value = next
  }

  /**
   * A put may fail after it took effect, when its folder cannot be synced for one. Its error stands, since the head may not be durable;
   * but the nonce says that it is ours, so that the next update does not take it for another writer's.
   */
  #adopt(next: Head): void {
    const found = this.#store.getSync(this.#key)
    if (found === undefined || !encodeHead(next).equals(found.bytes)) return
    this.#version = found.version
    this.value = next
  }
}

/** What a head says of its volume, as lists show it. */
export function volumeInfo({ name, volume, createdMs, parent, deletedMs }: Head, store: string): VolumeInfo {
  return { name, id: volume, store, createdMs, ...(parent === undefined ? {} : { parent }), ...(deletedMs === undefined ? {} : { deletedMs }) }
}
