import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import type { LocalStore, ObjectStore, PutOptions } from '../store/contract.js'

/** What a case gets: an empty store, and a way to open it once more as another process would (the same one for memory). */
export interface StoreSubject {
  store: ObjectStore
  again(): Promise<ObjectStore> | ObjectStore
}

/**
 * One behaviour that every backend must have. Runs in any test runner:
 * `for (const c of storeCases) it(c.name, () => c.run(subject))`, with an empty store for each.
 */
export interface StoreCase {
  name: string
  run(subject: StoreSubject): Promise<void>
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('latin1')
const bytes = (value: string): Buffer => Buffer.from(value, 'latin1')
const RIVALS = 20

/** True when the put was refused by its condition; any other failure is thrown. */
async function refused(put: Promise<unknown>): Promise<boolean> {
  try {
    await put
    return false
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return true
    throw error
  }
}

async function rivals(subject: StoreSubject, key: string, options: PutOptions): Promise<number[]> {
  const stores = await Promise.all(Array.from({ length: RIVALS }, async (_, i) => (i % 2 === 0 ? subject.store : await subject.again())))
  const losers = await Promise.all(stores.map((store, i) => refused(store.put(key, bytes(`rival ${i}`), options))))
  return losers.flatMap((lost, i) => (lost ? [] : [i]))
}

async function allKeys(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await store.list(prefix, cursor)
    keys.push(...page.objects.map(object => object.key))
    cursor = page.cursor
  }
  return keys
}

const roundTrip: StoreCase = {
  name: 'what was put is got, by another opening too; an empty object; replacing changes bytes and version',
  async run({ store, again }) {
    assert.equal(await store.get('a/b'), undefined)
    assert.equal(await store.head('a/b'), undefined)
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const first = await store.put('a/b', all)
    const found = await (await again()).get('a/b')
    assert.deepEqual(found && Buffer.from(found.bytes), all)
    assert.equal(found?.version, first.version)
    const info = await store.head('a/b')
    assert.equal(info?.sizeBytes, 256)
    assert.equal(info?.version, first.version)
    assert.ok(Math.abs((info?.modifiedMs ?? 0) - Date.now()) < 3_600_000)
    const second = await store.put('a/b', bytes(''))
    assert.notEqual(second.version, first.version)
    assert.equal(text((await store.get('a/b'))?.bytes), '')
    assert.equal((await store.head('a/b'))?.version, second.version)
  },
}

const ownBytes: StoreCase = {
  name: 'a stored object does not change with the buffer it came from, nor with the one it is got in',
  async run({ store }) {
    const buffer = bytes('original')
    await store.put('x', buffer)
    buffer.fill(0)
    const found = await store.get('x')
    assert.equal(text(found?.bytes), 'original')
    found?.bytes.fill(0)
    assert.equal(text((await store.get('x'))?.bytes), 'original')
  },
}

const ranges: StoreCase = {
  name: 'ranges: inside, cut short at the end, behind the end, of nothing',
  async run({ store }) {
    await store.put('r', bytes('0123456789'))
    const range = async (offset: number, length: number): Promise<string | undefined> => text((await store.get('r', { range: { offset, length } }))?.bytes)
    assert.equal(await range(0, 4), '0123')
    assert.equal(await range(3, 4), '3456')
    assert.equal(await range(8, 100), '89')
    assert.equal(await range(10, 5), '')
    assert.equal(await range(99, 5), '')
    assert.equal(await range(2, 0), '')
    assert.equal(await store.get('missing', { range: { offset: 0, length: 1 } }), undefined)
    const part = await store.get('r', { range: { offset: 2, length: 2 } })
    assert.equal(part?.version, (await store.get('r'))?.version)
    // Whether or not there is room for it, and whether or not it is put there.
    for (const room of [3, 4, 20]) assert.equal(text((await store.get('r', { range: { offset: 5, length: 4 }, into: new Uint8Array(room) }))?.bytes), '5678')
  },
}

