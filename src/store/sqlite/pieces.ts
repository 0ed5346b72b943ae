import type { Connection } from './connection.js'
import type { SqlRow } from './driver.js'

/** Larger objects are kept in pieces, so that a read of a range does not read all of it. */
export const PIECE_BYTES = 64 * 1024
/** Number of a piece: `object · 2^20 + n`. */
const PIECES = 2 ** 20

/** The bytes of large objects. */
export class Pieces {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Writes bytes of an object from a piece boundary on; what is there already is replaced. */
  write(object: number, offset: number, bytes: Uint8Array): void {
    const insert = this.#connection.statement('INSERT OR REPLACE INTO piece (id, bytes) VALUES (?, ?)')
    const first = object * PIECES + offset / PIECE_BYTES
    for (let n = 0; n * PIECE_BYTES < bytes.length; n++) insert.run(first + n, bytes.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES))
  }

  remove(object: number): void {
    this.#connection.statement('DELETE FROM piece WHERE id >= ? AND id < ?').run(object * PIECES, (object + 1) * PIECES)
  }

  /** Copies bytes of the object in `row` (id, bytes); returns how many were there. */
  copy(row: SqlRow, offset: number, into: Uint8Array, at: number, length: number): number {
    const inline = row['bytes']
    if (inline instanceof Uint8Array) {
      into.set(inline.subarray(offset, offset + length), at)
      return length
    }
    const first = Number(row['id']) * PIECES
    let done = 0
    while (done < length) {
      const n = Math.floor((offset + done) / PIECE_BYTES)
      const bytes = this.#connection.row('SELECT bytes FROM piece WHERE id = ?', first + n)?.['bytes']
      if (!(bytes instanceof Uint8Array)) break
      const from = offset + done - n * PIECE_BYTES
      const part = bytes.subarray(from, from + length - done)
      into.set(part, at + done)
      done += part.length
    }
    return done
  }
}
