import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import { openRemoteStore } from './open.js'
import type { RemoteStore } from './remote-store.js'

const HEAD = 'volumes/00000000000000aa/head'
const LARGE = limits.storeWholeBytes + 1

let folder: string
let store: RemoteStore

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-publish-'))
  store = openRemoteStore({ kind: 'directory', path: join(folder, 'there') }, { folder: id => join(folder, id) })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

function adopt(name: string, bytes: number): string {
  const path = join(folder, name)
  writeFileSync(path, Buffer.alloc(bytes, name))
  const key = `packs/00000000000000aa/${name}`
  store.adoptSync(key, path)
  return key
}

const published = (): Promise<void> => new Promise((resolve, reject) => store.publish(HEAD, error => (error === undefined ? resolve() : reject(error))))

/** Resolves when it is there, whatever is here. */
async function isStored(key: string): Promise<void> {
  const there = (): Promise<boolean> => new Promise(resolve => store.storedSoon(key, '', (_, found) => resolve(found !== undefined)))
  while (!(await there()));
}

it('sends a large pack before anything names it, and keeps it here until something stored does', async () => {
  const { version } = store.putSync(HEAD, Buffer.from('one'), { ifAbsent: true })
  store.hold(HEAD, version, Buffer.from('two'))
  const first = adopt('first', LARGE)
  const small = adopt('small', 100)
  const publishing = published()
  const second = adopt('second', LARGE)
  await isStored(second)
  await publishing
  expect([first, small, second].map(key => store.waitsHere(key))).toEqual([false, false, true])
  expect(store.unpublishedBytesOf(HEAD)).toBe(LARGE)
  store.putSync(HEAD, Buffer.from('three'))
  await published()
  expect(store.waitsHere(second)).toBe(false)
  expect(store.unpublishedBytesOf(HEAD)).toBe(0)
})

it('waits for a large pack that is on its way where something that may name it is stored now', async () => {
  const pack = adopt('pack', LARGE)
  store.putSync('pins/00000000000000bb', Buffer.from('{}'))
  expect(store.storedSync(pack)?.bytes.length).toBe(LARGE)
})