const ifAbsent: StoreCase = {
  name: 'ifAbsent: refused when there is one; one of 20 wins, and its bytes are there',
  async run(subject) {
    const { store } = subject
    await store.put('k', bytes('first'), { ifAbsent: true })
    assert.ok(await refused(store.put('k', bytes('second'), { ifAbsent: true })))
    assert.equal(text((await store.get('k'))?.bytes), 'first')
    await store.delete(['k'])
    const winners = await rivals(subject, 'k', { ifAbsent: true })
    assert.equal(winners.length, 1)
    assert.equal(text((await store.get('k'))?.bytes), `rival ${winners[0]}`)
  },
}

const ifMatch: StoreCase = {
  name: 'ifMatch: refused when changed or missing; one of 20 wins, and its bytes are there; the version that put returned matches',
  async run(subject) {
    const { store } = subject
    const first = await store.put('h/e', bytes('1'))
    const second = await store.put('h/e', bytes('2'), { ifMatch: first.version })
    assert.ok(await refused(store.put('h/e', bytes('3'), { ifMatch: first.version })))
    assert.ok(await refused(store.put('missing', bytes('3'), { ifMatch: first.version })))
    assert.equal(await store.get('missing'), undefined)
    assert.equal(text((await store.get('h/e'))?.bytes), '2')
    const winners = await rivals(subject, 'h/e', { ifMatch: second.version })
    assert.equal(winners.length, 1)
    assert.equal(text((await store.get('h/e'))?.bytes), `rival ${winners[0]}`)
    const version = (await store.head('h/e'))?.version ?? ''
    assert.ok(await refused(store.put('h/e', bytes('late'), { ifMatch: second.version })))
    await store.put('h/e', bytes('next'), { ifMatch: version })
  },
}

const counter: StoreCase = {
  name: 'a counter raised by compare-and-swap from several sides loses nothing',
  async run({ store, again }) {
    await store.put('counter', bytes('0'))
    const raise = async (mine: ObjectStore, times: number): Promise<void> => {
      while (times > 0) {
        const found = await mine.get('counter')
        assert.ok(found)
        if (!(await refused(mine.put('counter', bytes(String(Number(text(found.bytes)) + 1)), { ifMatch: found.version })))) times--
      }
    }
    await Promise.all([raise(store, 10), raise(await again(), 10), raise(await again(), 10)])
    assert.equal(text((await store.get('counter'))?.bytes), '30')
  },
}

