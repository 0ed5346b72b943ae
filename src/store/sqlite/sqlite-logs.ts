import { CairnError } from '../../errors.js'
import { assert, type Clock } from '../../sys/index.js'
import type { PackPart, StoreLogs, VolumeLog } from '../store-logs.js'
import type { Connection } from './connection.js'
import type { OpenPacks } from './open-packs.js'

/** Number of a frame: `log · 2^40 + sequence`. */
const SEQUENCES = 2 ** 40
/** SQLite takes no value of a gigabyte: a longer frame is kept in rows of this length. */
const ROW_BYTES = 256 * 1024 * 1024
const OF_LOG = 'FROM frame WHERE id >= ? AND id < ?'

export const LOG_SCHEMA = `
  CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, volume TEXT NOT NULL UNIQUE, writer TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS frame (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS more (frame INTEGER NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (frame, n));
`

/** Journals of volumes as tables of the store's file. */
export class SqliteLogs implements StoreLogs {
  readonly #connection: Connection
  readonly #packs: OpenPacks
  readonly #clock: Clock

  constructor(connection: Connection, packs: OpenPacks, clock: Clock) {
    this.#connection = connection
    this.#packs = packs
    this.#clock = clock
  }

  open(volume: string, writer: string): VolumeLog {
    const c = this.#connection
    const id = c.run(() => {
      const row = c
        .statement('INSERT INTO log (volume, writer) VALUES (?, ?) ON CONFLICT (volume) DO UPDATE SET writer = excluded.writer RETURNING id')
        .get(volume, writer)
      return Number(row?.['id'])
    })
    return new SqliteLog({ connection: c, packs: this.#packs, clock: this.#clock, id, volume, writer })
  }

  #idOf(volume: string): number | undefined {
    const row = this.#connection.row('SELECT id FROM log WHERE volume = ?', volume)
    return row === undefined ? undefined : Number(row['id'])
  }

  peek(volume: string, after: number, visit: (sequence: number, frame: Buffer) => void): void {
    const c = this.#connection
    c.run(() => {
      const id = this.#idOf(volume)
      if (id !== undefined) readFrames(c, id, after, visit)
    })
  }

  bytesOf(volume: string): number {
    const c = this.#connection
    return c.run(() => {
      const id = this.#idOf(volume)
      if (id === undefined) return 0
      const row = c.row(`SELECT coalesce(sum(length(bytes)), 0) AS n ${OF_LOG}`, id * SEQUENCES, (id + 1) * SEQUENCES)
      return Number(row?.['n'])
    })
  }

  drop(volume: string): void {
    const c = this.#connection
    c.run(() =>
      c.transaction(() => {
        const id = this.#idOf(volume)
        this.#packs.drop(volume)
        if (id === undefined) return
        deleteFrames(c, id * SEQUENCES, (id + 1) * SEQUENCES)
        c.statement('DELETE FROM log WHERE id = ?').run(id)
      }),
    )
  }
}

class SqliteLog implements VolumeLog {
  readonly #connection: Connection
  readonly #packs: OpenPacks
  readonly #clock: Clock
  readonly #volume: string
  readonly #writer: string
  readonly #id: number
  readonly #base: number

  constructor(parts: { connection: Connection; packs: OpenPacks; clock: Clock; id: number; volume: string; writer: string }) {
    this.#connection = parts.connection
    this.#packs = parts.packs
    this.#clock = parts.clock
    this.#volume = parts.volume
    this.#writer = parts.writer
    this.#id = parts.id
    this.#base = parts.id * SEQUENCES
  }

  get range(): { first: number; last: number } | undefined {
    const c = this.#connection
    const row = c.run(() => c.row(`SELECT (SELECT min(id) ${OF_LOG}) AS first, (SELECT max(id) ${OF_LOG}) AS last`, ...this.#span, ...this.#span))
    if (row === undefined || row['first'] === null) return undefined
    return { first: Number(row['first']) - this.#base, last: Number(row['last']) - this.#base }
  }

  get #span(): [number, number] {
    return [this.#base, this.#base + SEQUENCES]
  }

  read(after: number, visit: (sequence: number, frame: Buffer) => void): void {
    this.#connection.run(() => readFrames(this.#connection, this.#id, after, visit))
  }

  append(sequence: number, frame: readonly Uint8Array[], packs: readonly PackPart[]): void {
    assert(sequence < SEQUENCES, 'a journal has a last number')
    const bytes = frame.length === 1 ? frame[0] : Buffer.concat(frame)
    const id = this.#base + sequence
    const isLong = bytes.length > ROW_BYTES
    // One statement is a transaction too.
    if (packs.length === 0 && !isLong) this.#run(() => this.#insert(id, bytes))
    else
      this.#extend(packs, () => {
        this.#insert(id, bytes.subarray(0, ROW_BYTES))
        if (isLong) this.#insertMore(id, bytes)
      })
  }

  #run(work: () => void): void {
    const c = this.#connection
    c.run(() => {
      c.isFull = false
      work()
    })
  }

