import './support/without-syncs.js'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { TreeChanges } from '../src/volume/tree-changes.js'
import type { Volume } from '../src/volume/volume.js'
import { MountedHome, run, whyNoMount } from './support/mounted-home.js'
import { publish, shape, useHosts } from './support/readers.js'

const shared = useHosts()
const { host } = shared

/** A host that writes, and one that reads what it published. */
async function two(onRefreshed?: () => void) {
  const a = host('a')
  a.attach('ws', shared.address)
  const writer = a.openVolume('ws')
  const files = shape(writer)
  files.writeFileSync('/one', '1')
  files.mkdirSync('/folder')
  files.writeFileSync('/folder/big', Buffer.alloc(500_000, 'b'))
  writer.checkpoint('first')
  await publish(a, writer)
  const b = host('b', onRefreshed)
  b.attach('ws', shared.address)
  const reader = b.openVolume('ws', { readOnly: true })
  return { a, b, writer, files, reader, seen: shape(reader) }
}

describe('a volume that another host writes', () => {
  it('is read as it was published, with its history, and refuses every change', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    expect(reader.isReader).toBe(true)
    expect(seen.readdirSync('/').sort()).toEqual(['folder', 'one'])
    expect(seen.readFileSync('/folder/big').length).toBe(500_000)
    for (const change of [() => seen.writeFileSync('/x', ''), () => seen.rmSync('/one'), () => seen.mkdirSync('/d'), () => seen.chmodSync('/one', 0o600)])
      expect(change).toThrow(/EROFS/)
    expect(() => reader.checkpoint('mine')).toThrow(/read-only/)
    expect(() => reader.deleteCheckpoint('first')).toThrow(/read-only/)
    expect(() => reader.versions.setRetention({ ...reader.versions.retention })).toThrow(/read-only/)
    expect(reader.commits().map(commit => commit.name)).toEqual(['first'])
    expect(
      shape({ session: reader.at('first') } as unknown as Volume)
        .readdirSync('/')
        .sort(),
    ).toEqual(['folder', 'one'])
    files.writeFileSync('/one', 'changed')
    await publish(a, writer)
    expect(seen.readFileSync('/one', 'utf8')).toBe('1')
    expect(b.refresh(reader)).toBe(true)
    expect(b.refresh(reader)).toBe(false)
    expect(seen.readFileSync('/one', 'utf8')).toBe('changed')
    expect(reader.versions.list('/one').map(version => version.ended)).toEqual(['modified', 'current'])
    expect(b.statusOf('ws').remote).toMatchObject({ isWriter: false, refreshedMs: expect.any(Number) })
    reader.close()
    writer.close()
  })

  it('sees at each moment one state that was published, whole', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    for (let round = 1; round <= 30; round++) {
      const transaction = writer.begin()
      const tx = shape({ session: transaction } as unknown as Volume)
      for (const name of ['p', 'q', 'r']) tx.writeFileSync(`/${name}`, `${round}`)
      writer.commitTransaction(transaction)
      if (round % 3 === 0) files.writeFileSync('/folder/big', Buffer.alloc(200_000 + round, `${round}`))
      if (round % 2 === 0) await publish(a, writer)
      const before = seen.existsSync('/p') ? seen.readFileSync('/p', 'utf8') : '0'
      b.refresh(reader)
      const states = ['p', 'q', 'r'].map(name => (seen.existsSync(`/${name}`) ? seen.readFileSync(`/${name}`, 'utf8') : '0'))
      expect(new Set(states).size).toBe(1)
      expect(Number(states[0])).toBe(round % 2 === 0 ? round : Number(before))
    }
    reader.close()
    writer.close()
  })

  it('says exactly what changed, for whoever caches', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    const one = seen.statSync('/one').ino
    const big = seen.statSync('/folder/big').ino
    const told: TreeChanges[] = []
    reader.onBecame = changes => told.push(changes)
    files.appendFileSync('/one', '2')
    files.writeFileSync('/new', 'n')
    files.renameSync('/folder/big', '/folder/large')
    await publish(a, writer)
    b.refresh(reader)
    expect(told).toHaveLength(1)
    expect(told[0].entries.map(({ name, ino }) => [name, ino !== 0]).sort()).toEqual([
      ['big', false],
      ['large', true],
      ['new', true],
    ])
    expect([...told[0].stale]).toContain(one)
    expect([...told[0].stale]).not.toContain(big)
    reader.close()
    writer.close()
  })

  it('goes on by itself, and shows its last state while the store cannot be reached', async () => {
    let refreshed = (): void => {}
    const next = (): Promise<void> => new Promise(resolve => (refreshed = resolve))
    const { a, b, writer, files, reader, seen } = await two(() => refreshed())
    const went = next()
    files.writeFileSync('/two', '2')
    await publish(a, writer)
    const pump = setInterval(() => b.pump(5), 1)
    await went
    clearInterval(pump)
    expect(seen.readFileSync('/two', 'utf8')).toBe('2')
    reader.close()
    writer.close()
  })

  it('is the same volume where this host writes it, and is not written while it is only read', async () => {
    const { b, writer, reader } = await two()
    expect(() => b.openVolume('ws')).toThrow(/open read-only on this host/)
    reader.close()
    expect(() => b.openVolume('ws')).toThrow(/is written by/)
    writer.close()
    const own = b.openVolume('ws')
    const same = b.openVolume('ws', { readOnly: true })
    expect(same).toBe(own)
    shape(own).writeFileSync('/own', 'o')
    same.close()
    own.close()
  })

  it('has in its reader what this host wrote and could not publish before it was killed', async () => {
    const a = host('a')
    a.attach('ws', shared.address)
    const writer = a.openVolume('ws')
    shape(writer).writeFileSync('/journaled', 'j')
    a.crash()
    shared.engines = []
    const again = host('a')
    const reader = again.openVolume('ws', { readOnly: true })
    expect(shape(reader).readFileSync('/journaled', 'utf8')).toBe('j')
    reader.close()
  })

  it('is forked and compared from what it published', async () => {
    const { a, b, writer, files, reader } = await two()
    files.writeFileSync('/published', 'p')
    await publish(a, writer)
    files.writeFileSync('/not-published', 'n')
    b.refresh(reader)
    b.fork('ws', undefined, 'mine')
    b.fork('ws', 'first', 'old')
    const fork = b.openVolume('mine')
    expect(shape(fork).readdirSync('/').sort()).toEqual(['folder', 'one', 'published'])
    shape(fork).writeFileSync('/in-fork', 'f')
    expect(b.diff({ volume: 'ws' }, { volume: 'mine' })).toMatchObject([{ kind: 'created', path: '/in-fork' }])
    // What is published is no commit there: the fork begins with one.
    expect(fork.commits().map(({ id }) => id)).toEqual([fork.info.parent?.commit, reader.commits()[0].id])
    fork.close()
    const old = b.openVolume('old')
    expect(shape(old).readdirSync('/').sort()).toEqual(['folder', 'one'])
    expect(old.fsck()).toMatchObject({ ok: true, findings: [] })
    old.close()
    reader.close()
    writer.close()
  })

  it('is empty until something is published', () => {
    const a = host('a')
    const b = host('b')
    a.attach('ws', shared.address)
    b.attach('ws', shared.address)
    const reader = b.openVolume('ws', { readOnly: true })
    expect(shape(reader).readdirSync('/')).toEqual([])
    const writer = a.openVolume('ws')
    shape(writer).writeFileSync('/x', 'x')
    writer.close()
    expect(b.refresh(reader)).toBe(true)
    expect(shape(reader).readdirSync('/')).toEqual(['x'])
    reader.close()
  })
})

