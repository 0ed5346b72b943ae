/** Entry of a thread that does long work on packs, which never change, beside the engine: collection and checks. */
import { setPriority } from 'node:os'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { collect } from '../history/gc/collect.js'
import { isWorthCollecting, wasCollectedLately } from '../history/gc/worth.js'
import type { LocalStore } from '../store/contract.js'
import { openDirectoryStore } from '../store/directory/index.js'
import { openElsewhere } from '../store/elsewhere.js'
import { Packs } from '../store/packs.js'
import { limits, systemClock, systemRandom } from '../sys/index.js'
import { parentPort, workerData } from '../sys/threads.js'
import { toWire } from '../sys/wire-error.js'
import { PageCache } from '../tree/index.js'
import type { FsckReport } from '../volume/api.js'
import { fsck } from '../volume/fsck.js'
import { HeadFile } from '../volume/head.js'
import type { JobData, JobMessage } from './jobs.js'
import { checkStored } from './stored-check.js'

const STORE_NAME = 'dev'

function opened(data: Exclude<JobData, { kind: 'stored-fsck' }>): { store: LocalStore; name: string } {
  const { store, home } = data
  if (store === undefined) return { store: openDirectoryStore(join(home, 'store'), { create: data.kind === 'gc' }), name: STORE_NAME }
  const { store: opened, description } = openElsewhere(store.location, {
    id: store.id,
    folder: id => join(home, 'stores', id),
    keys: store.keys ?? [],
    collects: data.kind === 'gc',
  })
  return { store: opened, name: description }
}

function run(data: JobData, say: (progress: object) => void): unknown {
  if (data.kind === 'stored-fsck') return checkStored({ ...data, onProgress: say })
  const { store, name } = opened(data)
  try {
    return data.kind === 'gc' ? collection(data, store, name, say) : check(data, store, say)
  } finally {
    void store.close()
  }
}

function collection(data: Extract<JobData, { kind: 'gc' }>, store: LocalStore, storeName: string, say: (progress: object) => void): unknown {
  // First what costs one request.
  if (data.onlyIfWorth === true && data.store !== undefined && wasCollectedLately(store, systemClock)) return null
  if (data.onlyIfWorth === true && !isWorthCollecting(store, systemClock)) return null
  const work = collect({
    store,
    storeName,
    home: data.home,
    clock: systemClock,
    random: systemRandom,
    dryRun: data.dryRun,
    thorough: data.thorough,
  })
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    say(step.value)
  }
}

function check(data: Extract<JobData, { kind: 'fsck' }>, store: LocalStore, say: (progress: object) => void): FsckReport {
  const state = data.head ?? HeadFile.read(store, data.state, systemRandom)?.value
  const volume = data.unopened === undefined ? HeadFile.read(store, state?.parent?.id ?? '', systemRandom)?.value : state
  if (state === undefined || volume === undefined) throw new CairnError('ERR_VOLUME_UNKNOWN', 'The volume was deleted while it was checked.', 'Check another.')
  const packs = new Packs(store, { blockCacheBytes: 0 })
  const pages = new PageCache(packs, limits.fsckPageBytes)
  const { root, history, inodes } = state
  const report = fsck({ store, packs, pages, head: { volume: volume.volume, root, history, inodes }, nextIno: volume.nextIno, onProgress: say })
  return data.unopened === undefined ? report : { ...report, ok: false, findings: [unopened(data.unopened), ...report.findings] }
}

function unopened({ object, problem }: { object: string; problem: string }): FsckReport['findings'][number] {
  return { severity: 'error', object, problem: `${problem}; this keeps the changes since the last seal from being taken up, and the volume from being opened` }
}

/** Only this thread: on Linux a priority is a thread's. */
function giveWay(): void {
  try {
    setPriority(0, limits.jobNice)
  } catch {
    // Not allowed here; then it shares the processor evenly.
  }
}

function start(port: MessagePort, data: JobData): void {
  let saidMs = 0
  const say = (progress: object): void => {
    const now = systemClock.monotonic()
    if (now - saidMs < limits.jobProgressMs) return
    saidMs = now
    port.postMessage({ progress } satisfies JobMessage)
  }
  giveWay()
  try {
    port.postMessage({ result: run(data, say) } satisfies JobMessage)
  } catch (error) {
    port.postMessage({ error: toWire(error) } satisfies JobMessage)
  }
}

if (parentPort !== null) start(parentPort, workerData as JobData)
