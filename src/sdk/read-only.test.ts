import '../../test/support/without-syncs.js'
import { constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { EngineHost } from '../server/engine-host.js'
import { Engine } from '../volume/engine.js'
import { Cairn } from './cairn.js'
import { isRead } from './read-only.js'
import type { OpenVolume } from './types.js'

let home: string
let cairn: Cairn

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-read-only-'))
  const writer = await Cairn.open({ home, via: 'process' })
  await writer.createVolume({ name: 'work' })
  const volume = await writer.open('work')
  await volume.fs.promises.writeFile('/file', 'old')
  await volume.fs.promises.writeFile('/file', 'text')
  await volume.close()
  await writer.checkpoint('work', 'then')
  await writer.close()
  cairn = await Cairn.open({ home, via: 'process', readOnly: true })
})

afterEach(async () => {
  await cairn.close()
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})

const refused = { code: 'EROFS' }

describe('a program whose settings allow no change', () => {
  test('reads', async () => {
    const { fs, close } = await opened()
    expect(await fs.promises.readFile('/file', 'utf8')).toBe('text')
    expect(fs.readFileSync('/file', 'utf8')).toBe('text')
    expect(fs.readdirSync('/')).toEqual(['file'])
    const handle = await fs.promises.open('/file')
    expect((await handle.read(Buffer.alloc(2), 0, 2, 1)).buffer.toString()).toBe('ex')
    await handle.close()
    await fs.promises.access('/file', constants.R_OK)
    expect((await cairn.checkpoints('work')).map(one => one.name)).toEqual(['then'])
    await close()
  })

  test('reads history', async () => {
    expect(await cairn.versions('work', '/file')).toMatchObject([{ number: 1 }, { number: 2 }])
    const version = await cairn.openVersion('work', '/file', 1)
    expect(await version.fs.promises.readFile('/file', 'utf8')).toBe('old')
    await version.close()
    expect((await cairn.blame('work', '/file')).map(({ text }) => text)).toEqual(['text'])
    expect(await cairn.diff({ volume: 'work', ref: 'then' }, { volume: 'work' })).toEqual([])
    expect(await cairn.retention('work')).toBeDefined()
    expect((await cairn.undo('work', { dryRun: true })).state).toBe('trial')
    await cairn.prune('work', { dryRun: true, keep: 0 })
    expect(await cairn.versions('work', '/file')).toHaveLength(2)
    expect((await cairn.fsck('work')).ok).toBe(true)
    await cairn.gc({ dryRun: true })
  })

  test.each<[string, (fs: OpenVolume['fs']) => unknown]>([
    ['writeFile', fs => fs.promises.writeFile('/file', 'other')],
    ['writeFileSync', fs => fs.writeFileSync('/new', 'other')],
    ['appendFile', fs => fs.promises.appendFile('/file', 'more')],
    ['open to write', fs => fs.promises.open('/file', 'r+')],
    ['open to make', fs => fs.promises.open('/new', constants.O_RDONLY | constants.O_CREAT)],
    ['mkdir', fs => fs.promises.mkdir('/d')],
    ['rm', fs => fs.promises.rm('/file')],
    ['rename', fs => fs.promises.rename('/file', '/other')],
    ['chmod', fs => fs.promises.chmod('/file', 0o600)],
    ['truncate', fs => fs.promises.truncate('/file', 1)],
    ['access to write', fs => fs.promises.access('/file', constants.W_OK)],
  ])('%s fails with EROFS', async (_, work) => {
    const { fs, close } = await opened()
    await expect((async () => work(fs))()).rejects.toMatchObject(refused)
    expect(fs.readdirSync('/')).toEqual(['file'])
    expect(fs.readFileSync('/file', 'utf8')).toBe('text')
    await close()
  })

  test('a transaction that writes fails, and so does a batch', async () => {
    const volume = await cairn.open('work')
    await expect(volume.transaction(tx => tx.writeFile('/file', 'other'))).rejects.toMatchObject(refused)
    expect(await volume.transaction(tx => tx.readFile('/file', 'utf8'))).toBe('text')
    await volume.close()
  })

  test.each<[string, () => Promise<unknown>]>([
    ['createVolume', () => cairn.createVolume({ name: 'other' })],
    ['renameVolume', () => cairn.renameVolume('work', 'other')],
    ['deleteVolume', () => cairn.deleteVolume('work')],
    ['fork', () => cairn.fork('work', undefined, 'other')],
    ['checkpoint', () => cairn.checkpoint('work', 'now')],
    ['deleteCheckpoint', () => cairn.deleteCheckpoint('work', 'then')],
    ['unbundle', () => cairn.unbundle([], 'other')],
    ['forkAll', () => cairn.forkAll('work', undefined, ['other'])],
    ['restore', () => cairn.restore('work', { ref: 'then' })],
    ['undo', () => cairn.undo('work')],
    ['merge', () => cairn.merge('work', { into: 'work' })],
    ['a merge given up', () => cairn.merge('work', { into: 'work', step: 'abort', dryRun: true })],
    ['purge', () => cairn.purge('work', '/file')],
    ['prune', () => cairn.prune('work')],
    ['setRetention', () => cairn.setRetention('work', { rule: { kind: 'all' }, exclude: [] } as never)],
    ['gc', () => cairn.gc()],
  ])('%s fails with EROFS', async (_, work) => {
    await expect(work()).rejects.toMatchObject(refused)
    expect((await cairn.volumes()).map(volume => volume.name)).toEqual(['work'])
  })

  test('is one with CAIRN_READ_ONLY, unless it says otherwise itself', async () => {
    vi.stubEnv('CAIRN_READ_ONLY', '1')
    vi.stubEnv('CAIRN_HOME', home)
    for (const some of [await Cairn.fromEnv(), await Cairn.open()]) {
      await expect(some.createVolume({ name: 'other' })).rejects.toMatchObject(refused)
      await some.close()
    }
    const writer = await Cairn.open({ readOnly: false })
    expect((await writer.createVolume({ name: 'other' })).name).toBe('other')
    await writer.close()
    vi.stubEnv('CAIRN_READ_ONLY', 'perhaps')
    await expect(Cairn.open()).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

test('every method of the server is known to read, or to be refused', () => {
  const engine = Engine.open({ home })
  const host = new EngineHost(engine, { makeFs: session => new FileSystem(session) })
  expect(host.methods.filter(method => !isRead(method)).sort()).toEqual(
    [
      ...[
        'create',
        'attach',
        'recover',
        'takeLease',
        'releaseLease',
        'rename',
        'remove',
        'undelete',
        'fork',
        'forkAll',
        'checkpoint',
        'deleteCheckpoint',
        'restore',
        'merge',
        'rebase',
        'undo',
      ],
      ...['auditAppend', 'auditReady', 'beginPurge', 'prune', 'runEnded', 'setPolicy', 'setRetention', 'setQuota'],
      // By `open` of a host, whose backend refuses changes.
      ...['open', 'begin', 'commit', 'batch'],
    ].sort(),
  )
  engine.close()
})

async function opened(): Promise<{ fs: OpenVolume['fs']; close: () => Promise<void> }> {
  const volume = await cairn.open('work')
  return { fs: volume.fs, close: () => volume.close() }
}
