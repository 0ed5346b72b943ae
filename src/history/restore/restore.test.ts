import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../node/index.js'
import { Engine } from '../../volume/engine.js'
import type { Session } from '../../volume/session.js'
import type { Volume } from '../../volume/volume.js'
import { restore } from './restore.js'

let home: string
let engine: Engine
let volume: Volume
let fs: ReturnType<typeof createFs>

function shaped(session: Session): ReturnType<typeof createFs> {
  return createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
}

function start(): void {
  home = mkdtempSync(join(tmpdir(), 'cairn-restore-'))
  engine = Engine.open({ home })
  engine.create('w')
  volume = engine.openVolume('w')
  fs = shaped(volume.session)
}

function end(): void {
  engine.close()
  rmSync(home, { recursive: true, force: true })
}

function isWhole(): void {
  expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
}

/** Every path with its type, mode, content, link count and mtime; a directory's own time is not told, it changes with what is around. */
function tree(of: ReturnType<typeof createFs>, at = '/'): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of of.readdirSync(at).sort()) {
    const path = join(at, name)
    const stat = of.lstatSync(path)
    if (stat.isDirectory()) {
      found.set(path, `directory ${stat.mode}`)
      for (const [below, what] of tree(of, path)) found.set(below, what)
    } else
      found.set(path, `${stat.mode} ${stat.nlink} ${stat.mtimeMs} ${stat.isSymbolicLink() ? of.readlinkSync(path) : of.readFileSync(path).toString('base64')}`)
  }
  return found
}

function within(all: Map<string, string>, path: string): Array<[string, string]> {
  return [...all].filter(([name]) => name === path || name.startsWith(`${path}/`))
}

