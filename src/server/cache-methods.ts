import { constants } from 'node:fs'
import { CairnError } from '../errors.js'
import type { LocalBackend } from '../node/backend.js'
import { hasCache } from '../store/elsewhere.js'
import { CachedContent, type CachedStep } from '../volume/cached-content.js'
import type { Engine } from '../volume/engine.js'
import { type Prefetched, PrefetchFiles } from '../volume/prefetch.js'
import { cacheFolder } from '../volume/store-caches.js'
import type { Sessions } from './sessions.js'

/** Where files of a volume are kept for programs of this host. */
export interface LocalPlace {
  /** False of a state of the past, which nobody changes. */
  isLive: boolean
  /** The cache of its store, where that is not the home's own. */
  cache?: { folder: string; store: string; description: string }
}

/** What clients ask of caches, by method name. */
export function cacheMethods(engine: Engine, sessions: Sessions) {
  return {
    cacheStats: (_: string, name?: string) => engine.caches.list(known(engine, name)),
    cacheClear: (_: string, name?: string) => engine.caches.clear(known(engine, name)),
    cacheLimit: (_: string, name: string, maxBytes: number) => {
      engine.storeOf(name)
      if (!engine.caches.limit(name, maxBytes)) throw noCache(name)
    },
    localPlace: (session: string, id: number): LocalPlace => {
      const { open, fs } = sessions.get(session, id)
      const isLive = fs === open.fs
      const store = engine.storeOf(open.volume.info.name)
      if (store === undefined || !hasCache(store.location)) return { isLive }
      return { isLive, cache: { folder: cacheFolder(engine.home, store.id), store: store.id, description: open.volume.info.store } }
    },
    /** As much of these files as is brought near at once; see `PrefetchFiles`. */
    prefetch: (session: string, id: number, paths: readonly string[], offset?: number): Promise<Prefetched> => {
      const { open, fs, backend } = sessions.get(session, id)
      return new PrefetchFiles(open.volume.context.packs, fs.session, engine.remoteOf(open.volume)).run(filesAt(backend, paths), offset)
    },
    /** How much of these files is here, as far as one step looks; see `CachedContent`. */
    cachedFiles: (session: string, id: number, paths: readonly string[], offset?: number, isDeleted = false): CachedStep => {
      const { open, fs, backend } = sessions.get(session, id)
      return new CachedContent(open.volume.context.packs, fs.session, engine.remoteOf(open.volume), isDeleted).run(filesAt(backend, paths), offset)
    },
  }
}

/** Their inodes. What is gone by now, and what is no file, is passed over. */
function filesAt(backend: LocalBackend, paths: readonly string[]): number[] {
  return paths.map(path => fileAt(backend.ops.statIfExists(path, false)))
}

/** Its inode; of what is no file that of nothing. */
function fileAt(found: { ino: number; mode: number } | undefined): number {
  return found !== undefined && (found.mode & constants.S_IFMT) === constants.S_IFREG ? found.ino : 0
}

function known(engine: Engine, name: string | undefined): string | undefined {
  if (name !== undefined) engine.storeOf(name)
  return name
}

function noCache(name: string): CairnError {
  return new CairnError('ERR_NO_CACHE', `The volume ${name} lies on this host and has no cache.`, 'Leave --cache-size out.')
}