const atomic: StoreCase = {
  name: 'readers see the old bytes or the new ones, never a mixture or nothing',
  async run({ store, again }) {
    const size = 200_000
    await store.put('big', Buffer.alloc(size, 1))
    let writing = true
    const write = async (): Promise<void> => {
      for (let i = 2; i < 30; i++) await store.put('big', Buffer.alloc(size, i))
      writing = false
    }
    const read = async (mine: ObjectStore): Promise<void> => {
      while (writing) {
        const found = (await mine.get('big'))?.bytes
        assert.equal(found?.length, size)
        assert.ok(found.every(byte => byte === found[0]))
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    await Promise.all([write(), read(await again()), read(store)])
  },
}

const listing: StoreCase = {
  name: 'list: bytewise order of whole keys, by prefix, sizes; a prefix may end inside a name',
  async run({ store }) {
    const keys = ['a', 'b-c', 'b.d', 'b/1', 'b/2/x', 'b/2-x', 'b0', 'bb/1', 'B/1', 'c/%2F', 'c/_']
    for (const key of keys) await store.put(key, bytes(key))
    const sorted = keys.toSorted((x, y) => Buffer.compare(bytes(x), bytes(y)))
    assert.deepEqual(await allKeys(store, ''), sorted)
    assert.deepEqual(await allKeys(store, 'b/'), ['b/1', 'b/2-x', 'b/2/x'])
    assert.deepEqual(await allKeys(store, 'b'), ['b-c', 'b.d', 'b/1', 'b/2-x', 'b/2/x', 'b0', 'bb/1'])
    assert.deepEqual(await allKeys(store, 'b/2'), ['b/2-x', 'b/2/x'])
    assert.deepEqual(await allKeys(store, 'nothing/'), [])
    const page = await store.list('b/')
    assert.deepEqual(
      page.objects.map(object => object.sizeBytes),
      [3, 5, 5],
    )
  },
}

const paging: StoreCase = {
  name: 'list: pages join without a gap or a repetition, also when keys come and go between them',
  async run({ store }) {
    const names = Array.from({ length: 2100 }, (_, i) => `p/${i % 3}/${String(i).padStart(5, '0')}`)
    for (let i = 0; i < names.length; i += 50) await Promise.all(names.slice(i, i + 50).map(name => store.put(name, bytes(''), { relaxed: true })))
    assert.deepEqual(await allKeys(store, 'p/'), names.toSorted())
    const page = await store.list('p/')
    const last = page.objects.at(-1)?.key ?? ''
    assert.ok(page.cursor !== undefined)
    await store.delete([last])
    await store.put('p/2/99999', bytes(''))
    const rest = await store.list('p/', page.cursor)
    assert.equal(rest.objects[0].key, names.toSorted()[page.objects.length])
    assert.equal((await allKeys(store, 'p/')).at(-1), 'p/2/99999')
  },
}

const deleting: StoreCase = {
  name: 'delete: many, some missing, none; a deleted key can be made again',
  async run({ store, again }) {
    await store.put('d/1', bytes('1'))
    await store.put('d/2/3', bytes('2'))
    await store.put('e', bytes('3'))
    await store.delete(['d/1', 'd/nothing', 'nowhere/at/all', 'd/2/3'])
    await store.delete([])
    assert.deepEqual(await allKeys(await again(), ''), ['e'])
    assert.equal(await store.get('d/1'), undefined)
    await store.put('d/1', bytes('again'), { ifAbsent: true })
    assert.equal(text((await store.get('d/1'))?.bytes), 'again')
  },
}

const badKeys: StoreCase = {
  name: 'keys that lead elsewhere, or that some backend cannot hold, are refused',
  async run({ store }) {
    const bad = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      '../a',
      'a/.',
      './a',
      'a\0b',
      'a b',
      'ü',
      'a\\b',
      'a~b',
      '~lock',
      'a\nb',
      'x'.repeat(300),
      `${'y/'.repeat(600)}z`,
    ]
    const refusal = { name: 'CairnError', code: 'ERR_INVALID_ARG_VALUE' }
    for (const key of bad) {
      await assert.rejects(store.put(key, bytes('')), refusal, JSON.stringify(key))
      await assert.rejects(store.get(key), refusal)
      await assert.rejects(store.head(key), refusal)
      await assert.rejects(store.delete([key]), refusal)
    }
    for (const prefix of ['/', '../', 'a/../', 'a//', '~']) await assert.rejects(store.list(prefix), refusal)
    assert.deepEqual(await allKeys(store, ''), [])
  },
}

const goodKeys: StoreCase = {
  name: 'keys of every allowed character, and long ones',
  async run({ store }) {
    const good = ['...', '-a', '%', '_', '.hidden/..x', 'A-Z.a_z%09', 'k'.repeat(200), Array.from({ length: 8 }, () => 'p'.repeat(80)).join('/')]
    for (const key of good) await store.put(key, bytes(key))
    for (const key of good) assert.equal(text((await store.get(key))?.bytes), key)
    assert.deepEqual(await allKeys(store, ''), good.toSorted())
  },
}

const aborted: StoreCase = {
  name: 'an aborted signal stops get and put before anything happens',
  async run({ store }) {
    const signal = AbortSignal.abort()
    await assert.rejects(store.put('k', bytes('1'), { signal }), { name: 'AbortError' })
    await assert.rejects(store.get('k', { signal }), { name: 'AbortError' })
    assert.equal(await store.get('k'), undefined)
  },
}

export const storeCases: readonly StoreCase[] = [
  roundTrip,
  ownBytes,
  ranges,
  ifAbsent,
  ifMatch,
  counter,
  atomic,
  listing,
  paging,
  deleting,
  badKeys,
  goodKeys,
  aborted,
]

/** What a store on this machine must do besides. */
export interface LocalStoreCase {
  name: string
  run(store: LocalStore): Promise<void> | void
}

const readInto: LocalStoreCase = {
  name: 'readSync: into the middle of a buffer, cut short at the end, -1 when missing, and after deleting',
  run(store) {
    store.putSync('p', bytes('0123456789'))
    const into = Buffer.alloc(8, '.')
    assert.equal(store.readSync('p', 2, into, 1, 5), 5)
    assert.equal(text(into), '.23456..')
    assert.equal(store.readSync('p', 8, into, 0, 8), 2)
    assert.equal(store.readSync('p', 10, into, 0, 8), 0)
    assert.equal(store.readSync('q', 0, into, 0, 1), -1)
    store.deleteSync(['p'])
    assert.equal(store.readSync('p', 0, into, 0, 1), -1)
    store.putSync('p', bytes('new'))
    assert.equal(store.readSync('p', 0, into, 0, 8), 3)
    assert.equal(text(into.subarray(0, 3)), 'new')
  },
}

const manyOpen: LocalStoreCase = {
  name: 'readSync of many objects in turn',
  run(store) {
    const count = 300
    for (let i = 0; i < count; i++) store.putSync(`m/${i}`, bytes(`object ${i}`), { relaxed: true })
    const into = Buffer.alloc(20)
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < count; i++) {
        const n = store.readSync(`m/${i}`, 7, into, 0, 10)
        assert.equal(text(into.subarray(0, n)), String(i))
      }
    }
  },
}

