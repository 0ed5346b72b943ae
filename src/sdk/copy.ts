import { join } from 'node:path'
import { CairnError } from '../errors.js'
import { HOME_FILES, LocalFiles } from '../store/local-files.js'
import { formatStoreUrl, type StoreLocation } from '../store/url.js'
import { limits, systemClock } from '../sys/index.js'
import type { VolumeInfo } from '../volume/api.js'
import type { Apart, Engine, StoreOptions } from '../volume/engine.js'
import type { Pool } from '../volume/pool.js'
import { type Bundle, unbundle } from './bundle.js'
import { CopyRecord } from './copies.js'
import { beginCopy } from './copy-begin.js'
import { StoredCopy } from './stored-copy.js'

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
  /** That were copied. */
  bytes: number
  /** Stored bytes of content that the store had already, of a copy that broke off or of the one before. */
  reusedBytes: number
}

/** How a volume is read, and how a store that copies go to is made known to the home. */
export interface CopyWork {
  bundle: () => Promise<Bundle>
  flushAll: () => Promise<void>
  onProgress?: ((done: { files: number; bytes: number }) => void) | undefined
}

/** Where a copy goes. */
interface Receiver {
  pool: Pool
  /** Of the store, in names of files. */
  id: string
  /** Home, and a folder that goes with this copy. */
  home: string
  folder: string
  drain?: () => Promise<void>
}

/** See `Cairn.copy`. @param source id of the store that the volume lies in; undefined: the home's own */
export async function copyVolume(engine: Engine, source: string | undefined, target: CopyTarget, work: CopyWork): Promise<Copied> {
  if (target.location === undefined && source === undefined) throw sameStore("the home's own store")
  const files = new LocalFiles(join(engine.home, HOME_FILES))
  let apart: Apart | undefined
  try {
    const folder = files.folder()
    const { location, name, ...options } = target
    if (location === undefined) {
      engine.checkFree(name)
      return await copyInto({ pool: engine.dev, id: 'home', home: engine.home, folder }, name, work)
    }
    apart = engine.apart(location, files.folder(), options)
    if (apart.id === source) throw sameStore(formatStoreUrl(location))
    const { pool, remote, id } = apart
    pool.checkFree(name)
    const drain = remote === undefined ? {} : { drain: () => remote.passOn(limits.copyWaitingBytes) }
    return await copyInto({ pool, id, home: engine.home, folder, ...drain }, name, work)
  } finally {
    apart?.pool.close()
    files.close()
  }
}

/** What is not stored yet lies in a folder of this copy alone, which goes with it, or with this process. What is stored is taken up by the next one. */
async function copyInto(receiver: Receiver, name: string, work: CopyWork): Promise<Copied> {
  const bundle = await work.bundle()
  let record: CopyRecord | undefined
  let stored: StoredCopy | undefined
  try {
    const { id } = bundle.header.volume
    record = CopyRecord.open(receiver.home, receiver.id, id)
    // Only where packs are stored while others are made there is something to go on with.
    stored = record === undefined || receiver.drain === undefined ? undefined : new StoredCopy(receiver.pool.context.store, id, systemClock)
    record?.take(stored?.last ?? {})
    const { info, reusedBytes } = await received(receiver, name, bundle, record, stored, work)
    record?.set({ made: info.id })
    stored?.made(info.id)
    return { name: info.name, id: info.id, store: info.store, files: bundle.files, bytes: bundle.bytes, reusedBytes }
  } finally {
    bundle.close()
    stored?.close()
    record?.close()
  }
}

async function received(
  { pool, folder, drain }: Receiver,
  name: string,
  bundle: Bundle,
  record: CopyRecord | undefined,
  stored: StoredCopy | undefined,
  { flushAll, onProgress }: CopyWork,
): Promise<{ info: VolumeInfo; reusedBytes: number }> {
  const into = beginCopy(pool, folder, bundle.header, record)
  const { blocks } = into
  stored?.begun(into.staged.id)
  const drained = drain && (() => drain().then(() => stored?.goesOn()))
  try {
    // What an encrypted store calls a block is found out by reading it.
    if (pool.context.store.coding?.cipher === undefined) bundle.omit(hash => blocks.has(hash))
    const options = { flushAll, into, ...(drained === undefined ? {} : { drain: drained }), ...(onProgress === undefined ? {} : { onProgress }) }
    return { info: await unbundle(pool, bundle, name, options), reusedBytes: blocks.reusedBytes }
  } finally {
    blocks.close()
  }
}

function sameStore(description: string): CairnError {
  return new CairnError(
    'ERR_COPY_SAME_STORE',
    `The volume is in ${description} already.`,
    'Within a store `cairn fork` makes a copy that shares every byte, at once.',
  )
}
