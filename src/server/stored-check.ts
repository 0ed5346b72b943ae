import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packIdOf } from '../codec/pack.js'
import { CairnError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { readKnown } from '../store/known-store.js'
import { MemoryStore } from '../store/memory/index.js'
import { packProblem } from '../store/pack-scan.js'
import { Packs } from '../store/packs.js'
import { openRemoteStore } from '../store/remote/index.js'
import { makeFolder } from '../store/sync-folder.js'
import type { KeySource } from '../store/user-key.js'
import { limits, systemRandom } from '../sys/index.js'
import { PageCache } from '../tree/index.js'
import type { FsckReport, StoredDamage } from '../volume/api.js'
import { type FsckProgress, fsck } from '../volume/fsck.js'
import { HeadFile } from '../volume/head.js'
import { FileLock } from '../volume/lock.js'
import type { StorePlace } from './jobs.js'

/** A check during which the head changed is made again this often: what it missed may have been collected. */
const CHECKS = 3

export interface StoredCheckOptions {
  store: StorePlace
  home: string
  /** Id of the volume. */
  volume: string
  /** Store whole copies that this host has of what is missing or damaged. */
  repair: boolean
  onProgress: (done: FsckProgress) => void
}

/**
 * Checks what is stored of a volume elsewhere, as another host would find it: past the cache and the outbox of this one.
 * @throws CairnError ERR_VOLUME_UNKNOWN; ERR_FSCK_RUNNING when another check of the store goes on; what the store says
 * Cost: all of the volume is read, in requests of 256 KiB.
 */
export function checkStored(options: StoredCheckOptions): FsckReport {
  const { location, id } = options.store
  const folder = join(options.home, 'stores', id)
  makeFolder(join(options.home, 'stores'))
  makeFolder(folder)
  const lock = FileLock.tryAcquire(join(folder, 'check.lock'))
  if (!(lock instanceof FileLock))
    throw new CairnError('ERR_FSCK_RUNNING', 'Another check of this store goes on.', 'Wait until it is done.', { retry: 'same-call' })
  const own = join(folder, 'check')
  try {
    // What a killed one left.
    rmSync(own, { recursive: true, force: true })
    const store = openRemoteStore(location, { id, folder: () => own, cacheBytes: limits.checkCacheBytes, keys: keysOf(options.store, folder) })
    try {
      return new StoredCheck(store, folder, options).run()
    } finally {
      void store.close()
    }
  } finally {
    rmSync(own, { recursive: true, force: true })
    lock.release()
  }
}

/** This home may remember where the key comes from. */
function keysOf({ keys = [] }: StorePlace, folder: string): KeySource[] {
  const known = readKnown(folder)?.key
  return [...(known === undefined ? [] : [known]), ...keys]
}

class StoredCheck {
  readonly #store: LocalStore
  /** What this host has of the store. */
  readonly #folder: string
  readonly #options: StoredCheckOptions
  readonly #repaired = new Map<string, StoredDamage>()

  constructor(store: LocalStore, folder: string, options: StoredCheckOptions) {
    this.#store = store
    this.#folder = folder
    this.#options = options
  }

  run(): FsckReport {
    for (;;) {
      const report = this.#check()
      const damaged = this.#damaged(report)
      const healed = this.#options.repair ? damaged.filter(one => this.#heal(one)) : []
      // A page that is there again leads to more.
      if (healed.length === 0) {
        const stored = [...this.#repaired.values(), ...damaged]
        return { ...report, stored: stored.sort((a, b) => (a.object < b.object ? -1 : 1)) }
      }
      for (const one of healed) this.#repaired.set(one.object, { ...one, repaired: true })
    }
  }

  #check(): FsckReport {
    for (let attempt = 1; ; attempt++) {
      const head = this.#head()
      const packs = new Packs(this.#store, { blockCacheBytes: 0 })
      const { volume, root, history, inodes, nextIno } = head.value
      const target = { store: this.#store, packs, pages: new PageCache(packs, limits.fsckPageBytes), head: { volume, root, history, inodes }, nextIno }
      try {
        const report = fsck({ ...target, onProgress: this.#options.onProgress })
        if (report.ok || attempt === CHECKS || this.#head().value.nonce === head.value.nonce) return report
      } finally {
        packs.close()
      }
    }
  }

  #head(): HeadFile {
    const head = HeadFile.read(this.#store, this.#options.volume, systemRandom)
    if (head !== undefined && head.value.deletedMs === undefined) return head
    throw new CairnError('ERR_VOLUME_UNKNOWN', 'The volume is gone from the store.', 'See `cairn volumes`.')
  }

  /** Each object that something was found about, and where this host has all of it. */
  #damaged(report: FsckReport): StoredDamage[] {
    const keys = new Set(report.findings.flatMap(({ object }) => /^packs\/\S+/.exec(object)?.[0] ?? []))
    return [...keys].map(object => {
      const problem = this.#store.headSync(object) === undefined ? 'missing' : 'damaged'
      const here = (['outbox', 'cache'] as const).find(place => this.#copy(object, place) !== undefined)
      return { object, problem, ...(here === undefined ? {} : { here }) }
    })
  }

  /** The bytes of a pack, where this host has all of them, and they verify. */
  #copy(key: string, place: 'outbox' | 'cache'): Buffer | undefined {
    let bytes: Buffer
    try {
      bytes = readFileSync(join(this.#folder, place === 'outbox' ? 'local' : 'cache', key))
    } catch {
      return undefined
    }
    const id = packIdOf(key)
    const alone = Object.assign(new MemoryStore(), { coding: this.#store.coding })
    alone.putSync(key, bytes)
    return id !== undefined && packProblem(alone, id) === undefined ? bytes : undefined
  }

  /** False when there is nothing to heal it from, or that did not help. */
  #heal({ object, here }: StoredDamage): boolean {
    const bytes = here === undefined || this.#repaired.has(object) ? undefined : this.#copy(object, here)
    if (bytes === undefined) return false
    this.#store.putSync(object, bytes)
    this.#store.discardSync?.(object, 0, bytes.length)
    return true
  }
}