describe('a reader whose state was collected', () => {
  it('is told so, once, and then shows the newest', async () => {
    const home = join(shared.folder, 'b')
    const a = host('a')
    a.attach('ws', shared.address)
    const writer = a.openVolume('ws')
    const files = shape(writer)
    for (let i = 0; i < 200; i++) files.writeFileSync(`/${i}`, Buffer.alloc(70_000, `${i}`))
    await publish(a, writer)
    const b = await Cairn.open({ home, via: 'process', refreshMs: 3_600_000 })
    await b.ensureVolume({ name: 'ws', store: `file://${join(shared.folder, 'there')}` })
    const reader = await b.open('ws', { mode: 'readonly' })
    expect((await reader.fs.promises.readFile('/1')).length).toBe(70_000)
    for (let i = 0; i < 200; i++) files.writeFileSync(`/${i}`, `${i}`)
    await publish(a, writer)
    // As a collection does that found nobody who needs it; nothing of it is cached here.
    const old = readdirSync(join(shared.folder, 'there', 'packs'), { recursive: true, withFileTypes: true }).filter(
      item => item.isFile() && statSync(join(item.parentPath, item.name)).size > 1_000_000,
    )
    expect(old.length).toBeGreaterThan(0)
    for (const item of old) rmSync(join(item.parentPath, item.name))
    rmSync(join(home, 'stores'), { recursive: true, force: true })
    const failed = await reader.fs.promises.readFile('/150').catch(error => error)
    expect(failed).toMatchObject({ code: 'ERR_STALE', retry: 'same-call' })
    expect(await reader.fs.promises.readFile('/150', 'utf8')).toBe('150')
    await reader.close()
    await b.close()
    writer.close()
  })
})

