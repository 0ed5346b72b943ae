import { join } from 'node:path'
import { CairnError } from '../errors.js'
import { HOME_FILES, LocalFiles } from '../store/local-files.js'
import { formatStoreUrl, type StoreLocation } from '../store/url.js'
import { limits } from '../sys/index.js'
import type { VolumeInfo } from '../volume/api.js'
import type { Apart, Engine, StoreOptions } from '../volume/engine.js'
import { type Bundle, unbundle } from './bundle.js'

export interface CopyTarget extends StoreOptions {
  /** Missing: the home's own store. */
  location?: StoreLocation | undefined
  /** Of the copy. */
  name: string
}

export interface Copied {
  name: string
  id: string
  /** `dev`, or the address of the store. */
  store: string
  /** Of all states, a file once for each that differs. */
  files: number
  bytes: number
}

/** How a volume is read, and how a store that copies go to is made known to the home. */
export interface CopyWork {
  bundle: () => Promise<Bundle>
  flushAll: () => Promise<void>
  onProgress?: ((done: { files: number; bytes: number }) => void) | undefined
}

/** See `Cairn.copy`. @param source id of the store that the volume lies in; undefined: the home's own */
export async function copyVolume(engine: Engine, source: string | undefined, target: CopyTarget, work: CopyWork): Promise<Copied> {
  if (target.location !== undefined) return copyApart(engine, source, { ...target, location: target.location }, work)
  if (source === undefined) throw sameStore("the home's own store")
  engine.checkFree(target.name)
  return received(await work.bundle(), bundle => unbundle(engine.dev, bundle, target.name, { flushAll: work.flushAll, ...progress(work) }))
}

/** What is not stored yet lies in a folder of this copy alone, which goes with it, or with this process. */
async function copyApart(engine: Engine, source: string | undefined, target: CopyTarget & { location: StoreLocation }, work: CopyWork): Promise<Copied> {
  const { location, name, ...options } = target
  const files = new LocalFiles(join(engine.home, HOME_FILES))
  let apart: Apart | undefined
  try {
    apart = engine.apart(location, files.folder(), options)
    if (apart.id === source) throw sameStore(formatStoreUrl(location))
    const { pool, remote } = apart
    pool.checkFree(name)
    const drain = remote === undefined ? {} : { drain: () => remote.passOn(limits.copyWaitingBytes) }
    return await received(await work.bundle(), bundle => unbundle(pool, bundle, name, { flushAll: async () => undefined, ...drain, ...progress(work) }))
  } finally {
    apart?.pool.close()
    files.close()
  }
}

async function received(bundle: Bundle, take: (bundle: Bundle) => Promise<VolumeInfo>): Promise<Copied> {
  try {
    const { name, id, store } = await take(bundle)
    return { name, id, store, files: bundle.files, bytes: bundle.bytes }
  } finally {
    bundle.close()
  }
}

function progress({ onProgress }: CopyWork): { onProgress?: NonNullable<CopyWork['onProgress']> } {
  return onProgress === undefined ? {} : { onProgress }
}

function sameStore(description: string): CairnError {
  return new CairnError(
    'ERR_COPY_SAME_STORE',
    `The volume is in ${description} already.`,
    'Within a store `cairn fork` makes a copy that shares every byte, at once.',
  )
}
