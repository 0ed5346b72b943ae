import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { LmdbStore, openLmdbStore } from './index.js'

let folder: string
let path: string
const opened: LmdbStore[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-lmdb-'))
  path = join(folder, 'ws')
})

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A store without `store.json`: the suite wants an empty one. */
function bare(): LmdbStore {
  const store = new LmdbStore(path)
  opened.push(store)
  return store
}

describe('LMDB store', () => {
  for (const { name, run } of storeCases) it(name, () => run({ store: bare(), again: bare }))
  for (const { name, run } of localStoreCases) it(name, () => run(bare()))

  const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251))

  it('keeps large objects in pieces and reads ranges across them', () => {
    const store = bare()
    store.putSync('l', large)
    const into = Buffer.alloc(150_000)
    for (const [offset, length] of [
      [0, 10],
      [65_510, 20],
      [65_520, 65_520],
      [100_000, 150_000],
      [299_990, 100],
      [300_000, 10],
    ]) {
      const n = store.readSync('l', offset, into, 0, length)
      expect(into.subarray(0, n).equals(large.subarray(offset, offset + length))).toBe(true)
    }
    store.putSync('l', Buffer.from('small'))
    expect(store.getSync('l')?.bytes.toString()).toBe('small')
  })

  const module = JSON.stringify(new URL('../../../dist/store/lmdb/index.js', import.meta.url).href)

  function elsewhere(code: string, expected = true): void {
    const script = `const { LmdbStore } = await import(${module}); const store = new LmdbStore(${JSON.stringify(path)}); ${code}`
    const run = (): unknown => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
    if (expected) run()
    else expect(run).toThrow()
  }

  it('sees what another process wrote, without a turn of the event loop between', () => {
    const store = bare()
    const first = store.putSync('k', Buffer.from('1'))
    expect(store.getSync('k')?.bytes.toString()).toBe('1')
    elsewhere(`store.putSync('k', Buffer.from('2')); await store.close()`)
    expect(store.getSync('k')?.bytes.toString()).toBe('2')
    expect(() => store.putSync('k', Buffer.from('3'), { ifMatch: first.version })).toThrow(expect.objectContaining({ code: 'ERR_PRECONDITION' }))
  })

  it('has what was acknowledged after kill -9', () => {
    elsewhere(`for (let i = 0; i < 20; i++) store.putSync('k' + i, Buffer.alloc(100_000, i)); process.kill(process.pid, 'SIGKILL')`, false)
    const store = bare()
    expect(store.listSync('').objects).toHaveLength(20)
    expect(store.getSync('k19')?.bytes.every(byte => byte === 19)).toBe(true)
  })

  it('has an id, the same for all who open it, and files that nobody else reads', async () => {
    const first = await openLmdbStore(path, { create: true })
    const second = await openLmdbStore(path, { create: true })
    opened.push(first.store, second.store)
    expect(first.id).toMatch(/^[0-9a-f]{16}$/)
    expect(second.id).toBe(first.id)
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, 'data.mdb')).mode & 0o777).toBe(0o600)
  })

  it('refuses what is no store', async () => {
    await expect(openLmdbStore(path)).rejects.toMatchObject({ code: 'ERR_STORE_UNKNOWN' })
    writeFileSync(path, '')
    await expect(openLmdbStore(path, { create: true })).rejects.toMatchObject({ code: 'ERR_STORE_PATH' })
    await expect(openLmdbStore(join(path, 'below'), { create: true })).rejects.toMatchObject({ code: 'ERR_STORE_ACCESS' })
    writeFileSync(join(folder, 'data.mdb'), 'text'.repeat(10_000))
    await expect(openLmdbStore(folder, { create: true })).rejects.toMatchObject({ code: 'ERR_STORE_PATH' })
  })

  it('makes no files among those of others', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'n')
    await expect(openLmdbStore(folder, { create: true })).rejects.toMatchObject({
      code: 'ERR_STORE_PATH',
      message: expect.stringContaining('holds other things'),
    })
    expect(readdirSync(folder)).toEqual(['notes.txt'])
  })
})
