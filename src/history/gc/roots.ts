import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BatchReader, decodeCommit, Item, Tag } from '../../codec/index.js'
import { CairnError, CorruptError } from '../../errors.js'
import { peekJournal } from '../../journal/peek.js'
import { peekStored } from '../../journal/stored-journal.js'
import type { LocalStore } from '../../store/contract.js'
import { PINS_PREFIX, type Pin, readPin } from '../../store/pins.js'
import { limits, type Random } from '../../sys/index.js'
import { HeadFile } from '../../volume/head.js'
import { readHolds } from '../../volume/holds.js'
import { FileLock } from '../../volume/lock.js'
import { blockNamedBy } from '../../volume/named-blocks.js'
import { allKeys, Names } from '../../volume/names.js'

/** What one volume needs beside the trees that its head names. */
export interface JournalVisitor {
  /** `b` at `at` holds the pointer of a block. */
  block(b: Uint8Array, at: number): void
  /** Pointer of a root page, in hex. */
  root(pointer: string): void
}

/** The head of a volume as it was when journal and head belonged together, and whether anybody had it open then. */
export interface VolumeRoots {
  head: HeadFile
  /** Root pages that open views and transactions read, in hex. */
  held: string[]
  isOpen: boolean
}

/** Reads what is reachable, in the order of spec/README.md ("A collector"). */
export class RootReader {
  readonly #store: LocalStore
  readonly #home: string
  readonly #random: Random
  readonly #batch = new BatchReader()

  constructor(store: LocalStore, home: string, random: Random) {
    this.#store = store
    this.#home = home
    this.#random = random
  }

  /** Ids of all volumes that have a head. */
  volumes(): string[] {
    return allKeys(this.#store, 'volumes/').flatMap(key => /^volumes\/([0-9a-f]{16})\/head$/.exec(key)?.[1] ?? [])
  }

  /** @returns undefined also for what a failure of the power left of a fork in the making. @throws CorruptError */
  head(id: string): HeadFile | undefined {
    try {
      return HeadFile.read(this.#store, id, this.#random)
    } catch (error) {
      if (error instanceof CorruptError && this.#wasNeverMade(id)) return undefined
      throw error
    }
  }

  /** No name leads to it, and it has nothing of its own: pending heads are not synced, and get their name when they are replaced by ready ones. */
  #wasNeverMade(id: string): boolean {
    if (existsSync(join(this.#home, 'volumes', id)) || allKeys(this.#store, `packs/${id}/`).length > 0) return false
    const names = new Names(this.#store)
    return names.all().every(name => names.get(name)?.id !== id)
  }

  /**
   * The head, then the journal behind it, then the head again, until it has not changed meanwhile; then what is held.
   * @returns undefined when the volume is gone
   * @throws CorruptError: what a damaged volume needs is not known
   */
  read(id: string, visit: JournalVisitor): VolumeRoots | undefined {
    const dir = join(this.#home, 'volumes', id)
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
      const head = this.head(id)
      if (head === undefined) return undefined
      const { watermark } = head.value
      const { logs, coding } = this.#store
      const visitPayload = (payload: Buffer): void => this.#batchIn(payload, id, visit)
      if (logs === undefined) peekJournal(join(dir, 'journal'), watermark, visitPayload, coding?.cipher)
      else peekStored(logs, id, watermark, visitPayload, coding?.cipher)
      if (!head.isCurrent) continue
      const isOpen = FileLock.isHeld(join(dir, 'lock'))
      return { head, held: isOpen ? readHolds(join(dir, 'holds')) : [], isOpen }
    }
    throw new CairnError('ERR_CONFLICT', `The head of volume ${id} changed ${limits.casAttempts} times while it was read.`, 'Try again.', {
      retry: 'same-call',
    })
  }

  #batchIn(payload: Buffer, id: string, visit: JournalVisitor): void {
    const batch = this.#batch
    if (!batch.open(payload, 0, payload.length)) throw new CorruptError(`the journal of volume ${id}`, 'it holds a batch of a newer format')
    while (batch.next()) {
      if (batch.op !== Item.put && batch.op !== Item.historyPut) continue
      const { buffer: b, kp, kl, vp, vl } = batch
      if (b[kp] === Tag.commit && batch.op === Item.historyPut) visit.root(decodeCommit(b, vp, vl).root)
      else if (b[kp] === Tag.extent || b[kp] === Tag.version) this.#block(b, blockNamedBy(b, kp, kl, vp, vl), visit)
    }
  }

  #block(b: Uint8Array, at: number, visit: JournalVisitor): void {
    if (at >= 0) visit.block(b, at)
  }

  /** All pins, by key. @throws CorruptError */
  pins(): Map<string, Pin> {
    const pins = new Map<string, Pin>()
    for (const key of allKeys(this.#store, PINS_PREFIX)) {
      const pin = readPin(this.#store, key)
      if (pin !== undefined) pins.set(key, pin)
    }
    return pins
  }
}
