import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { hasPackage } from '../optional.js'
import { hasNodeSqlite, openDatabase, SQLITE_DRIVERS, type SqliteDriver } from './driver.js'
import { openSqliteStore, SqliteStore } from './index.js'

let folder: string
let path: string
const opened: SqliteStore[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-sqlite-'))
  path = join(folder, 'ws.cairn')
})

afterEach(() => {
  for (const store of opened.splice(0)) store.closeSync()
  rmSync(folder, { recursive: true, force: true })
})

/** A store without `store.json`: the suite wants an empty one. */
function bare(driver?: SqliteDriver, create = true): SqliteStore {
  const store = new SqliteStore(path, { create, driver })
  opened.push(store)
  return store
}

function hasDriver(driver: SqliteDriver): boolean {
  return driver === 'node:sqlite' ? hasNodeSqlite() : hasPackage(driver)
}

for (const driver of SQLITE_DRIVERS) {
  describe.skipIf(!hasDriver(driver))(`SQLite store by ${driver}`, () => {
    for (const { name, run } of storeCases) it(name, () => run({ store: bare(driver), again: () => bare(driver) }))
    for (const { name, run } of localStoreCases) it(name, () => run(bare(driver)))
  })
}

describe('SQLite store', () => {
  const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251))

  it('keeps large objects in pieces and reads ranges across them', () => {
    const store = bare()
    store.putSync('l', large)
    const into = Buffer.alloc(150_000)
    for (const [offset, length] of [
      [0, 10],
      [65_530, 20],
      [65_536, 65_536],
      [100_000, 150_000],
      [299_990, 100],
      [300_000, 10],
    ]) {
      const n = store.readSync('l', offset, into, 0, length)
      expect(into.subarray(0, n).equals(large.subarray(offset, offset + length))).toBe(true)
    }
    store.putSync('l', Buffer.from('small'))
    expect(store.getSync('l')?.bytes.toString()).toBe('small')
    expect(pieces()).toBe(0)
  })

  function pieces(): number {
    const db = openDatabase(path)
    try {
      return Number(db.prepare('SELECT count(*) AS n FROM piece').get()?.['n'])
    } finally {
      db.close()
    }
  }

  it('is one file after settling, and a copy of it is the store', () => {
    const store = bare()
    store.putSync('a', large)
    store.putSync('b', Buffer.from('b'))
    store.settleSync()
    const copy = join(folder, 'copy.cairn')
    copyFileSync(path, copy)
    const other = new SqliteStore(copy)
    opened.push(other)
    expect(Buffer.compare(other.getSync('a')?.bytes ?? Buffer.alloc(0), large)).toBe(0)
    expect(other.headSync('b')).toEqual(store.headSync('b'))
  })

  it('leaves one file of mode 0600 when it is closed', () => {
    const { store } = openSqliteStore(path, { create: true })
    store.putSync('a', large)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600)
    store.closeSync()
    expect(readdirSync(folder)).toEqual(['ws.cairn'])
  })

  it('gives back the space of what was deleted', () => {
    const store = bare()
    for (let i = 0; i < 10; i++) store.putSync(`l${i}`, large)
    store.settleSync()
    const before = statSync(path).size
    store.deleteSync(Array.from({ length: 10 }, (_, i) => `l${i}`))
    store.settleSync()
    expect(statSync(path).size).toBeLessThan(before / 4)
  })

  it('has what was acknowledged after kill -9', () => {
    const script = `
      const { SqliteStore } = await import(${JSON.stringify(new URL('../../../dist/store/sqlite/index.js', import.meta.url).href)})
      const store = new SqliteStore(${JSON.stringify(path)}, { create: true })
      for (let i = 0; i < 20; i++) store.putSync('k' + i, Buffer.alloc(100_000, i))
      process.kill(process.pid, 'SIGKILL')`
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })).toThrow()
    expect(existsSync(`${path}-wal`)).toBe(true)
    const store = bare(undefined, false)
    expect(store.listSync('').objects).toHaveLength(20)
    expect(store.getSync('k19')?.bytes.every(byte => byte === 19)).toBe(true)
  })

  it('has an id, the same for all who open it', () => {
    const first = openSqliteStore(path, { create: true })
    const second = openSqliteStore(path, { create: true })
    opened.push(first.store, second.store)
    expect(first.id).toMatch(/^[0-9a-f]{16}$/)
    expect(second.id).toBe(first.id)
  })

  it('refuses what is no store, and leaves it as it is', () => {
    expect(() => openSqliteStore(path)).toThrow(expect.objectContaining({ code: 'ERR_STORE_UNKNOWN' }))
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, 'text that is no database'.repeat(100))
    expect(() => openSqliteStore(path, { create: true })).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_PATH', message: `${path} is no SQLite database.` }),
    )
    rmSync(path)
    const other = openDatabase(path)
    other.exec('CREATE TABLE theirs (a)')
    other.close()
    const message = `${path} is an SQLite database of another program.`
    expect(() => openSqliteStore(path, { create: true })).toThrow(expect.objectContaining({ code: 'ERR_STORE_PATH', message }))
    expect(() => openSqliteStore(join(folder, 'no/such/folder.cairn'), { create: true })).toThrow(expect.objectContaining({ code: 'ERR_STORE_ACCESS' }))
  })

  it('says what to install where the binding is missing', () => {
    if (hasPackage('better-sqlite3')) return
    expect(() => new SqliteStore(path, { create: true, driver: 'better-sqlite3' })).toThrow(
      expect.objectContaining({ code: 'ERR_DRIVER_MISSING', message: 'A store in SQLite needs the package better-sqlite3, which is not installed.' }),
    )
  })
})
