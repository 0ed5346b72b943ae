import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let address: StoreLocation
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-readers-'))
  address = { kind: 'directory', path: join(folder, 'there') }
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

function host(name: string, onRefreshed?: () => void): Engine {
  const engine = Engine.open({ home: join(folder, name), refreshMs: 1, ...(onRefreshed === undefined ? {} : { onRefreshed }) })
  engines.push(engine)
  return engine
}

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

async function publish(engine: Engine, volume: Volume): Promise<void> {
  volume.flush()
  await engine.publish(volume)
}

async function two(onRefreshed?: () => void) {
  const a = host('a')
  a.attach('ws', address)
  const writer = a.openVolume('ws')
  const files = shape(writer)
  files.writeFileSync('/one', '1')
  writer.checkpoint('first')
  await publish(a, writer)
  const b = host('b', onRefreshed)
  b.attach('ws', address)
  const reader = b.openVolume('ws', { readOnly: true })
  return { a, b, writer, files, reader, seen: shape(reader) }
}

describe('a reader', () => {
  it('changes nothing in the store, whatever is tried', async () => {
    const { a, writer, files, reader, seen } = await two()
    expect(() => seen.writeFileSync('/big', Buffer.alloc(3_000_000, 'x'))).toThrow(/EROFS/)
    const transaction = reader.begin()
    const tx = shape({ session: transaction } as unknown as Volume)
    expect(() => tx.writeFileSync('/big', Buffer.alloc(3_000_000, 'x'))).toThrow(/EROFS/)
    expect(transaction.commitTransaction()).toBe(0)
    // An epoch that the reader had raised would be the end of this.
    files.writeFileSync('/two', '2')
    await publish(a, writer)
  })

  it('follows a volume that is renamed where it is written', async () => {
    const { a, b, writer, reader, seen } = await two()
    writer.close()
    a.rename('ws', 'other')
    expect(b.refresh(reader)).toBe(true)
    const again = a.openVolume('other')
    shape(again).writeFileSync('/two', '2')
    await publish(a, again)
    expect(b.refresh(reader)).toBe(true)
    expect(seen.readFileSync('/two', 'utf8')).toBe('2')
    again.close()
    reader.close()
    const own = b.openVolume('ws')
    shape(own).writeFileSync('/three', '3')
    await publish(b, own)
    const third = host('c')
    third.attach('other', address)
    const look = third.openVolume('other', { readOnly: true })
    expect(shape(look).readFileSync('/three', 'utf8')).toBe('3')
  })

  it('takes no lease when another has overtaken what this host wrote', async () => {
    const a = host('a')
    a.attach('ws', address)
    shape(a.openVolume('ws')).writeFileSync('/lost', 'l')
    a.crash()
    const b = host('b')
    b.attach('ws', address)
    const stolen = b.openVolume('ws', { steal: true, force: true })
    shape(stolen).writeFileSync('/b', 'b')
    stolen.close()
    const again = host('a')
    const reader = again.openVolume('ws', { readOnly: true })
    expect(reader.isReader).toBe(true)
    expect(shape(reader).readdirSync('/')).toEqual(['b'])
    expect(again.statusOf('ws').remote).toMatchObject({ setAside: 1 })
  })

  it('forks a fork of an older state that its writer has not opened yet, and shows no more of the history', async () => {
    const { a, b, writer, files } = await two()
    files.writeFileSync('/one', 'secret later')
    writer.checkpoint('second')
    a.fork('ws', 'first', 'old')
    b.attach('old', address)
    const reader = b.openVolume('old', { readOnly: true })
    expect(reader.commits().map(commit => commit.name)).toEqual(['first'])
    b.fork('old', undefined, 'oldest')
    const fork = b.openVolume('oldest')
    expect(fork.commits().map(commit => commit.name)).toEqual(['first'])
  })

  it('is opened by two processes of a home', async () => {
    await two()
    const c = Engine.open({ home: join(folder, 'b'), refreshMs: 1 })
    engines.push(c)
    const other = c.openVolume('ws', { readOnly: true })
    expect(shape(other).readFileSync('/one', 'utf8')).toBe('1')
    expect(c.refresh(other)).toBe(false)
  })
})
