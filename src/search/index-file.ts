import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { CairnError, CorruptError } from '../errors.js'
import { Connection } from '../store/sqlite/connection.js'
import { translateSqlite } from '../store/sqlite/errors.js'
import { limits } from '../sys/index.js'
import type { SearchMode } from './query.js'

/** What was done with a content. */
export const ContentState = { indexed: 0, binary: 1, large: 2 } as const

/** A file that somewhere held a content. */
export interface IndexedFile {
  ino: number
  content: Uint8Array
}

export interface NewContent extends IndexedFile {
  state: number
  /** Of one that is indexed. */
  text?: string
}

/** A content that matches, and the files that may hold it: in which state they do is for the volume to say. */
export interface Hit {
  content: Uint8Array
  inodes: number[]
  /** Better ones are larger. */
  score: number
}

/** Code of the error when an index turned out to be damaged, and was removed: what follows makes it anew. */
export const INDEX_DAMAGED = 'ERR_SEARCH_INDEX_DAMAGED'

const VERSION = 1
const tokenizers: Record<SearchMode, string> = {
  words: `tokenize = "unicode61 remove_diacritics 2 tokenchars '_'"`,
  substring: `tokenize = 'trigram', detail = none`,
}

/**
 * A full-text index of contents, each once whatever many files and states have it: the index of a store, for all volumes and times. It holds no text, and
 * nothing that cannot be found out again: it may be deleted at any time, and one that is damaged or of another version is made anew.
 */
export class IndexFile {
  readonly #db: Connection
  readonly #mode: SearchMode

  private constructor(db: Connection, mode: SearchMode) {
    this.#db = db
    this.#mode = mode
  }

  /** @param path undefined: in memory @throws CairnError ERR_DRIVER_MISSING, ERR_SEARCH_INDEX, ERR_STORE_ACCESS */
  static open(path: string | undefined, mode: SearchMode): IndexFile {
    if (path === undefined) return IndexFile.#at(':memory:', mode)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    try {
      const index = IndexFile.#at(path, mode)
      if (!index.#isTooLarge()) return index
      index.close()
    } catch (error) {
      if (!isDamage(error)) throw error
    }
    return IndexFile.#anew(path, mode)
  }