describe('restore', () => {
  beforeEach(start)
  afterEach(end)

  it('goes to the last commit, to a ref as the log shows it, and back', () => {
    fs.writeFileSync('/a', 'one')
    volume.checkpoint()
    fs.writeFileSync('/a', 'two')
    volume.checkpoint()
    fs.writeFileSync('/a', 'three')
    const done = restore(volume)
    expect(fs.readFileSync('/a', 'utf8')).toBe('two')
    expect(done).toMatchObject({ commit: { kind: 'restore' }, to: { kind: 'checkpoint' }, inodes: 1, names: 0 })
    restore(volume, { ref: done.commit.parents[0] })
    expect(fs.readFileSync('/a', 'utf8')).toBe('three')
    // Steps are counted from what the log shows, not from the commits that the restore itself makes.
    fs.writeFileSync('/a', 'four')
    restore(volume, { ref: '~4' })
    expect(fs.readFileSync('/a', 'utf8')).toBe('one')
    isWhole()
  })

  it('brings one file back, changed or deleted, and nothing else', () => {
    fs.mkdirSync('/d/e', { recursive: true })
    fs.writeFileSync('/d/e/f', 'x'.repeat(200_000))
    fs.writeFileSync('/d/g', 'g')
    volume.checkpoint('one')
    fs.writeFileSync('/d/e/f', 'y')
    fs.writeFileSync('/d/g', 'changed')
    restore(volume, { ref: 'one', path: '/d/e/f' })
    expect(fs.readFileSync('/d/e/f', 'utf8')).toBe('x'.repeat(200_000))
    expect(fs.readFileSync('/d/g', 'utf8')).toBe('changed')
    fs.rmSync('/d', { recursive: true })
    restore(volume, { ref: 'one', path: 'd/e/f/' })
    expect([...tree(fs).keys()]).toEqual(['/d', '/d/e', '/d/e/f'])
    isWhole()
  })

  it('changes nothing where all is as it was, and of a file that changed the file alone', () => {
    fs.mkdirSync('/d/e', { recursive: true })
    fs.writeFileSync('/d/e/f', 'x')
    volume.checkpoint('one')
    for (const path of ['/d/e/f', '/d/e', '/d']) expect(restore(volume, { ref: 'one', path })).toMatchObject({ inodes: 0, names: 0 })
    fs.writeFileSync('/d/e/f', 'y')
    expect(restore(volume, { ref: 'one', path: '/d/e/f' })).toMatchObject({ inodes: 1, names: 0 })
    fs.rmSync('/d/e/f')
    expect(restore(volume, { ref: 'one', path: '/d/e/f' })).toMatchObject({ inodes: 2, names: 1 })
    isWhole()
  })

  it('keeps what is elsewhere now as another file', () => {
    fs.mkdirSync('/d/sub', { recursive: true })
    fs.writeFileSync('/d/sub/f', 'old')
    fs.writeFileSync('/a', 'old')
    volume.checkpoint('one')
    fs.renameSync('/a', '/b')
    fs.writeFileSync('/b', 'new')
    fs.renameSync('/d/sub', '/sub')
    restore(volume, { ref: 'one', path: '/a' })
    restore(volume, { ref: 'one', path: '/d' })
    expect(fs.readFileSync('/a', 'utf8')).toBe('old')
    expect(fs.readFileSync('/b', 'utf8')).toBe('new')
    fs.writeFileSync('/sub/f', 'moved')
    expect(fs.readFileSync('/d/sub/f', 'utf8')).toBe('old')
    expect(fs.statSync('/a').ino).not.toBe(fs.statSync('/b').ino)
    isWhole()
  })

  it('says what cannot be restored', () => {
    fs.mkdirSync('/d')
    fs.writeFileSync('/d/f', '1')
    volume.checkpoint('one')
    fs.writeFileSync('/later', '1')
    fs.rmSync('/d', { recursive: true })
    fs.writeFileSync('/d', 'a file')
    const before = tree(fs)
    const code = (options: Parameters<typeof restore>[1]) => expect(() => restore(volume, options))
    code({ ref: 'nope' }).toThrow(expect.objectContaining({ code: 'ERR_REF_UNKNOWN' }))
    code({ ref: 'one', path: '/later' }).toThrow(expect.objectContaining({ code: 'ERR_PATH_UNKNOWN' }))
    code({ ref: 'one', path: '/d/f/g' }).toThrow(expect.objectContaining({ code: 'ERR_PATH_UNKNOWN' }))
    code({ ref: 'one', path: '/d/f' }).toThrow(expect.objectContaining({ code: 'ERR_PATH_BLOCKED' }))
    code({ ref: 'one', path: '/d/../d' }).toThrow(expect.objectContaining({ code: 'ERR_PATH' }))
    expect(tree(fs)).toEqual(before)
    restore(volume, { ref: 'one', path: '/d' })
    expect(fs.readFileSync('/d/f', 'utf8')).toBe('1')
    isWhole()
  })

  it('goes back to a version, in place and after a save by rename', () => {
    fs.mkdirSync('/d')
    for (const size of [10, 3000, 200_000, 70_000]) fs.writeFileSync('/d/f', Buffer.alloc(size, size))
    fs.writeFileSync('/d/new', 'renamed over')
    fs.renameSync('/d/new', '/d/f')
    const last = volume.versions.list('/d/f').length
    for (const version of volume.versions.list('/d/f').slice(0, -1)) {
      restore(volume, { path: '/d/f', version: version.number })
      expect(fs.statSync('/d/f').size).toBe(version.size)
      if (version.size > 0) expect(fs.readFileSync('/d/f').equals(Buffer.alloc(version.size, version.size))).toBe(true)
      isWhole()
    }
    expect(last).toBeGreaterThanOrEqual(5)
    expect(() => restore(volume, { path: '/d/f', version: 99 })).toThrow(expect.objectContaining({ code: 'ERR_VERSION_UNKNOWN' }))
    expect(() => restore(volume, { version: 1 })).toThrow(expect.objectContaining({ code: 'ERR_VERSION_PATH' }))
    fs.rmSync('/d/f')
    restore(volume, { path: '/d/f', version: last })
    expect(fs.readFileSync('/d/f', 'utf8')).toBe('renamed over')
    isWhole()
  })

  it('leaves an open file stale, through any change of it, and others alone', () => {
    const files = new FileSystem(volume.session)
    volume.onlookers = { mayHold: ino => files.holds(ino) > 0, isMounted: () => false }
    const own = createFs(new LocalBackend(new LocalOps(files)))
    own.writeFileSync('/changed', '1')
    own.writeFileSync('/same', '1')
    volume.checkpoint('one')
    own.writeFileSync('/changed', '2')
    own.writeFileSync('/new', '2')
    const [changed, same, fresh] = ['/changed', '/same', '/new'].map(path => own.openSync(path, 'r+'))
    restore(volume, { ref: 'one' })
    const stale = expect.objectContaining({ code: 'ESTALE' })
    for (const fd of [changed, fresh]) {
      expect(() => own.readSync(fd, Buffer.alloc(1), 0, 1, 0)).toThrow(stale)
      expect(() => own.writeSync(fd, 'x', 0)).toThrow(stale)
      expect(() => own.fsyncSync(fd)).toThrow(stale)
      expect(() => own.ftruncateSync(fd, 0)).toThrow(stale)
    }
    own.writeSync(same, 'S', 0)
    const again = own.openSync('/changed', 'r+')
    own.writeSync(again, 'A', 0)
    // Back to where it was opened is no way back for a handle.
    restore(volume, { ref: '~1' })
    expect(own.readFileSync('/changed', 'utf8')).toBe('2')
    for (const fd of [changed, fresh, again]) expect(() => own.readSync(fd, Buffer.alloc(1), 0, 1, 0)).toThrow(stale)
    for (const fd of [changed, fresh, again, same]) own.closeSync(fd)
    isWhole()
  })
})

