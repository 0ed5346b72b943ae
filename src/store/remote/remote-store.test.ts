import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'vitest'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { RemoteStore } from './remote-store.js'

let folder: string
let stores: RemoteStore[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-remote-'))
  stores = []
})

afterEach(async () => {
  for (const store of stores) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What a host has of the store in `there`. */
function open(host = 'host', options: { cacheBytes?: number } = {}): RemoteStore {
  const there = join(folder, 'there')
  const store = new RemoteStore({ location: { kind: 'directory', path: there }, id: '00', folder: join(folder, host), ...options })
  stores.push(store)
  return store
}

describe('a store elsewhere', () => {
  for (const { name, run } of storeCases) it(name, () => run({ store: open(), again: () => open(`host-${stores.length}`) }))
  for (const { name, run } of localStoreCases) it(name, () => run(open()))
})
