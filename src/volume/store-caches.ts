import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hasCache } from '../store/elsewhere.js'
import { CacheSpace } from '../store/remote/cache-space.js'
import type { RemoteStore } from '../store/remote/index.js'
import { formatStoreUrl } from '../store/url.js'
import type { Attachments } from './attached.js'

/** What this host has of one store elsewhere, to read it faster. JSON-safe. */
export interface StoreCache {
  /** Address of the store. */
  store: string
  id: string
  /** Volumes of this home that lie in it, and share the cache. */
  volumes: string[]
  folder: string
  /** On the disk, and how many there may be. */
  bytes: number
  maxBytes: number
  files: number
  /** Files that programs have of it (`materialize`); they count, and stay until they are released. */
  pinned: { files: number; bytes: number }
  /** Reads since the store was opened that the cache answered, and those that it did not. */
  hits: number
  misses: number
  /** Packs that are on this host only, because they are not published yet. They are no cache: nothing deletes them. */
  unpublishedBytes: number
}

/** The folders of a store that is not the home's own. */
export function storeFolder(home: string, id: string): string {
  return join(home, 'stores', id)
}

export function cacheFolder(home: string, id: string): string {
  return join(storeFolder(home, id), 'cache')
}

/** The caches of the stores that volumes of a home lie in. */
export class StoreCaches {
  readonly #home: string
  readonly #attachments: Attachments
  readonly #open: (id: string) => RemoteStore | undefined

  /** @param open the store with this id, where it is open here */
  constructor(home: string, attachments: Attachments, open: (id: string) => RemoteStore | undefined) {
    this.#home = home
    this.#attachments = attachments
    this.#open = open
  }

  /** @param volume only that of its store; none where it lies in the home's own store */
  list(volume?: string): StoreCache[] {
    return this.#stores(volume).map(({ id, store, volumes }) => {
      const opened = this.#open(id)
      const count = this.#with(id, space => space.count())
      const { hits, misses } = opened?.cacheStats ?? { hits: 0, misses: 0 }
      const unpublishedBytes = bytesBelow(join(storeFolder(this.#home, id), 'local', 'packs'))
      return { store, id, volumes, folder: cacheFolder(this.#home, id), ...count, hits, misses, unpublishedBytes }
    })
  }

  /** Deletes what is cached; what programs have as files stays. */
  clear(volume?: string): Array<{ store: string; files: number; bytes: number }> {
    return this.#stores(volume).map(({ id, store }) => {
      const cleared = this.#with(id, space => space.clear())
      this.#open(id)?.cache.sweep()
      return { store, ...cleared }
    })
  }

  /** How much the cache of a volume's store may take from now on. @returns false for a volume of the home's own store */
  limit(volume: string, maxBytes: number): boolean {
    const stores = this.#stores(volume)
    for (const { id } of stores) {
      this.#with(id, space => space.limit(maxBytes))
      this.#open(id)?.cache.space.use()
    }
    return stores.length > 0
  }

  #with<T>(id: string, work: (space: CacheSpace) => T): T {
    const space = new CacheSpace(cacheFolder(this.#home, id), id)
    try {
      return work(space)
    } finally {
      space.close()
    }
  }

  #stores(volume: string | undefined): Array<{ id: string; store: string; volumes: string[] }> {
    const byId = new Map<string, { id: string; store: string; volumes: string[] }>()
    for (const name of this.#attachments.names()) {
      const found = this.#attachments.get(name)
      if (found === undefined || !hasCache(found.location)) continue
      const known = byId.get(found.storeId) ?? { id: found.storeId, store: formatStoreUrl(found.location), volumes: [] }
      known.volumes.push(name)
      byId.set(found.storeId, known)
    }
    return [...byId.values()].filter(({ volumes }) => volume === undefined || volumes.includes(volume))
  }
}

function bytesBelow(folder: string): number {
  let bytes = 0
  try {
    for (const item of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (item.isFile()) bytes += statSync(join(item.parentPath, item.name), { throwIfNoEntry: false })?.size ?? 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return bytes
}
