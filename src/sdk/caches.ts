import { CairnError } from '../errors.js'
import type { StoreCache } from '../volume/store-caches.js'
import { parseSize } from './config.js'

export type { StoreCache } from '../volume/store-caches.js'

/** What this host has of stores elsewhere: one cache for each store, shared by its volumes and forks, and by all programs of this home. */
export interface Caches {
  /**
   * The caches of all stores that volumes of this home lie in, or that of one volume's store; none where that is on this host. Looks through their folders.
   * @throws CairnError ERR_VOLUME_UNKNOWN
   */
  stats(volume?: string): Promise<StoreCache[]>
  /**
   * Deletes what is cached, under mounted volumes too: it is read again. What is not published is no cache and stays, as do files that programs have.
   * @returns what was deleted, by store
   */
  clear(volume?: string): Promise<Array<{ store: string; files: number; bytes: number }>>
  /**
   * How much the cache of a volume's store takes from now on, for all programs, until something else is said.
   * @param size bytes, or text such as `10G`
   * @throws CairnError ERR_NO_CACHE for a volume whose store is on this host, ERR_CACHE_SIZE
   */
  limit(volume: string, size: number | string): Promise<void>
}

/** @param call of the methods of the engine */
export function cachesOf(call: (method: string, ...args: unknown[]) => Promise<unknown>): Caches {
  return {
    stats: async volume => (await call('cacheStats', ...given(volume))) as StoreCache[],
    clear: async volume => (await call('cacheClear', ...given(volume))) as Awaited<ReturnType<Caches['clear']>>,
    limit: async (volume, size) => {
      await call('cacheLimit', volume, bytesOf(size))
    },
  }
}

/** @throws CairnError ERR_CACHE_SIZE */
export function bytesOf(size: number | string): number {
  const bytes = typeof size === 'string' ? parseSize(size) : size
  if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0) return bytes
  throw new CairnError('ERR_CACHE_SIZE', `${JSON.stringify(size)} is no size of a cache.`, 'Write one such as 512M or 10G.', { exitCode: 2 })
}

function given(volume: string | undefined): string[] {
  return volume === undefined ? [] : [volume]
}
