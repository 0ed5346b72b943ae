import './support/without-syncs.js'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import { main } from '../src/cli/main.js'
import { BUNDLE_FRAME_HEADER_BYTES, BUNDLE_MAGIC, bundleFrameLength, bundlePayload, encodeBundleJson } from '../src/codec/bundle.js'
import type { OpenVolume } from '../src/index.js'
import { Cairn } from '../src/sdk/cairn.js'
import { mountSupport } from '../src/sdk/doctor.js'
import { onCrashPoint } from '../src/sys/index.js'
import { CliRun, launcher } from './cli-run.js'

const execute = promisify(execFile)

let run: CliRun
let cairn: Cairn
beforeEach(async () => {
  run = new CliRun()
  cairn = await Cairn.open({ home: run.home, via: 'process' })
})
afterEach(async () => {
  onCrashPoint(undefined)
  await cairn.close()
  run.remove()
})

async function bytesOf(bundle: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of bundle) parts.push(part)
  return Buffer.concat(parts)
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Paths with all that is known of each: what two volumes must share to be the same. */
async function contents(volume: OpenVolume): Promise<Record<string, unknown>> {
  const { promises: fs } = volume.fs
  const found: Record<string, unknown> = {}
  for (const entry of await fs.readdir('/', { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { ino, mode, uid, gid, size, nlink, mtimeNs, ctimeNs, blocks } = await fs.lstat(path, { bigint: true })
    const content = entry.isFile()
      ? createHash('sha256')
          .update(await fs.readFile(path))
          .digest('hex')
      : entry.isSymbolicLink()
        ? await fs.readlink(path)
        : ''
    const xattrs = await volume.fs.backend.call('listxattr', [path, false])
    found[path] = { ino, mode, uid, gid, size, nlink, mtimeNs, ctimeNs, blocks, content, xattrs }
  }
  return found
}

async function contentsAt(home: Cairn, name: string, ref?: string): Promise<Record<string, unknown>> {
  const volume = await home.open(name, ref === undefined ? {} : { ref })
  try {
    return await contents(volume)
  } finally {
    await volume.close()
  }
}

const large = (seed: number, bytes: number): Buffer =>
  Buffer.from(Uint32Array.from({ length: bytes / 4 }, (_, i) => Math.imul(i + 1, 2654435761 + seed)).buffer)

/** A volume with a bit of everything and three checkpoints. */
async function fill(name: string): Promise<void> {
  await cairn.createVolume({ name })
  const volume = await cairn.open(name)
  const { promises: fs } = volume.fs
  await fs.mkdir('/src/deep', { recursive: true })
  await fs.writeFile('/src/small', 'small')
  await fs.writeFile('/src/medium', 'm'.repeat(1500))
  await fs.writeFile('/src/large', large(1, 400_000))
  await fs.symlink('src/small', '/link')
  await fs.link('/src/small', '/hard')
  await fs.writeFile('/umläut \u0001', 'name')
  const hole = await fs.open('/hole', 'w')
  await hole.write('end', 1_000_000)
  await hole.close()
  await volume.fs.backend.call('setxattr', ['/src/small', 'user.k', Buffer.alloc(5000, 1), 0, true])
  await cairn.checkpoint(name, 'one', { message: 'first' })
  await fs.writeFile('/src/large', large(2, 200_000))
  await fs.rename('/src/deep', '/moved')
  for (let i = 0; i < 300; i++) await fs.writeFile(`/moved/${i}`, `file ${i}`)
  await cairn.checkpoint(name, 'two')
  await fs.rm('/src', { recursive: true })
  await cairn.checkpoint(name, 'three')
  await fs.writeFile('/src', large(1, 400_000))
  await fs.chmod('/hole', 0o600)
  await volume.close()
}

/** What lies in the store and the folders of volumes. */
function objects(home: string): string[] {
  const all = readdirSync(home, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return all
    .map(entry => join(entry.parentPath, entry.name).slice(home.length + 1))
    .filter(path => !/~lock|\/lock$|^store\/(arena|pins)/.test(path))
    .sort()
}

describe('bundle and unbundle', () => {
  test.each([7, 4096, 1 << 20])('a volume with its history, in pieces of %i bytes', async size => {
    await fill('work')
    const bytes = await bytesOf(await cairn.bundle('work'))
    const made = await cairn.unbundle(pieces(bytes, size), 'copy')
    expect(made).toMatchObject({ name: 'copy' })
    expect(await contentsAt(cairn, 'copy')).toEqual(await contentsAt(cairn, 'work'))
    expect(await cairn.checkpoints('copy')).toEqual(await cairn.checkpoints('work'))
    for (const ref of ['one', 'two', 'three']) expect(await contentsAt(cairn, 'copy', ref)).toEqual(await contentsAt(cairn, 'work', ref))
    expect((await cairn.fsck('copy')).findings).toEqual([])
  })

  test('into another home, where it goes on with inode numbers of its own', async () => {
    await fill('work')
    const bytes = await bytesOf(await cairn.bundle('work'))
    const there = await Cairn.open({ home: run.path('there'), via: 'process' })
    try {
      await there.unbundle([bytes], 'work')
      expect(await contentsAt(there, 'work')).toEqual(await contentsAt(cairn, 'work'))
      await there.fork('work', 'one', 'fork')
      const known = new Set(Object.values(await contentsAt(cairn, 'work')).map(entry => (entry as { ino: bigint }).ino))
      for (const name of ['work', 'fork']) {
        const volume = await there.open(name)
        await volume.fs.promises.writeFile('/new', 'new')
        expect(known.has((await volume.fs.promises.stat('/new', { bigint: true })).ino)).toBe(false)
        await volume.close()
        expect((await there.fsck(name)).findings).toEqual([])
      }
      // Whole without the home that it came from.
      await cairn.deleteVolume('work', { now: true })
      expect(Object.keys(await contentsAt(there, 'work', 'two'))).toContain('/moved/299')
    } finally {
      await there.close()
    }
  })

  test('as it was at a ref, with the history up to it', async () => {
    await fill('work')
    await cairn.unbundle(await cairn.bundle('work', { ref: 'two' }), 'then')
    expect(await contentsAt(cairn, 'then')).toEqual(await contentsAt(cairn, 'work', 'two'))
    expect((await cairn.checkpoints('then')).map(({ name }) => name)).toEqual(['two', 'one'])
  })

  test('only what came after a commit, for who has it', async () => {
    await fill('work')
    const all = await bytesOf(await cairn.bundle('work', { ref: 'two' }))
    const rest = await bytesOf(await cairn.bundle('work', { since: 'two' }))
    // The files of the second checkpoint are not in it; the block that it shares with the first is.
    expect(rest.includes('file 299')).toBe(false)
    const there = await Cairn.open({ home: run.path('there'), via: 'process' })
    try {
      await expect(there.unbundle([rest], 'work')).rejects.toMatchObject({
        code: 'ERR_BUNDLE_BASE',
        message: expect.stringMatching(/since commit [0-9a-z]{26}, which no volume here has/),
      })
      expect(await there.volumes()).toEqual([])
      await there.unbundle([all], 'base')
      const base = await contentsAt(there, 'base')
      await there.unbundle([rest], 'work')
      expect(await contentsAt(there, 'work')).toEqual(await contentsAt(cairn, 'work'))
      expect(await there.checkpoints('work')).toEqual(await cairn.checkpoints('work'))
      for (const ref of ['one', 'two', 'three']) expect(await contentsAt(there, 'work', ref)).toEqual(await contentsAt(cairn, 'work', ref))
      expect((await there.fsck('work')).findings).toEqual([])
      expect(await contentsAt(there, 'base')).toEqual(base)
    } finally {
      await there.close()
    }
  })

  test('versions, whole, and those since a commit, for who has that', async () => {
    await cairn.createVolume({ name: 'work' })
    const volume = await cairn.open('work')
    const { promises: fs } = volume.fs
    const patch = async (path: string, at: number, text: string): Promise<void> => {
      const file = await fs.open(path, 'r+')
      await file.write(text, at)
      await file.close()
    }
    const save = async (path: string, content: Buffer | string): Promise<void> => {
      await fs.writeFile(`${path}.tmp`, content)
      await fs.rename(`${path}.tmp`, path)
    }
    await fs.mkdir('/d')
    for (const path of ['/d/large', '/d/cut', '/d/gone', '/d/held']) await fs.writeFile(path, large(path.length, 400_000))
    await fs.writeFile('/d/small', 'small 1')
    await patch('/d/large', 70_000, 'before the base')
    await save('/d/small', 'small 2')
    const held = await fs.open('/d/held', 'r+')
    await held.write('first', 10)
    await cairn.checkpoint('work', 'base')
    const all = await bytesOf(await cairn.bundle('work'))
    // The same change still: what it replaces belongs to a version from before the base.
    await held.write('second', 200_000)
    await held.close()
    await patch('/d/large', 70_000, 'after the base')
    await patch('/d/large', 300_000, 'and more')
    await fs.truncate('/d/cut', 100_000)
    await fs.appendFile('/d/cut', large(9, 100_000))
    await save('/d/small', 'small 3')
    await fs.rename('/d/small', '/d/renamed')
    await save('/d/renamed', 'small 4')
    await fs.rm('/d/gone')
    await volume.close()
    const whole = await bytesOf(await cairn.bundle('work'))
    const rest = await bytesOf(await cairn.bundle('work', { since: 'base' }))
    expect(rest.length).toBeLessThan(whole.length)
    const paths = ['/d/large', '/d/cut', '/d/gone', '/d/held', '/d/small', '/d/renamed']
    const versionsIn = async (home: Cairn, name: string): Promise<unknown[]> => {
      const found: unknown[] = []
      const opened = await home.open(name)
      for (const path of paths) {
        for (const { number, endedMs, ended, size } of await opened.versions(path)) {
          const bytes = await opened.readVersion(path, number)
          found.push({ path, endedMs, ended, size, sha: createHash('sha256').update(bytes).digest('hex') })
        }
      }
      await opened.close()
      return found
    }
    const versions = await versionsIn(cairn, 'work')
    expect(versions.length).toBe(14)
    const there = await Cairn.open({ home: run.path('there'), via: 'process' })
    try {
      await there.unbundle([whole], 'whole')
      expect(await versionsIn(there, 'whole')).toEqual(versions)
      await there.unbundle([all], 'old')
      await there.unbundle([rest], 'new')
      expect(await versionsIn(there, 'new')).toEqual(versions)
      expect((await there.fsck('new')).findings).toEqual([])
    } finally {
      await there.close()
    }
  })

  test('an empty volume', async () => {
    await cairn.createVolume({ name: 'empty' })
    await cairn.unbundle(await cairn.bundle('empty'), 'copy')
    expect(await contentsAt(cairn, 'copy')).toEqual({})
    expect((await cairn.fsck('copy')).findings).toEqual([])
  })

  test('is of one moment, whatever is written while it is read', async () => {
    await fill('work')
    const before = await contentsAt(cairn, 'work')
    const volume = await cairn.open('work')
    const parts: Buffer[] = []
    for await (const part of await cairn.bundle('work')) {
      parts.push(part)
      await volume.fs.promises.writeFile(`/while-${parts.length}`, large(parts.length, 80_000))
      if (parts.length === 2) await volume.fs.promises.rm('/moved', { recursive: true })
    }
    await cairn.unbundle(parts, 'copy')
    expect(await contentsAt(cairn, 'copy')).toEqual(before)
  })

  test('content that repeats is in it once', async () => {
    await cairn.createVolume({ name: 'work' })
    const volume = await cairn.open('work')
    for (let i = 0; i < 5; i++) await volume.fs.promises.writeFile(`/${i}`, large(9, 640_000))
    expect((await bytesOf(await cairn.bundle('work'))).length).toBeLessThan(700_000)
  })

  test('damaged, cut or followed by something: refused, and nothing is made', async () => {
    await fill('work')
    const bytes = await bytesOf(await cairn.bundle('work'))
    const before = objects(run.home)
    const frames = [0]
    for (let at = BUNDLE_MAGIC.length; at < bytes.length; at += BUNDLE_FRAME_HEADER_BYTES + bundleFrameLength(bytes, at)) frames.push(at)
    const refused = async (bad: Buffer): Promise<void> => {
      await expect(cairn.unbundle(pieces(bad, 100_000), 'bad')).rejects.toMatchObject({
        code: 'ERR_CORRUPT',
        message: expect.stringMatching(/^The bundle is damaged: .*\.$/),
      })
    }
    for (const at of frames) {
      await refused(bytes.subarray(0, at))
      await refused(bytes.subarray(0, at + 5))
      for (const offset of [0, 1, 6, 12]) {
        const bad = Buffer.from(bytes)
        bad[at + offset] ^= 0x20
        await refused(bad)
      }
    }
    await refused(bytes.subarray(0, -1))
    await refused(Buffer.concat([bytes, Buffer.from('x')]))
    expect(objects(run.home)).toEqual(before)
    expect((await cairn.volumes()).map(({ name }) => name)).toEqual(['work'])
    expect(await cairn.volumes({ deleted: true })).toEqual([])
  })

  test('a name that is taken, before anything is read', async () => {
    await fill('work')
    const bundle = await cairn.bundle('work')
    const before = objects(run.home)
    await expect(cairn.unbundle(bundle, 'work')).rejects.toMatchObject({ code: 'ERR_VOLUME_EXISTS' })
    expect(objects(run.home)).toEqual(before)
    bundle.close()
  })

  test('leaves nothing pinned, read or not', async () => {
    await fill('work')
    await cairn.flush('work')
    const before = objects(run.home)
    await bytesOf(await cairn.bundle('work'))
    for await (const _ of await cairn.bundle('work')) break
    ;(await cairn.bundle('work')).close()
    expect(objects(run.home)).toEqual(before)
  })

  test.each(['volume.publish.before-head', 'volume.publish.before-name', 'volume.publish.after-name'])('killed at %s: whole or not there', async point => {
    await fill('work')
    const file = run.path('work.bundle')
    await cairn.backup('work', file)
    const expected = await contentsAt(cairn, 'work')
    const env = { ...run.env, CAIRN_TEST_CRASH: point }
    await expect(execute(process.execPath, [launcher, 'unbundle', file, 'copy'], { env })).rejects.toMatchObject({ signal: 'SIGKILL' })
    expect((await cairn.volumes()).map(({ name }) => name)).toEqual(['work'])
    const deleted = (await cairn.volumes({ deleted: true })).map(({ name }) => name)
    if (deleted.length > 0) {
      expect(deleted).toEqual(['copy'])
      await cairn.undeleteVolume('copy')
    } else await cairn.unbundle([readFileSync(file)], 'copy')
    expect(await contentsAt(cairn, 'copy')).toEqual(expected)
    expect((await cairn.fsck('copy')).findings).toEqual([])
  })
})

describe('format 1', () => {
  const fixture = join(import.meta.dirname, 'fixtures/bundle-1')

  test('a bundle that was written when it was fixed can be taken in', async () => {
    if (process.env['CAIRN_TEST_WRITE_FIXTURES'] === '1') {
      await fillSmall('work')
      writeFileSync(fixture, await bytesOf(await cairn.bundle('work')))
      await cairn.deleteVolume('work')
    }
    await cairn.unbundle([readFileSync(fixture)], 'old')
    const volume = await cairn.open('old')
    const { promises: fs } = volume.fs
    expect(await fs.readFile('/dir/text', 'utf8')).toBe('second')
    expect(await fs.readFile('/blocks')).toEqual(Buffer.alloc(3000, 'b'))
    expect(await fs.readlink('/link')).toBe('dir/text')
    const then = await cairn.open('old', { ref: 'first' })
    expect(await then.fs.promises.readFile('/dir/text', 'utf8')).toBe('first')
    expect(await then.fs.promises.readdir('/')).toEqual(['dir', 'link'])
    expect((await cairn.fsck('old')).findings).toEqual([])
  })

  async function fillSmall(name: string): Promise<void> {
    await cairn.createVolume({ name })
    const volume = await cairn.open(name)
    const { promises: fs } = volume.fs
    await fs.mkdir('/dir')
    await fs.writeFile('/dir/text', 'first')
    await fs.symlink('dir/text', '/link')
    await cairn.checkpoint(name, 'first')
    await fs.writeFile('/dir/text', 'second')
    await fs.writeFile('/blocks', Buffer.alloc(3000, 'b'))
    await volume.close()
  }

  test('a newer one is refused', async () => {
    const bytes = readFileSync(fixture)
    const header = JSON.parse(Buffer.from(bundlePayload(bytes, 8)).toString())
    const newer = Buffer.concat([BUNDLE_MAGIC, encodeBundleJson(1, { ...header, format: 2 })])
    await expect(cairn.unbundle([newer], 'x')).rejects.toMatchObject({ code: 'ERR_FORMAT' })
  })
})

describe('backup', () => {
  test('whole, or as it was before', async () => {
    await fill('work')
    const folder = run.path('out')
    mkdirSync(folder)
    const file = join(folder, 'work.bundle')
    const made = await cairn.backup('work', file)
    expect(made).toMatchObject({ file, bytes: readFileSync(file).length })
    expect(readFileSync(file).equals(await bytesOf(await cairn.bundle('work')))).toBe(false)
    const first = readFileSync(file)
    await expect(cairn.backup('work', file)).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' })
    await expect(cairn.backup('work', folder, { force: true })).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' })
    await expect(cairn.backup('work', join(folder, 'no/x'))).rejects.toMatchObject({ code: 'ENOENT' })
    onCrashPoint(point => {
      if (point === 'backup.before-rename') throw new Error('stopped')
    })
    await expect(cairn.backup('work', file, { force: true })).rejects.toThrow('stopped')
    onCrashPoint(undefined)
    expect(readFileSync(file).equals(first)).toBe(true)
    await cairn.backup('work', file, { force: true })
    expect(readdirSync(folder)).toEqual(['work.bundle'])
    await cairn.unbundle([readFileSync(file)], 'copy')
    expect(await contentsAt(cairn, 'copy')).toEqual(await contentsAt(cairn, 'work'))
  })
})

describe('on the command line', () => {
  test('through a pipe of the shell and back', async () => {
    await fill('work')
    const sh = (command: string) => execute('sh', ['-c', command.replaceAll('cairn ', `${process.execPath} ${launcher} `)], { env: run.env, cwd: run.folder })
    const before = await contentsAt(cairn, 'work')
    await cairn.close()
    await sh('cairn bundle work > all.bundle && cairn unbundle all.bundle copy && cairn bundle work@one | cairn unbundle - one')
    cairn = await Cairn.open({ home: run.home, via: 'process' })
    expect(await contentsAt(cairn, 'copy')).toEqual(before)
    expect(await contentsAt(cairn, 'one')).toEqual(await contentsAt(cairn, 'work', 'one'))
  })

  test('a terminal is no place for it, and errors are one line', async () => {
    await cairn.createVolume({ name: 'work' })
    await cairn.close()
    const { Writable, Readable } = await import('node:stream')
    const stdout = Object.assign(new Writable({ write: (_chunk, _encoding, done) => done() }), { isTTY: true })
    let err = ''
    const stderr = new Writable({
      write: (chunk, _encoding, done) => {
        err += chunk
        done()
      },
    })
    expect(await main(['bundle', 'work'], { stdin: Readable.from([]), stdout, stderr, env: run.env })).toBe(2)
    expect(err).toBe('cairn: A bundle is not text, so it is not written to a terminal. Write it to a file: cairn bundle work > file.\n')
    writeFileSync(run.path('bad'), 'no bundle at all')
    expect(await run.cairn('unbundle', run.path('bad'), 'x')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^cairn: The bundle is damaged: it does not begin as a bundle does\./),
    })
    expect(await run.cairn('unbundle', run.path('none'), 'x')).toMatchObject({ code: 1, err: expect.stringMatching(/^cairn: There is no file/) })
    expect(await run.cairn('backup', 'work', run.path('bad'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/exists already\. Name another file, or replace it with --force\.\n$/),
    })
    expect((await run.cairn('bundle', 'work@nope')).code).toBe(1)
    expect(await run.json('backup', 'work', run.path('good'))).toMatchObject({ file: run.path('good') })
    expect(await run.json('unbundle', run.path('good'), 'again')).toMatchObject({ name: 'again' })
  })
})

describe.skipIf(mountSupport().some(check => !check.ok))('of a mounted volume', () => {
  let mounted: CliRun
  beforeAll(async () => {
    mounted = new CliRun()
    await mounted.ok('init', 'work')
    await mounted.ok('mount', 'work', mounted.path('mnt'))
  })
  afterAll(async () => cleanUp(mounted.home, mounted.folder))

  test('with what a program wrote a moment ago, while it goes on; a difference to a base that a server has open', async () => {
    const at = mounted.path('mnt')
    for (let i = 0; i < 50; i++) writeFileSync(`${at}/f${i}`, large(i, 40_000))
    await mounted.ok('checkpoint', 'save', 'work', 'base')
    await mounted.ok('backup', 'work', mounted.path('b1'))
    writeFileSync(`${at}/later`, 'written just now')
    await mounted.ok('backup', 'work', mounted.path('b2'), '--since', 'base')
    expect(await mounted.ok('unbundle', mounted.path('b2'), 'rest')).toMatch(/^Made rest of .*, with 1 checkpoint\.\n$/)
    expect(await mounted.ok('cat', 'rest:/later')).toBe('written just now')
    expect(await mounted.cairn('diff', 'rest@base', '--name-only')).toMatchObject({ code: 1, out: '/later\n' })
    await mounted.ok('unbundle', mounted.path('b1'), 'copy')
    await mounted.ok('mount', 'copy', mounted.path('mnt2'))
    expect(readFileSync(`${mounted.path('mnt2')}/f49`).equals(large(49, 40_000))).toBe(true)
    expect(existsSync(`${mounted.path('mnt2')}/later`)).toBe(false)
    await mounted.ok('fsck', 'copy')
  }, 300_000)
})
