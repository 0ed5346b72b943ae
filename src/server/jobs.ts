import type { Head } from '../codec/head.js'
import { CairnError, CorruptError } from '../errors.js'
import type { StoreLocation } from '../store/url.js'
import type { KeySource } from '../store/user-key.js'
import { startThread } from '../sys/threads.js'
import { fromWire, type WireError } from '../sys/wire-error.js'
import type { VolumeInfo } from '../volume/api.js'
import type { Pinned } from '../volume/engine.js'

/** Of a volume that lies elsewhere than in the home. */
export interface StorePlace {
  location: StoreLocation
  id: string
  /** Where its key may come from. */
  keys?: readonly KeySource[]
}

/** `store` is missing for the home's own. */
export type JobData =
  | { kind: 'gc'; store?: StorePlace; home: string; dryRun: boolean; thorough?: boolean | string; onlyIfWorth?: boolean }
  /**
   * `state`: id of the hidden head that keeps what is checked; of the volume itself when damage keeps it from being opened or sealed, with what that is.
   * `head`: what is checked, where nothing could be stored to keep it.
   */
  | { kind: 'fsck'; store?: StorePlace; home: string; state: string; head?: Head; unopened?: { object: string; problem: string } }
  /** What is stored of a volume, by its id. */
  | { kind: 'stored-fsck'; store: StorePlace; home: string; volume: string; repair: boolean }

export type JobMessage = { progress: object } | { result: unknown } | { error: WireError }

/** Runs a job in a thread of its own. @throws what it threw; CairnError ERR_JOB_LOST when the thread ended without a word */
export function runJob(data: JobData, onProgress: (progress: object) => void = () => {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = startThread('server/job-thread', { workerData: data })
    worker.on('message', (message: JobMessage) => {
      if ('progress' in message) onProgress(message.progress)
      else if ('error' in message) reject(fromWire(message.error))
      else resolve(message.result)
    })
    worker.on('error', reject)
    worker.on('exit', () => reject(new CairnError('ERR_JOB_LOST', 'The thread of this work ended before it was done.', 'Try again.', { retry: 'same-call' })))
  })
}

/** Calls methods of the engine, here or in its thread. */
export type EngineCall = (method: string, ...args: unknown[]) => Promise<unknown>

/** What one job is told to do; `end` is called when it is over, however. */
export interface PreparedJob {
  data: JobData
  end: () => Promise<unknown>
}

export interface JobOptions {
  dryRun?: boolean
  /** See `GcOptions`. */
  thorough?: boolean | string
  onlyIfWorth?: boolean
  /** Check what is stored elsewhere, past what this host has of it. */
  remote?: boolean
  /** … and store again what this host has a whole copy of. */
  repair?: boolean
}

/**
 * Brings the volumes into the state that a job is to look at: what was acknowledged is sealed first.
 * @param name of the volume to check; for `gc` of one whose store is collected, else it is the home's own
 * @throws CairnError ERR_VOLUME_UNKNOWN …
 */
export async function prepareJob(call: EngineCall, home: string, kind: JobData['kind'], name?: string, options: JobOptions = {}): Promise<PreparedJob> {
  if (kind === 'fsck' && options.remote === true) return prepareStoredCheck(call, home, name, options.repair === true)
  if (kind !== 'gc') return prepareCheck(call, home, name)
  const { dryRun = false, thorough = false, onlyIfWorth = false } = options
  if (!onlyIfWorth) await flushAll(call)
  return { data: { kind, ...(await storeOf(call, name)), home, dryRun, thorough, onlyIfWorth }, end: () => call('collected') }
}

async function storeOf(call: EngineCall, name: string | undefined): Promise<{ store?: StorePlace }> {
  const store = name === undefined ? undefined : ((await call('storeOf', name)) as StorePlace | undefined)
  return store === undefined ? {} : { store: { ...store, keys: (await call('engine.keys')) as KeySource[] } }
}

async function prepareCheck(call: EngineCall, home: string, name?: string): Promise<PreparedJob> {
  try {
    const { id, head } = (await call('pin', name)) as Pinned
    return {
      data: { kind: 'fsck', ...(await storeOf(call, name)), home, state: id, ...(head === undefined ? {} : { head }) },
      end: () => call('unpin', name, id),
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    // What was sealed last can be checked all the same, as long as the head says where it is.
    const volume = ((await call('volumes')) as VolumeInfo[]).find(one => one.name === name)
    if (volume === undefined) throw error
    const unopened = { object: error.object, problem: error.problem }
    return { data: { kind: 'fsck', ...(await storeOf(call, name)), home, state: volume.id, unopened }, end: () => Promise.resolve() }
  }
}

/** Nobody has to be its writer for it; what this host has not published comes first where it is. */
async function prepareStoredCheck(call: EngineCall, home: string, name: string | undefined, repair: boolean): Promise<PreparedJob> {
  const { store } = await storeOf(call, name)
  if (store === undefined)
    throw new CairnError('ERR_STORE_LOCAL', `The volume ${name} lies in this home's own store.`, 'Leave --remote out: `cairn fsck` checks all of it.', {
      exitCode: 2,
    })
  const { id } = (await call('info', name)) as VolumeInfo
  if (((await call('openVolumes')) as string[]).includes(name ?? '')) await call('flush', name)
  return { data: { kind: 'stored-fsck', store, home, volume: id, repair }, end: () => Promise.resolve() }
}

/** What was deleted in open volumes is garbage only when it is sealed. One that cannot be sealed now is collected as it was. */
async function flushAll(call: EngineCall): Promise<void> {
  for (const volume of (await call('openVolumes')) as string[]) await call('flush', volume).catch(() => undefined)
}
