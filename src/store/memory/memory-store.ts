import { readFileSync, unlinkSync } from 'node:fs'
import { type Clock, limits, systemClock } from '../../sys/index.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed, unlessRefused } from '../keys.js'

interface Entry {
  bytes: Buffer
  version: string
  modifiedMs: number
}

/** A store in the memory of this process: for tests and throw-away volumes. Nothing survives it. */
export class MemoryStore extends AsyncLocal {
  readonly description = 'memory'
  readonly #objects = new Map<string, Entry>()
  readonly #clock: Clock
  #versions = 0

  constructor(clock: Clock = systemClock) {
    super()
    this.#clock = clock
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    checkKey(key)
    const entry = this.#objects.get(key)
    if (entry === undefined) return undefined
    const { offset, length } = options?.range ?? { offset: 0, length: entry.bytes.length }
    return { bytes: Buffer.from(entry.bytes.subarray(offset, offset + length)), version: entry.version }
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    checkKey(key)
    const entry = this.#objects.get(key)
    return entry === undefined ? -1 : entry.bytes.subarray(offset, offset + length).copy(into, at)
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    checkKey(key)
    const before = this.#objects.get(key)
    if (options.ifAbsent === true && before !== undefined) throw preconditionFailed(key, IS_THERE)
    if (options.ifMatch !== undefined && before?.version !== options.ifMatch) throw preconditionFailed(key, before === undefined ? IS_GONE : IS_CHANGED)
    return this.#set(key, Buffer.from(bytes))
  }

  putAllSync(puts: readonly Put[]): string[] {
    const versions: string[] = []
    for (const { key, bytes, options } of puts) {
      const version = unlessRefused(() => this.putSync(key, bytes, options).version)
      if (version === undefined) break
      versions.push(version)
    }
    return versions
  }

  #set(key: string, bytes: Buffer): { version: string } {
    const version = String(++this.#versions)
    this.#objects.set(key, { bytes, version, modifiedMs: this.#clock.now() })
    return { version }
  }

  headSync(key: string): ObjectInfo | undefined {
    checkKey(key)
    const entry = this.#objects.get(key)
    return entry && { sizeBytes: entry.bytes.length, version: entry.version, modifiedMs: entry.modifiedMs }
  }

  listSync(prefix: string, cursor = ''): ListPage {
    checkPrefix(prefix)
    // Keys are ASCII, so the order of strings is that of bytes.
    const keys = [...this.#objects.keys()].filter(key => key.startsWith(prefix) && key > cursor).sort()
    const page = keys.slice(0, limits.listPageObjects)
    const objects = page.map(key => {
      const entry = this.#objects.get(key)
      return { key, sizeBytes: entry?.bytes.length ?? 0, modifiedMs: entry?.modifiedMs ?? 0 }
    })
    return keys.length > page.length ? { objects, cursor: page[page.length - 1] } : { objects }
  }

  deleteSync(keys: readonly string[]): void {
    for (const key of keys) checkKey(key)
    for (const key of keys) this.#objects.delete(key)
  }

  adoptSync(key: string, path: string): void {
    checkKey(key)
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && this.#objects.has(key)) return
      throw error
    }
    this.#set(key, bytes)
    unlinkSync(path)
  }

  /** Nothing is kept open. */
  forgetRemoved(): void {}

  async close(): Promise<void> {
    this.#objects.clear()
  }
}
