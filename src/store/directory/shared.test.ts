import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemRandom } from '../../sys/index.js'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { CLAIMS_FOLDER, claimName } from './claims.js'
import { DirectoryStore, openDirectoryStore } from './index.js'

let root: string
const opened: DirectoryStore[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cairn-shared-'))
})

afterEach(() => {
  for (const store of opened.splice(0)) store.closeSync()
  rmSync(root, { recursive: true, force: true })
})

function open(): DirectoryStore {
  mkdirSync(root, { recursive: true })
  const store = new DirectoryStore(root, '', systemRandom, true)
  opened.push(store)
  return store
}

const claims = (): string[] => (existsSync(join(root, CLAIMS_FOLDER)) ? readdirSync(join(root, CLAIMS_FOLDER)) : [])
const text = (store: DirectoryStore, key: string): string | undefined => store.getSync(key)?.bytes.toString()

/** What a writer leaves who stopped between his claim and the rename. */
function claimedBy(store: DirectoryStore, key: string, version: string, bytes: string): void {
  store.putSync('other', Buffer.from(''))
  store.putSync('other', Buffer.from('x'))
  writeFileSync(join(root, CLAIMS_FOLDER, 'dead.new'), bytes)
  symlinkSync(`dead.new:${key}`, join(root, CLAIMS_FOLDER, claimName(key, version)))
}

describe('directory store on a shared disk', () => {
  for (const { name, run } of storeCases) it(name, () => run({ store: open(), again: open }))
  for (const { name, run } of localStoreCases) it(name, () => run(open()))

  it('takes no lock and leaves nothing beside the objects', () => {
    const store = open()
    const { version } = store.putSync('k', Buffer.from('1'))
    store.putSync('k', Buffer.from('2'), { ifMatch: version })
    store.putSync('k', Buffer.from('3'))
    expect(() => store.putSync('k', Buffer.from('4'), { ifMatch: version })).toThrow(expect.objectContaining({ code: 'ERR_PRECONDITION' }))
    expect(claims()).toEqual([])
    expect(existsSync(join(root, '~lock'))).toBe(false)
    expect(readdirSync(join(root, '~temporary'))).toEqual([])
  })

  it('a counter that processes raise loses nothing', async () => {
    open().putSync('counter', Buffer.from('0'))
    const module = JSON.stringify(new URL('../../../dist/store/directory/index.js', import.meta.url).href)
    const script = `
      const { DirectoryStore } = await import(${module})
      const store = new DirectoryStore(${JSON.stringify(root)}, '', undefined, true)
      for (let done = 0; done < 30; ) {
        const { bytes, version } = store.getSync('counter')
        try {
          store.putSync('counter', Buffer.from(String(Number(bytes.toString()) + 1)), { ifMatch: version, relaxed: true })
          done++
        } catch (error) {
          if (error.code !== 'ERR_PRECONDITION') throw error
        }
      }`
    const run = promisify(execFile)
    await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, ['--input-type=module', '-e', script])))
    expect(text(open(), 'counter')).toBe('120')
    expect(claims()).toEqual([])
  })

  it('finishes what a writer claimed who died, before anybody else may replace the object', () => {
    const store = open()
    const { version } = store.putSync('k', Buffer.from('1'))
    claimedBy(store, 'k', version, 'dead')
    expect(() => store.putSync('k', Buffer.from('2'), { ifMatch: version })).toThrow(expect.objectContaining({ code: 'ERR_PRECONDITION' }))
    expect(text(store, 'k')).toBe('dead')
    expect(claims()).toEqual([])
    store.putSync('k', Buffer.from('3'), { ifMatch: store.headSync('k')?.version })
    expect(text(store, 'k')).toBe('3')
  })

  it('a put without a condition goes on after it', () => {
    const store = open()
    const { version } = store.putSync('k', Buffer.from('1'))
    claimedBy(store, 'k', version, 'dead')
    store.putSync('k', Buffer.from('2'))
    expect(text(store, 'k')).toBe('2')
    expect(claims()).toEqual([])
  })

  it('does not finish a claim of a version that is gone, and sweeps it away when it is old', () => {
    const store = open()
    const { version } = store.putSync('k', Buffer.from('1'))
    store.putSync('k', Buffer.from('2'), { ifMatch: version })
    claimedBy(store, 'k', version, 'late')
    store.putSync('k', Buffer.from('3'))
    expect(text(store, 'k')).toBe('3')
    store.sweepClaims()
    expect(claims()).toHaveLength(2)
    utimesSync(join(root, CLAIMS_FOLDER, 'dead.new'), 1000, 1000)
    store.sweepClaims()
    expect(claims()).toHaveLength(1)
  })

  it('never sweeps what the claim of a version that is there promises', () => {
    const store = open()
    const { version } = store.putSync('k', Buffer.from('1'))
    claimedBy(store, 'k', version, 'dead')
    utimesSync(join(root, CLAIMS_FOLDER, 'dead.new'), 1000, 1000)
    store.sweepClaims()
    expect(claims()).toHaveLength(2)
  })

  it('is opened by its folder, and has one id for all', () => {
    const first = openDirectoryStore(join(root, 'ws'), { create: true, shared: true })
    const second = openDirectoryStore(join(root, 'ws'), { shared: true })
    opened.push(first, second)
    expect(second.id).toBe(first.id)
  })
})
