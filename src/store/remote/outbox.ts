import { join } from 'node:path'
import type { ObjectInfo } from '../contract.js'
import type { DirectoryStore } from '../directory/index.js'
import type { LocalPack } from './protocol.js'

interface Waiting {
  bytes: number
  /** It is stored. Until an object that names it is too, a collector of another host may take it away again. */
  isStored: boolean
}

/** Packs that are durable on this host, until what names them is stored elsewhere. */
export class Outbox {
  readonly #store: DirectoryStore
  readonly #folder: string
  readonly #packs = new Map<string, Waiting>()
  /** Prefixes of what is not to be stored. */
  readonly apart = new Set<string>()

  /** @param isNew what others of this home put there is theirs */
  constructor(store: DirectoryStore, folder: string, isNew = false) {
    this.#store = store
    this.#folder = folder
    if (isNew) return
    let cursor: string | undefined
    do {
      const page = store.listSync('packs/', cursor)
      for (const { key, sizeBytes } of page.objects) this.#packs.set(key, { bytes: sizeBytes, isStored: false })
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** Bytes that nothing elsewhere names. */
  bytesOf(prefix: string): number {
    let bytes = 0
    for (const [key, pack] of this.#packs) if (key.startsWith(prefix)) bytes += pack.bytes
    return bytes
  }

  has(key: string): boolean {
    return this.#packs.has(key)
  }

  keys(): Iterable<string> {
    return this.#packs.keys()
  }

  isWaiting(key: string): boolean {
    return this.#packs.get(key)?.isStored === false
  }

  /** @param isKept it is not to be stored */
  add(key: string, isKept = false): LocalPack & { bytes: number } {
    const bytes = this.#store.headSync(key)?.sizeBytes ?? 0
    const isApart = isKept || [...this.apart].some(prefix => key.startsWith(prefix))
    this.#packs.set(key, { bytes, isStored: isApart })
    return { key, path: join(this.#folder, key), bytes }
  }

  remove(keys: readonly string[]): void {
    for (const key of keys) this.#packs.delete(key)
  }

  /** What is to be stored. */
  waiting(): LocalPack[] {
    return this.#of(pack => !pack.isStored)
  }

  stored(packs: readonly LocalPack[]): void {
    for (const { key } of packs) {
      const pack = this.#packs.get(key)
      if (pack !== undefined) pack.isStored = true
    }
  }

  get waitingBytes(): number {
    let bytes = 0
    for (const pack of this.#packs.values()) if (!pack.isStored) bytes += pack.bytes
    return bytes
  }

  /** What is stored. */
  done(): LocalPack[] {
    return this.#of(pack => pack.isStored)
  }

  #of(wanted: (pack: Waiting) => boolean): LocalPack[] {
    return [...this.#packs].flatMap(([key, pack]) => (wanted(pack) ? [{ key, path: join(this.#folder, key) }] : []))
  }

  /** What waits, by key, with a prefix, in bytewise order. */
  list(prefix: string): Array<Omit<ObjectInfo, 'version'> & { key: string }> {
    const found = [...this.#packs.keys()].filter(key => key.startsWith(prefix)).sort()
    return found.flatMap(key => {
      const info = this.#store.headSync(key)
      return info === undefined ? [] : [{ key, sizeBytes: info.sizeBytes, modifiedMs: info.modifiedMs }]
    })
  }
}
