import { closeSync, openSync, writeSync } from 'node:fs'
import { assert } from '../../sys/index.js'
import type { PackPart } from '../store-logs.js'
import type { Connection } from './connection.js'
import { PIECE_BYTES, type Pieces } from './pieces.js'

/** In front of what the key of a pack will be: `~` is in no key, so that no listing shows it. */
const OPEN = '~open/'
const COPY_BYTES = 16 * PIECE_BYTES

interface OpenPack {
  id: number
  size: number
  /** What of it is in its last piece, which is not full. */
  tail: Buffer
}

/** Packs that are still being written: objects that no key leads to yet, and that grow. Each method runs within a transaction of its caller. */
export class OpenPacks {
  readonly #connection: Connection
  readonly #pieces: Pieces
  readonly #known = new Map<string, OpenPack>()

  constructor(connection: Connection, pieces: Pieces) {
    this.#connection = connection
    this.#pieces = pieces
  }

  /** Puts stretches of packs behind what is there. @returns what to call when the transaction is over and done */
  extend(parts: readonly PackPart[], now: number): () => void {
    const grown = parts.map(part => [part.key, this.#extended(part, now)] as const)
    return () => {
      for (const [key, pack] of grown) this.#known.set(key, pack)
    }
  }

  #extended({ key, from, bytes }: PackPart, now: number): OpenPack {
    const pack = this.#find(key) ?? this.#make(key, now)
    assert(from <= pack.size, 'a pack has no gap')
    // Shorter: what was behind there did not verify when it was taken up again.
    const tail = from === pack.size ? pack.tail : this.#tail(pack.id, from)
    const start = from - tail.length
    const whole = tail.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([tail, bytes])
    this.#pieces.write(pack.id, start, whole)
    const size = start + whole.length
    this.#connection.statement('UPDATE object SET size = ? WHERE id = ?').run(size, pack.id)
    return { id: pack.id, size, tail: Buffer.from(whole.subarray(whole.length - (size % PIECE_BYTES))) }
  }

  #find(key: string): OpenPack | undefined {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const row = this.#connection.row('SELECT id, size FROM object WHERE key = ?', OPEN + key)
    if (row === undefined) return undefined
    const [id, size] = [Number(row['id']), Number(row['size'])]
    return { id, size, tail: this.#tail(id, size) }
  }

  #tail(id: number, size: number): Buffer {
    const tail = Buffer.alloc(size % PIECE_BYTES)
    this.#pieces.copy({ id, bytes: null }, size - tail.length, tail, 0, tail.length)
    return tail
  }

  #make(key: string, now: number): OpenPack {
    const insert = this.#connection.statement("INSERT INTO object (key, version, size, modified) VALUES (?, '', 0, ?) RETURNING id")
    return { id: Number(insert.get(OPEN + key, now)?.['id']), size: 0, tail: Buffer.alloc(0) }
  }

  /** Bytes that are here of a pack; 0 without any. */
  sizeOf(key: string): number {
    return this.#find(key)?.size ?? 0
  }

  /** Makes a pack that is whole an object like others. */
  finish(key: string, version: string, now: number): void {
    this.#connection.statement('UPDATE object SET key = ?, version = ?, modified = ? WHERE key = ?').run(key, version, now, OPEN + key)
  }

  /** It is no open one any more. */
  forget(key: string): void {
    this.#known.delete(key)
  }

  /** Those of one volume. */
  list(volume: string): Array<{ key: string; sizeBytes: number }> {
    const prefix = `${OPEN}packs/${volume}/`
    const rows = this.#connection.statement('SELECT key, size FROM object WHERE key >= ? AND key < ? ORDER BY key').all(prefix, `${prefix}~`)
    return rows.map(row => ({ key: String(row['key']).slice(OPEN.length), sizeBytes: Number(row['size']) }))
  }

  copy(key: string, path: string): void {
    const row = this.#connection.row('SELECT id, size, bytes FROM object WHERE key = ?', OPEN + key)
    if (row === undefined) return
    const fd = openSync(path, 'w', 0o600)
    try {
      const buffer = Buffer.allocUnsafeSlow(COPY_BYTES)
      for (let at = 0; at < Number(row['size']); ) {
        const n = this.#pieces.copy(row, at, buffer, 0, Math.min(COPY_BYTES, Number(row['size']) - at))
        if (n === 0) break
        for (let done = 0; done < n; ) done += writeSync(fd, buffer, done, n - done, at + done)
        at += n
      }
    } finally {
      closeSync(fd)
    }
  }

  drop(volume: string): void {
    for (const { key } of this.list(volume)) {
      const row = this.#connection.row('SELECT id FROM object WHERE key = ?', OPEN + key)
      if (row === undefined) continue
      this.#pieces.remove(Number(row['id']))
      this.#connection.statement('DELETE FROM object WHERE id = ?').run(Number(row['id']))
      this.#known.delete(key)
    }
  }
}
