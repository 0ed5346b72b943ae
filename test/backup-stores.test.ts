import './support/without-syncs.js'
import { createReadStream, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { formatStoreUrl } from '../src/store/url.js'
import { StorePlaces } from './support/store-places.js'

const places = new StorePlaces()

beforeAll(() => places.start())
afterAll(() => places.end())

const bytes = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed} of many; `)
const home = (name: string): Promise<Cairn> => Cairn.open({ home: join(places.folder, name), via: 'process' })

async function contents({ fs }: OpenVolume): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await fs.promises.readdir('/', { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) found[path] = (await fs.promises.readFile(path)).toString('latin1')
  }
  return found
}

async function make(cairn: Cairn, kind: (typeof StorePlaces.kinds)[number]): Promise<void> {
  const { endpoint, region } = { endpoint: undefined, region: undefined, ...places.of(kind) } as { endpoint?: string; region?: string }
  const options = endpoint === undefined ? {} : { endpoint, pathStyle: true }
  await cairn.ensureVolume({ name: 'w', store: formatStoreUrl(places.of(kind)), ...options, ...(region === undefined ? {} : { region }) })
}

describe.each(StorePlaces.kinds)('a backup of a volume in a store of kind %s', kind => {
  it('is made while it is written, and restored under another home without the store', async () => {
    const here = await home(`${kind}-here`)
    await make(here, kind)
    const volume = await here.open('w')
    const { promises: fs } = volume.fs
    await fs.mkdir('/src')
    await fs.writeFile('/src/small', 'one')
    await fs.writeFile('/big', bytes(700_000, 1))
    await here.checkpoint('w', 'first')
    await fs.writeFile('/src/small', 'two')
    await fs.writeFile('/unsealed', bytes(300_000, 2))
    const file = join(places.folder, `${kind}.bundle`)
    await here.backup('w', file)
    const expected = await contents(volume)
    await fs.writeFile('/after', 'not in the backup')
    await volume.close()
    await here.close()
    for (const gone of [`${kind}-here`, 'ws.cairn', 'lmdb', 'shared']) rmSync(join(places.folder, gone), { recursive: true, force: true })

    const there = await home(`${kind}-there`)
    await there.unbundle(createReadStream(file), 'restored')
    const restored = await there.open('restored')
    expect(await contents(restored)).toEqual(expected)
    await restored.close()
    const first = await there.open('restored', { ref: 'first' })
    expect(await contents(first)).toEqual({ '/big': bytes(700_000, 1).toString('latin1'), '/src/small': 'one' })
    await first.close()
    expect((await there.fsck('restored')).findings).toEqual([])
    await there.close()
  })

  it('is also a SQLite file, which is moved and opened under another home', async () => {
    const from = await home(`${kind}-from`)
    await make(from, kind)
    const volume = await from.open('w')
    await volume.fs.promises.writeFile('/kept', bytes(300_000, 3))
    await from.checkpoint('w', 'kept')
    await volume.fs.promises.writeFile('/kept', 'another')
    const file = join(places.folder, `${kind}-copy.cairn`)
    await from.copy('w', { store: `sqlite://${file}` })
    await volume.close()
    await from.close()
    const moved = join(places.folder, `${kind}-moved.cairn`)
    renameSync(file, moved)
    const to = await home(`${kind}-to`)
    await to.ensureVolume({ name: 'w', store: `sqlite://${moved}` })
    for (const [ref, text] of [
      [undefined, 'another'],
      ['kept', bytes(300_000, 3).toString('latin1')],
    ]) {
      const found = await to.open('w', ref === undefined ? {} : { ref })
      expect((await contents(found))['/kept']).toBe(text)
      await found.close()
    }
    await to.close()
  })
})