const adopting: LocalStoreCase = {
  name: 'adoptSync: the file becomes the object and is gone; again is no error; a file that never was is one',
  run(store) {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-adopt-'))
    try {
      const path = join(folder, 'pack')
      writeFileSync(path, 'packed')
      store.adoptSync('packs/1/2', path)
      assert.equal(statSync(path, { throwIfNoEntry: false }), undefined)
      assert.equal(text(store.getSync('packs/1/2')?.bytes), 'packed')
      store.adoptSync('packs/1/2', path)
      assert.equal(text(store.getSync('packs/1/2')?.bytes), 'packed')
      assert.throws(() => store.adoptSync('packs/1/3', path))
      assert.equal(store.getSync('packs/1/3'), undefined)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

const bothWays: LocalStoreCase = {
  name: 'the synchronous and the asynchronous halves see one another',
  async run(store) {
    const { version } = store.putSync('s', bytes('sync'))
    assert.deepEqual(await store.head('s'), store.headSync('s'))
    await store.put('s', bytes('async'), { ifMatch: version })
    assert.equal(text(store.getSync('s')?.bytes), 'async')
    assert.deepEqual(store.listSync(''), await store.list(''))
  },
}

const together: LocalStoreCase = {
  name: 'putAllSync: few and many, in order, up to the first that is refused; into folders that a relaxed put made',
  async run(store) {
    store.putSync('several/relaxed/first', bytes('relaxed'), { relaxed: true })
    for (const count of [1, 3, 40]) {
      const puts = Array.from({ length: count }, (_, i) => ({ key: `several/${count}/${i}/head`, bytes: bytes(`${i}`), options: { ifAbsent: true } }))
      const versions = store.putAllSync(puts)
      assert.deepEqual(
        versions,
        puts.map(({ key }) => store.headSync(key)?.version),
      )
      assert.equal(text(store.getSync(puts[count - 1].key)?.bytes), `${count - 1}`)
      const ifMatch = versions[0]
      const again = store.putAllSync([
        { key: puts[0].key, bytes: bytes('changed'), options: { ifMatch } },
        { key: puts[0].key, bytes: bytes('refused'), options: { ifMatch } },
        { key: `several/${count}/never`, bytes: bytes('never'), options: {} },
      ])
      assert.equal(again.length, 1)
      assert.equal(text(store.getSync(puts[0].key)?.bytes), 'changed')
      assert.equal(store.getSync(`several/${count}/never`), undefined)
    }
    assert.deepEqual(store.putAllSync([]), [])
  },
}

export const localStoreCases: readonly LocalStoreCase[] = [readInto, manyOpen, adopting, bothWays, together]
