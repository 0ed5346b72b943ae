import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CorruptError } from '../errors.js'
import type { LocalStore, Put } from '../store/contract.js'
import { decodeSmall, encodeSmall } from '../store/small-object.js'
import { makeFolder } from '../store/sync-folder.js'
import type { StoreLocation } from '../store/url.js'
import { writeFileDurably } from '../store/write-durably.js'
import { ifThere, namesIn } from '../sys/index.js'
import type { VolumeInfo } from './api.js'
import { type NameEntry, Names } from './names.js'

const FORMAT = 1
const SUFFIX = '.json'

/** A volume of a store that other hosts reach too, as this home knows it. */
export interface Attachment {
  /** Where the store is, without credentials. */
  location: StoreLocation
  /** Of its `store.json`. */
  storeId: string
  /** As it was when it was attached. */
  volume: VolumeInfo
}

/** The folder `attached` of a home: one file for each volume that lies in another store than the home's own. */
export class Attachments {
  readonly #folder: string

  constructor(home: string) {
    this.#folder = join(home, 'attached')
  }

  /** @throws CorruptError; CairnError ERR_FORMAT */
  get(name: string): Attachment | undefined {
    const path = this.#path(name)
    // Most volumes have none, and an error is dearer to make than this question.
    const bytes = statSync(path, { throwIfNoEntry: false }) && ifThere(() => readFileSync(path))
    if (bytes === undefined) return undefined
    const { location, storeId, volume } = decodeSmall(bytes, path, FORMAT)
    if (typeof location !== 'object' || typeof storeId !== 'string' || typeof volume !== 'object') throw new CorruptError(path, 'its members are not right')
    return { location: location as StoreLocation, storeId, volume: { ...(volume as VolumeInfo), name } }
  }

  put(name: string, attachment: Attachment): void {
    makeFolder(this.#folder)
    writeFileDurably(this.#path(name), encodeSmall(FORMAT, attachment))
  }

  remove(name: string): void {
    rmSync(this.#path(name), { force: true })
  }

  names(): string[] {
    return namesIn(this.#folder)
      .sort()
      .flatMap(name => (name.endsWith(SUFFIX) ? [name.slice(0, -SUFFIX.length)] : []))
  }

  #path(name: string): string {
    return join(this.#folder, `${name}${SUFFIX}`)
  }
}

/** Names of the volumes of a store. */
export interface VolumeNames {
  get(name: string): NameEntry | undefined
  take(name: string, id: string, replaces: NameEntry | undefined): boolean
  /** What `take` puts. */
  taking(name: string, id: string, replaces: NameEntry | undefined): Put
  /** After `take`, when the volume is whole. */
  made(volume: VolumeInfo): void
  drop(name: string): void
  all(): string[]
  /** The volume that has the name in this home, whatever it is called elsewhere. */
  here(name: string): VolumeInfo | undefined
}

/** The home's own store: all of its volumes are the home's. */
export class OwnNames extends Names implements VolumeNames {
  made(): void {}

  here(): undefined {
    return undefined
  }
}

/** A store that others have volumes in too: listed are those that the home has attached, under the names that they have here. */
export class AttachedNames implements VolumeNames {
  readonly #stored: Names
  readonly #attachments: Attachments
  readonly #location: StoreLocation
  readonly #storeId: string

  constructor(store: LocalStore, attachments: Attachments, place: { location: StoreLocation; storeId: string }) {
    this.#stored = new Names(store)
    this.#attachments = attachments
    this.#location = place.location
    this.#storeId = place.storeId
  }

  here(name: string): VolumeInfo | undefined {
    const found = this.#attachments.get(name)
    return found?.storeId === this.#storeId ? found.volume : undefined
  }

  get(name: string): NameEntry | undefined {
    const here = this.here(name)
    return here === undefined ? this.#stored.get(name) : { id: here.id, version: '' }
  }

  take(name: string, id: string, replaces: NameEntry | undefined): boolean {
    return this.#stored.take(name, id, replaces)
  }

  taking(name: string, id: string, replaces: NameEntry | undefined): Put {
    return this.#stored.taking(name, id, replaces)
  }

  made(volume: VolumeInfo): void {
    this.#attachments.put(volume.name, { location: this.#location, storeId: this.#storeId, volume })
  }

  drop(name: string): void {
    this.#attachments.remove(name)
    this.#stored.drop(name)
  }

  all(): string[] {
    return this.#attachments.names().filter(name => this.here(name) !== undefined)
  }
}