describe('the SDK', () => {
  it('opens a volume to read it while another host writes it', async () => {
    const url = `file://${join(shared.folder, 'there')}`
    const one = await Cairn.open({ home: join(shared.folder, 'a'), via: 'process' })
    const other = await Cairn.open({ home: join(shared.folder, 'b'), via: 'process', refreshMs: 60_000 })
    await one.ensureVolume({ name: 'ws', store: url })
    await other.ensureVolume({ name: 'ws', store: url })
    const writer = await one.open('ws')
    await writer.fs.promises.writeFile('/a', 'a')
    await writer.flush()
    await expect(other.open('ws')).rejects.toMatchObject({ code: 'ERR_LEASE_HELD' })
    const reader = await other.open('ws', { mode: 'readonly' })
    expect(await reader.fs.promises.readFile('/a', 'utf8')).toBe('a')
    await expect(reader.fs.promises.writeFile('/b', 'b')).rejects.toMatchObject({ code: 'EROFS' })
    await writer.fs.promises.writeFile('/a', 'more')
    await one.flush('ws')
    expect(await reader.fs.promises.readFile('/a', 'utf8')).toBe('a')
    expect(await reader.refresh()).toMatchObject({ changed: true, isWriter: false })
    expect(await other.refresh('ws')).toMatchObject({ changed: false })
    expect(await reader.fs.promises.readFile('/a', 'utf8')).toBe('more')
    expect(await other.flush('ws')).toEqual({ bytes: 0 })
    await reader.close()
    // Or it waits until it may write.
    await expect(other.open('ws', { waitMs: 1 })).rejects.toMatchObject({ code: 'ERR_LEASE_HELD' })
    const next = await other.open('ws', { waitMs: 60_000, onWait: () => void writer.close() })
    await next.fs.promises.writeFile('/b', 'b')
    await next.close()
    await one.close()
    await other.close()
  })
})

describe.skipIf(whyNoMount() !== undefined)('mounted to be read', () => {
  let hosts: MountedHome[] = []

  afterEach(async () => {
    for (const one of hosts) await one.end()
    hosts = []
  })

  const must = async (on: MountedHome, ...args: string[]): Promise<string> => {
    const { code, output } = await on.cairn(...args)
    expect(code, `cairn ${args.join(' ')}: ${output}\n${on.log()}`).toBe(0)
    return output
  }
  const sh = async (cwd: string, command: string): Promise<string> => (await run('/bin/sh', ['-ec', command], { cwd })).output.trim()

  it('shows to programs what the other host published, at once after `refresh`, also when its server was killed meanwhile', async () => {
    const url = `file://${join(shared.folder, 'there')}`
    const [a, b] = [new MountedHome({ CAIRN_METADATA_TTL: '1h' }), new MountedHome({ CAIRN_METADATA_TTL: '1h' })]
    hosts = [a, b]
    for (const on of hosts) await must(on, 'init', 'ws', '--store', url)
    await must(a, 'mount', 'ws', a.mountpoint)
    await sh(a.mountpoint, 'mkdir d; echo one > d/f; ln -s d/f link')
    await must(a, 'checkpoint', 'save', 'ws', 'first')
    await must(a, 'flush', 'ws')
    await must(b, 'mount', 'ws', b.mountpoint, '--read-only')
    expect(await sh(b.mountpoint, 'cat d/f; cat link; ls d')).toBe('one\none\nf')
    expect(await sh(b.mountpoint, 'echo x > y 2>&1 || true')).toMatch(/Read-only file system/i)
    // Kept in the kernel: content, the directory, a name that is not there.
    expect(await sh(b.mountpoint, 'cat d/g 2>/dev/null || echo none')).toBe('none')
    await sh(a.mountpoint, 'echo two > d/f; echo new > d/g; rm link')
    await must(a, 'flush', 'ws')
    expect(await sh(b.mountpoint, 'cat d/f')).toBe('one')
    expect(await must(b, 'refresh', 'ws')).toContain('published by now')
    expect(await sh(b.mountpoint, 'cat d/f d/g; ls')).toBe('two\nnew\nd')
    // Commands that only read go the same way.
    expect(await must(b, 'cat', 'ws:/d/g')).toBe('new\n')
    expect(await must(b, 'log', 'ws')).not.toBe('')
    expect((await b.cairn('write', 'ws:/d/g')).output).toMatch(/open read-only on this host/)
    await sh(a.mountpoint, 'echo three > d/f; rm d/g')
    await must(a, 'flush', 'ws')
    await b.killServer()
    // The next server may show what is new before, after, or between the two: but what is new first, and what was before it then, never.
    expect(await sh(b.mountpoint, 'cat d/f; cat d/g 2>/dev/null || echo gone')).toMatch(/^(three\ngone|two\n(new|gone))$/)
    await must(b, 'refresh', 'ws')
    expect(await sh(b.mountpoint, 'cat d/f; cat d/g 2>/dev/null || echo gone')).toBe('three\ngone')
    expect(await sh(b.mountpoint, 'cat .cairn/at/first/d/f; ls .cairn/at/first')).toBe('one\nd\nlink')
    await must(b, 'unmount', 'ws')
    expect(await must(b, 'ls', 'ws:/d')).toBe('f\n')
    await must(a, 'unmount', 'ws')
    expect(readdirSync(b.mountpoint)).toEqual([])
  })
})
