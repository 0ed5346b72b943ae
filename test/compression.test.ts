import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bestCompression } from '../src/codec/compression.js'
import { Cairn } from '../src/index.js'

const MIB = 1024 * 1024
const text = Buffer.from('The same words over and over. '.repeat(MIB / 30))

let folder: string
const open: Cairn[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-compression-'))
})

afterEach(async () => {
  for (const cairn of open.splice(0)) await cairn.close()
  rmSync(folder, { recursive: true, force: true })
})

async function home(name: string): Promise<Cairn> {
  const cairn = await Cairn.open({ home: join(folder, name), via: 'process' })
  open.push(cairn)
  return cairn
}

async function write(cairn: Cairn, name: string, bytes: Uint8Array): Promise<void> {
  const volume = await cairn.open(name)
  await volume.fs.promises.writeFile('/file', bytes)
  await volume.flush()
  await volume.close()
}

async function read(cairn: Cairn, name: string): Promise<Buffer> {
  const volume = await cairn.open(name)
  const found = await volume.fs.promises.readFile('/file')
  await volume.close()
  return found
}

const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)

describe('--compression', () => {
  it('stays with the store: none is packed where it would be, for this host and the next one', async () => {
    const [a, b] = [await home('a'), await home('b')]
    const store = join(folder, 'plain')
    await a.ensureVolume({ name: 'w', store: `file://${store}`, compression: 'none' })
    await write(a, 'w', text)
    const before = sizeOf(join(store, 'packs'))
    expect(before).toBeGreaterThan(text.length)
    expect(JSON.parse(readFileSync(join(store, 'store.json'), 'utf8'))).toMatchObject({ format: 1, compression: 'none' })
    await b.ensureVolume({ name: 'v', store: `file://${store}` })
    await write(b, 'v', text)
    expect(sizeOf(join(store, 'packs'))).toBeGreaterThan(before + text.length)
    expect((await read(b, 'v')).equals(text)).toBe(true)
  })

  it('packs what lies in one file, and leaves what does not shrink as it is', async () => {
    const a = await home('a')
    const noise = randomBytes(MIB)
    for (const [name, compression] of [
      ['packed', 'brotli'],
      ['best', 'zstd'],
    ] as const) {
      const file = join(folder, `${name}.cairn`)
      await a.ensureVolume({ name, store: `sqlite://${file}`, compression })
      await write(a, name, Buffer.concat([text, text, text, text]))
      expect((await read(a, name)).length).toBe(4 * text.length)
    }
    await a.ensureVolume({ name: 'noise', store: `sqlite://${join(folder, 'noise.cairn')}`, compression: 'zstd' })
    await write(a, 'noise', noise)
    expect((await read(a, 'noise')).equals(noise)).toBe(true)
    await a.close()
    open.splice(0)
    for (const name of ['packed', 'best']) expect(statSync(join(folder, `${name}.cairn`)).size).toBeLessThan(text.length)
    expect(statSync(join(folder, 'noise.cairn')).size).toBeGreaterThan(MIB)
    // Another home reads it without being told.
    const b = await home('b')
    await b.ensureVolume({ name: 'packed', store: `sqlite://${join(folder, 'packed.cairn')}` })
    expect((await read(b, 'packed')).subarray(0, text.length).equals(text)).toBe(true)
    expect(['zstd', 'brotli']).toContain(bestCompression)
  })

  it('is refused where the store has another, whether it is open or not, and for the store of the home', async () => {
    const [a, b] = [await home('a'), await home('b')]
    const store = `file://${join(folder, 'there')}`
    await a.ensureVolume({ name: 'w', store, compression: 'auto' })
    for (const cairn of [a, b])
      await expect(cairn.ensureVolume({ name: 'x', store, compression: 'none' })).rejects.toMatchObject({
        code: 'ERR_STORE_COMPRESSION',
        message: expect.stringContaining('with the compression auto'),
      })
    expect(await b.ensureVolume({ name: 'w', store, compression: 'auto' })).toMatchObject({ created: false })
    await expect(a.ensureVolume({ name: 'y', compression: 'zstd' })).rejects.toMatchObject({ code: 'ERR_STORE_COMPRESSION' })
    await expect(a.ensureVolume({ name: 'y', store, compression: 'gzip' as never })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    expect(await a.ensureVolume({ name: 'y', compression: 'none' })).toMatchObject({ created: true, store: 'dev' })
  })
})
