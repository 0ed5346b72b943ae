import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import { StoredCopy } from '../src/sdk/stored-copy.js'
import { MemoryStore } from '../src/store/memory/index.js'
import { limits } from '../src/sys/index.js'

const MIB = 2 ** 20
let folder: string
let open: Cairn[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-copy-elsewhere-'))
  open = []
})

afterEach(async () => {
  for (const cairn of open) await cairn.close()
  rmSync(folder, { recursive: true, force: true })
})

async function home(name: string): Promise<Cairn> {
  const cairn = await Cairn.open({ home: join(folder, name), via: 'process' })
  open.push(cairn)
  return cairn
}

const there = (name: string): string => `file://${join(folder, name)}`

/** Packs that the other store has, whole. */
function packsThere(): string[] {
  const packs = join(folder, 'to', 'packs')
  return existsSync(packs) ? (readdirSync(packs, { recursive: true }) as string[]).filter(name => /[0-9a-f]{8}-[0-9a-f]{8}$/.test(name)) : []
}

it('a copy that broke off is gone on with from another home', async () => {
  const one = await home('one')
  await one.createVolume({ name: 'w', store: there('from') })
  const volume = await one.open('w')
  const content = randomBytes(80 * MIB)
  await volume.fs.promises.writeFile('/file', content)
  await volume.flush()
  await volume.close()
  await one.close()
  open.length = 0
  const again = await home('one')
  const until = new Int32Array(new SharedArrayBuffer(4))
  const onProgress = ({ bytes }: { bytes: number }): void => {
    if (bytes < 66 * MIB) return
    // A thread of its own stores them.
    while (packsThere().length === 0) Atomics.wait(until, 0, 0, 10)
    throw new Error('broken off')
  }
  await expect(again.copy('w', { store: there('to'), onProgress })).rejects.toThrow('broken off')
  const two = await home('two')
  await two.ensureVolume({ name: 'w', store: there('from') })
  const copied = await two.copy('w', { store: there('to'), name: 'c', attach: true })
  expect(copied.reusedBytes).toBeGreaterThan(60 * MIB)
  expect((await (await two.open('c')).fs.promises.readFile('/file')).equals(content)).toBe(true)
  // The next one of another home shares what the whole one has.
  const third = await home('three')
  await third.ensureVolume({ name: 'w', store: there('from') })
  expect((await third.copy('w', { store: there('to'), name: 'd' })).reusedBytes).toBeGreaterThan(79 * MIB)
})

it('what a copy says of itself holds while its maker is at it, whatever its clock says, and some minutes longer', () => {
  let ms = 1_700_000_000_000
  const clock = { now: () => ms, monotonic: () => ms }
  const store = new MemoryStore(clock)
  const said = (): object => new StoredCopy(store, 'v', clock).last
  const copy = new StoredCopy(store, 'v', clock)
  expect(copy.last).toEqual({})
  copy.begun('a')
  for (let i = 0; i < 20; i++) {
    ms += limits.copyAliveMs / 2
    copy.goesOn()
  }
  expect(said()).toEqual({})
  ms += limits.clockSkewMs
  expect(said()).toEqual({})
  ms += limits.copyAliveMs + 1
  expect(said()).toEqual({ begun: 'a' })
  copy.made('a')
  expect(said()).toEqual({ made: 'a' })
  const next = new StoredCopy(store, 'v', clock)
  next.begun('b')
  expect(said()).toEqual({ made: 'a' })
  next.close()
  expect(said()).toEqual({ begun: 'b', made: 'a' })
})