  #extend(packs: readonly PackPart[], before: () => void): void {
    this.#run(() => {
      const done = this.#connection.transaction(() => {
        before()
        return this.#packs.extend(packs, this.#clock.now())
      })
      done()
    })
  }

  #insertMore(id: number, bytes: Uint8Array): void {
    const insert = this.#connection.statement('INSERT INTO more (frame, n, bytes) VALUES (?, ?, ?)')
    for (let n = 1; n * ROW_BYTES < bytes.length; n++) insert.run(id, n, bytes.subarray(n * ROW_BYTES, (n + 1) * ROW_BYTES))
  }

  #insert(id: number, bytes: Uint8Array): void {
    const insert = this.#connection.statement('INSERT INTO frame (id, bytes) SELECT ?, ? FROM log WHERE id = ? AND writer = ?')
    const { changes } = insert.run(id, bytes, this.#id, this.#writer) as { changes: number }
    if (Number(changes) === 0) throw this.#fenced()
  }

  #fenced(): CairnError {
    return new CairnError(
      'ERR_FENCED',
      `The volume ${this.#volume} in ${this.#connection.path} is written by another process now.`,
      'Open it again: what was acknowledged here is there.',
      { retry: 'reopen' },
    )
  }

  savePacks(packs: readonly PackPart[]): void {
    if (packs.length > 0) this.#extend(packs, () => this.#checkWriter())
  }

  #checkWriter(): void {
    const row = this.#connection.row('SELECT writer FROM log WHERE id = ?', this.#id)
    if (row?.['writer'] !== this.#writer) throw this.#fenced()
  }

  cut(after: number): void {
    const c = this.#connection
    c.run(() => c.transaction(() => deleteFrames(c, this.#base + after + 1, this.#base + SEQUENCES)))
  }

  release(upTo: number, atMost: number): boolean {
    const { range } = this
    if (range === undefined || range.first > upTo) return true
    const c = this.#connection
    const end = Math.min(upTo, range.first + atMost - 1)
    this.#run(() => c.transaction(() => deleteFrames(c, this.#base + range.first, this.#base + end + 1)))
    return end === upTo
  }

  packs(): Array<{ key: string; sizeBytes: number }> {
    return this.#connection.run(() => this.#packs.list(this.#volume))
  }

  copyPack(key: string, path: string): void {
    this.#connection.run(() => this.#packs.copy(key, path))
  }

  fds(): number[] {
    return [this.#connection.logFd]
  }

  close(): void {
    const c = this.#connection
    c.run(() => c.statement(`DELETE FROM log WHERE id = ? AND writer = ? AND NOT EXISTS (SELECT 1 ${OF_LOG})`).run(this.#id, this.#writer, ...this.#span))
  }
}

/** One by one: they may be long. */
function readFrames(c: Connection, log: number, after: number, visit: (sequence: number, frame: Buffer) => void): void {
  const base = log * SEQUENCES
  for (let id = base + after; ; ) {
    const row = c.row('SELECT id, bytes FROM frame WHERE id > ? AND id < ? ORDER BY id LIMIT 1', id, base + SEQUENCES)
    if (row === undefined) return
    id = Number(row['id'])
    visit(id - base, wholeFrame(c, id, row['bytes'] as Uint8Array))
  }
}

function wholeFrame(c: Connection, id: number, first: Uint8Array): Buffer {
  const parts = [first]
  while (parts[parts.length - 1].length === ROW_BYTES) {
    const more = c.row('SELECT bytes FROM more WHERE frame = ? AND n = ?', id, parts.length)
    if (more === undefined) break
    parts.push(more['bytes'] as Uint8Array)
  }
  return parts.length === 1 ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(parts)
}

function deleteFrames(c: Connection, from: number, to: number): void {
  c.statement('DELETE FROM frame WHERE id >= ? AND id < ?').run(from, to)
  c.statement('DELETE FROM more WHERE frame >= ? AND frame < ?').run(from, to)
}
