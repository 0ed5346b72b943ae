import { mkdir, rename, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { limits } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { CHUNK_BYTES, chunkFile } from './chunks.js'

/** Reads objects by chunks and keeps each in a file of the cache. Who asks for a chunk that is on its way waits for that one. */
export class ChunkFetcher {
  readonly #store: Promise<ObjectStore>
  readonly #folder: string
  readonly #underWay = new Map<string, Promise<number | Uint8Array>>()
  #made = 0

  constructor(store: Promise<ObjectStore>, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  /** @returns the length of the chunk; its bytes where the disk does not take them; -1 when there is no such object */
  fetch(key: string, chunk: number, ahead: number): Promise<number | Uint8Array> {
    const wanted = this.#one(key, chunk)
    for (let i = 1; i <= ahead && this.#underWay.size < limits.storeReadAhead; i++) {
      // What nobody asked for yet may fail.
      this.#one(key, chunk + i).catch(() => undefined)
    }
    return wanted
  }

  #one(key: string, chunk: number): Promise<number | Uint8Array> {
    const file = chunkFile(key, chunk)
    const known = this.#underWay.get(file)
    if (known !== undefined) return known
    const reading = this.#read(key, chunk, file).finally(() => this.#underWay.delete(file))
    this.#underWay.set(file, reading)
    return reading
  }

  async #read(key: string, chunk: number, file: string): Promise<number | Uint8Array> {
    const store = await this.#store
    const found = await store.get(key, { range: { offset: chunk * CHUNK_BYTES, length: CHUNK_BYTES } })
    if (found === undefined) return -1
    const { bytes } = found
    // Behind the end of the object.
    if (bytes.length === 0) return 0
    return (await this.#keep(join(this.#folder, file), bytes)) ? bytes.length : bytes
  }

  /** Not synced: what a power loss leaves of it does not verify, and is read again. */
  async #keep(path: string, bytes: Uint8Array): Promise<boolean> {
    const temporary = `${path}~${process.pid}-${++this.#made}`
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(temporary, bytes, { mode: 0o600 })
      await rename(temporary, path)
      return true
    } catch {
      await unlink(temporary).catch(() => undefined)
      return false
    }
  }
}