  static #anew(path: string, mode: SearchMode): IndexFile {
    removeIndex(path)
    return IndexFile.#at(path, mode)
  }

  static #at(path: string, mode: SearchMode): IndexFile {
    const db = new Connection(path)
    try {
      db.run(() => prepare(db, path, mode))
      return new IndexFile(db, mode)
    } catch (error) {
      db.abandon()
      throw error
    }
  }

  #isTooLarge(): boolean {
    const pages = this.#db.row('PRAGMA page_count')?.['page_count']
    const bytes = this.#db.row('PRAGMA page_size')?.['page_size']
    return Number(pages) * Number(bytes) > limits.searchIndexBytes
  }

  /** A stored tree of a volume whose contents are all here: that one, or else the nearest in time. */
  nearestTree(volume: string, root: string | undefined, timeMs: number): string | undefined {
    const exact = root === undefined ? undefined : this.#db.row('SELECT root FROM trees WHERE volume = ? AND root = ?', volume, root)
    const found = exact ?? this.#db.row('SELECT root FROM trees WHERE volume = ? ORDER BY abs(time - ?) LIMIT 1', volume, timeMs)
    return found === undefined ? undefined : String(found['root'])
  }

  /** All contents of this tree are here. */
  addTree(volume: string, root: string, timeMs: number): void {
    this.#db.statement('INSERT OR REPLACE INTO trees (volume, root, time) VALUES (?, ?, ?)').run(volume, root, timeMs)
    const many = `DELETE FROM trees WHERE volume = ? AND root NOT IN (SELECT root FROM trees WHERE volume = ? ORDER BY time DESC LIMIT ?)`
    this.#db.statement(many).run(volume, volume, limits.searchTrees)
  }

  /** Remembers where contents are that it knows. @returns those that it does not know, by their place in the list */
  place(files: readonly IndexedFile[]): number[] {
    return this.#db.transaction(() => {
      const unknown: number[] = []
      for (const [at, { ino, content }] of files.entries()) {
        const id = this.#idOf(content)
        if (id === undefined) unknown.push(at)
        else this.#place(id, ino)
      }
      return unknown
    })
  }

  /** Takes up contents, all or none. One that another process brought meanwhile stays as it is. */
  add(contents: readonly NewContent[]): void {
    this.#db.transaction(() => {
      for (const { ino, content, state, text } of contents) {
        let id = this.#idOf(content)
        if (id === undefined) {
          this.#db.statement('INSERT INTO contents (content, state) VALUES (?, ?)').run(hexOf(content), state)
          id = this.#idOf(content) ?? 0
          if (text !== undefined) this.#db.statement('INSERT INTO texts (rowid, text) VALUES (?, ?)').run(id, text)
        }
        this.#place(id, ino)
      }
    })
  }

  #idOf(content: Uint8Array): number | undefined {
    const row = this.#db.statement('SELECT id FROM contents WHERE content = ?').get(hexOf(content))
    return row === undefined ? undefined : Number(row['id'])
  }

  #place(id: number, ino: number): void {
    this.#db.statement('INSERT OR IGNORE INTO places (id, ino) VALUES (?, ?)').run(id, ino)
  }

  /** The best matches from the `offset`th on. */
  find(match: string, offset: number, limit: number): Hit[] {
    // Without positions there is no rank, and whoever asks looks at the text itself.
    const [score, order] = this.#mode === 'words' ? ['-rank', 'ORDER BY rank, rowid'] : ['0', 'ORDER BY rowid DESC']
    const found = this.#db.run(() =>
      this.#db.statement(`SELECT rowid AS id, ${score} AS score FROM texts WHERE texts MATCH ? ${order} LIMIT ? OFFSET ?`).all(match, limit, offset),
    )
    return found.map(({ id, score }) => this.#hit(Number(id), Number(score)))
  }

  /** Files that somewhere held a content that may match: one that does, or one too large to be in the index. */
  inodes(match: string): Float64Array {
    const contents = `SELECT rowid AS id FROM texts WHERE texts MATCH ? UNION ALL SELECT id FROM contents WHERE state = ${ContentState.large}`
    const rows = this.#db.run(() => this.#db.statement(`SELECT DISTINCT ino FROM places WHERE id IN (${contents})`).all(match))
    return Float64Array.from(rows, ({ ino }) => Number(ino))
  }

  #hit(id: number, score: number): Hit {
    return {
      content: Buffer.from(String(this.#db.statement('SELECT content FROM contents WHERE id = ?').get(id)?.['content']), 'hex'),
      inodes: this.#db
        .statement('SELECT ino FROM places WHERE id = ?')
        .all(id)
        .map(({ ino }) => Number(ino)),
      score,
    }
  }

  close(): void {
    this.#db.close()
  }
}

/** As text: libsql takes a lone parameter that is an object for names with values. */
function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

function prepare(db: Connection, path: string, mode: SearchMode): void {
  if (path !== ':memory:') db.exec('PRAGMA journal_mode = WAL')
  db.exec('PRAGMA synchronous = NORMAL')
  const found = Number(db.row('PRAGMA user_version')?.['user_version'])
  if (found === VERSION) return
  if (found !== 0) throw new StaleIndex()
  db.transaction(() => {
    // Another process may have been first.
    if (Number(db.row('PRAGMA user_version')?.['user_version']) === VERSION) return
    db.exec('CREATE TABLE contents (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, state INTEGER NOT NULL)')
    db.exec('CREATE TABLE places (id INTEGER NOT NULL, ino INTEGER NOT NULL, PRIMARY KEY (id, ino)) WITHOUT ROWID')
    db.exec('CREATE TABLE trees (volume TEXT NOT NULL, root TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (volume, root)) WITHOUT ROWID')
    makeTexts(db, mode)
    db.exec(`PRAGMA user_version = ${VERSION}`)
  })
}

function makeTexts(db: Connection, mode: SearchMode): void {
  try {
    db.exec(`CREATE VIRTUAL TABLE texts USING fts5(text, content = '', ${tokenizers[mode]})`)
  } catch (error) {
    if (!String((error as Error).message).includes('fts5')) throw error
    throw new CairnError('ERR_SEARCH_INDEX', 'The SQLite of this installation was built without full-text search (FTS5).', 'Install `libsql` beside cairn.', {
      cause: error,
    })
  }
}

/** Of another version. */
class StaleIndex extends Error {}

/** Whether the index is no use any more, and has to be made anew. */
export function isDamage(error: unknown): boolean {
  const { code, message } = translateSqlite(error, '') as { code?: string; message: string }
  return error instanceof StaleIndex || error instanceof CorruptError || code === 'ERR_STORE_PATH' || /malformed|fts5: corrupt/i.test(message)
}

export function removeIndex(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