const name = fc.constantFrom('a', 'b', 'c')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map(parts => `/${parts.join('/')}`)
const change = fc.oneof(
  fc.record({ op: fc.constant('write' as const), path, to: path, size: fc.constantFrom(0, 5, 3000, 70_000) }),
  fc.record({ op: fc.constantFrom('mkdir' as const, 'rm' as const, 'rename' as const, 'link' as const, 'symlink' as const), path, to: path, size: fc.nat(3) }),
)

/** Does what can be done; what cannot is refused and changes nothing. */
function apply(step: { op: string; path: string; to: string; size: number }): void {
  try {
    if (step.op === 'write') fs.writeFileSync(step.path, Buffer.alloc(step.size, step.to))
    else if (step.op === 'mkdir') fs.mkdirSync(step.path)
    else if (step.op === 'rm') fs.rmSync(step.path, { recursive: true })
    else if (step.op === 'rename') fs.renameSync(step.path, step.to)
    else if (step.op === 'link') fs.linkSync(step.path, step.to)
    else fs.symlinkSync('a', step.path)
  } catch (error) {
    if ((error as { syscall?: string }).syscall === undefined) throw error
  }
}

describe('any changes', () => {
  it('are undone by a restore of all, and those below a path by a restore of the path', { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), fc.array(change, { maxLength: 12 }), path, (first, then, at) => {
        start()
        try {
          first.forEach(apply)
          volume.checkpoint('one')
          const one = tree(fs)
          then.forEach(apply)
          const two = tree(fs)
          if (one.has(at)) {
            try {
              restore(volume, { ref: 'one', path: at })
              const links = (all: Array<[string, string]>) => all.map(([key, what]) => [key, what.replace(/^(\d+) \d+ /, '$1 ')])
              expect(links(within(tree(fs), at))).toEqual(links(within(one, at)))
            } catch (error) {
              expect(error).toMatchObject({ code: 'ERR_PATH_BLOCKED' })
              expect(tree(fs)).toEqual(two)
            }
            isWhole()
          }
          restore(volume, { ref: 'one' })
          expect(tree(fs)).toEqual(one)
          isWhole()
          engine.crash()
          engine = Engine.open({ home })
          volume = engine.openVolume('w')
          fs = shaped(volume.session)
          expect(tree(fs)).toEqual(one)
        } finally {
          end()
        }
      }),
      { numRuns: Number(process.env['CAIRN_TEST_RUNS'] ?? 60) },
    )
  })
})
