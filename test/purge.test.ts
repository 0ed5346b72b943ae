import './support/without-syncs.js'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import { FileSystem } from '../src/fs/index.js'
import { type PurgeReport, purge } from '../src/history/purge/purge.js'
import { restore } from '../src/history/restore/restore.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { mountSupport } from '../src/sdk/doctor.js'
import { type CrashPoint, onCrashPoint } from '../src/sys/index.js'
import { collected } from '../src/testing/collected.js'
import { type AuditVerification, readAudit, verifyAudit } from '../src/volume/audit/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { CliRun } from './cli-run.js'
import { filesWith } from './support/plain-bytes.js'

const SECRET = 'hunter2-is-the-secret'
const NAME = 'password-of-alice'
const small = `password=${SECRET}\n`
const medium = `${SECRET}${'.'.repeat(1000)}`
const large = Buffer.concat([Buffer.alloc(100_000, 'a'), Buffer.from(SECRET), Buffer.alloc(100_000, 'b'), Buffer.from(SECRET)])

describe('purge', () => {
  let home: string
  let engine: Engine
  let volume: Volume
  let fs: ReturnType<typeof createFs>

  const open = (): void => {
    engine = Engine.open({ home })
    if (engine.volumes().length === 0) engine.create('w')
    volume = engine.openVolume('w')
    fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  }
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-purge-'))
    open()
  })
  afterEach(() => {
    onCrashPoint(undefined)
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  const run = (path: string, recursive = false): PurgeReport => {
    const steps = purge(volume, path, { recursive })
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }
  const gone = async (...texts: string[]): Promise<void> => {
    volume.flush()
    collected(engine, { thorough: true })
    // Journal files that are superfluous are removed on another thread.
    for (const text of texts) await vi.waitFor(() => expect(filesWith(home, text)).toEqual([]), { timeout: 200_000 })
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  }
  const at = (ref: string) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.at(ref)))))

  /** The secret inline, small and in blocks, in the present, checkpoints, versions, deleted; other files around it. */
  const plant = (): void => {
    fs.mkdirSync(`/${NAME}`)
    for (let i = 0; i < 200; i++) fs.writeFileSync(`/other-${i}`, `other ${i}`)
    fs.writeFileSync('/blocks', Buffer.alloc(200_000, 'c'))
    fs.writeFileSync(`/${NAME}/inline`, small)
    volume.checkpoint('one')
    fs.writeFileSync(`/${NAME}/inline`, `changed ${small}`)
    fs.writeFileSync(`/${NAME}/small`, medium)
    fs.writeFileSync(`/${NAME}/large`, large)
    volume.checkpoint('two')
    volume.flush()
    fs.writeFileSync(`/${NAME}/large`, 'short now')
    fs.writeFileSync(`/${NAME}/deleted-before-any-commit`, medium)
    fs.rmSync(`/${NAME}/deleted-before-any-commit`)
    fs.rmSync(`/${NAME}/small`)
    fs.writeFileSync('/blocks', Buffer.alloc(200_000, 'd'))
    volume.audit.append({ kind: 'exec', exec: 'run-1', cwd: `/${NAME}`, argv: ['cat', 'inline'] }, { kind: 'exec', exec: 'run-2', argv: ['cat', 'other-1'] })
    volume.audit.append({ kind: 'exec', exec: 'run-3', shell: `echo ${SECRET.repeat(200)} > ${NAME}/inline`, exit: 0 })
    volume.checkpoint('three')
    fs.writeFileSync(`/${NAME}/inline`, `last ${small}`)
  }

  test('a directory, its names, and all that was ever in it', async () => {
    plant()
    const before = volume.commits().map(({ id }) => id)
    for (const text of [SECRET, NAME]) expect(filesWith(home, text)).not.toEqual([])
    const report = run(`/${NAME}`, true)
    expect(report.inodes.length).toBe(5)
    expect(report.states).toBeGreaterThanOrEqual(4)
    await gone(SECRET, NAME)
    expect(volume.commits().map(({ id }) => id)).toEqual(expect.arrayContaining(before))
    for (const ref of ['one', 'two', 'three']) {
      expect(at(ref).readdirSync('/').length).toBe(201)
      expect(at(ref).readFileSync('/other-7', 'utf8')).toBe('other 7')
    }
    expect(at('two').readFileSync('/blocks').equals(Buffer.alloc(200_000, 'c'))).toBe(true)
    expect(fs.readFileSync('/blocks').equals(Buffer.alloc(200_000, 'd'))).toBe(true)
    // Other files keep their versions.
    expect(volume.versions.list('/blocks').length).toBe(2)
    expect(() => volume.versions.open(`/${NAME}/inline`, 1)).toThrow(/was purged at .*gone for good/)
    expect(() => restore(volume, { ref: 'one', path: `/${NAME}/inline` })).toThrow(expect.objectContaining({ code: 'ERR_PURGED' }))
  })

  test('one file; the others beside it stay, with their history', async () => {
    plant()
    run(`/${NAME}/large`)
    expect(fs.readdirSync(`/${NAME}`)).toEqual(['inline'])
    expect(at('two').readdirSync(`/${NAME}`)).toEqual(['inline', 'small'])
    expect(at('two').readFileSync(`/${NAME}/small`, 'utf8')).toBe(medium)
    expect(volume.versions.list(`/${NAME}/inline`).length).toBe(3)
    expect(volume.versions.list(`/${NAME}/large`)).toEqual([])
    await gone('aaaaaaaaaaaaaaaa')
    expect(() => run(`/${NAME}/never`)).toThrow(expect.objectContaining({ code: 'ERR_PATH_UNKNOWN' }))
    expect(() => run(`/${NAME}`)).toThrow(expect.objectContaining({ code: 'EISDIR' }))
    expect(() => run('/')).toThrow(expect.objectContaining({ code: 'ERR_PATH_UNKNOWN' }))
  })

  test('a file that is deleted but open', async () => {
    const held = fs.openSync(`/${NAME}`, 'w+')
    fs.writeSync(held, large)
    volume.checkpoint('one')
    fs.rmSync(`/${NAME}`)
    run(`/${NAME}`)
    await gone(SECRET, NAME)
  })

  test('other names of the file stay, and are told', async () => {
    fs.writeFileSync('/a', small)
    volume.checkpoint('one')
    fs.linkSync('/a', '/b')
    fs.writeFileSync('/c', `renamed ${small}`)
    fs.renameSync('/c', '/d')
    expect(run('/a').elsewhere.map(({ path, at: when }) => [path, when])).toEqual([['/b', 'now']])
    expect(fs.statSync('/b').nlink).toBe(1)
    expect(fs.readFileSync('/b', 'utf8')).toBe(small)
    expect(at('one').readdirSync('/')).toEqual([])
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    run('/b')
    run('/d')
    await gone(SECRET)
  })

  test('what is written there afterwards is a new file with a history of its own', async () => {
    fs.writeFileSync('/a', large)
    volume.checkpoint('one')
    run('/a')
    fs.writeFileSync('/a', 'harmless')
    fs.writeFileSync('/a', 'harmless still')
    volume.checkpoint('two')
    expect(volume.versions.list('/a').length).toBe(2)
    expect(at('two').readFileSync('/a', 'utf8')).toBe('harmless still')
    await gone(SECRET)
  })

  test('many versions of many names: nothing of a name is left where pages meet', async () => {
    for (let i = 0; i < 120; i++) {
      fs.writeFileSync(`/${NAME}-${i % 3}`, `${i}`)
      fs.rmSync(`/${NAME}-${i % 3}`)
      fs.writeFileSync(`/n${i}`, 'x')
      fs.rmSync(`/n${i}`)
    }
    volume.flush()
    for (const i of [0, 1, 2]) run(`/${NAME}-${i}`)
    await gone(NAME)
    expect(volume.versions.list('/n50').length).toBe(1)
  })

  const points: CrashPoint[] = [
    'purge.live.before',
    'purge.live.after',
    'purge.commits.before',
    'purge.commits.after',
    'purge.versions.between',
    'purge.audit.after',
    'purge.sealed',
    'become.before-journal',
    'become.after-journal',
    'seal.before-head',
    'seal.after-head',
  ]
  test.each(points)('stopped at %s, the volume is whole, and the same purge again finishes it', async point => {
    plant()
    const before = volume.commits({ checkpointsOnly: true }).map(({ id }) => id)
    onCrashPoint(reached => {
      if (reached === point) throw new Error('stopped')
    })
    expect(() => run(`/${NAME}`, true)).toThrow('stopped')
    onCrashPoint(undefined)
    engine.crash()
    // What only the journal names by then must be there still.
    engine = Engine.open({ home })
    collected(engine)
    engine.crash()
    open()
    for (const ref of ['one', 'two', 'three']) expect(at(ref).readFileSync('/other-7', 'utf8')).toBe('other 7')
    // Nor may these views hold what is purged now.
    engine.crash()
    open()
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    run(`/${NAME}`, true)
    await gone(SECRET, NAME)
    expect(volume.commits({ checkpointsOnly: true }).map(({ id }) => id)).toEqual(before)
    expect(audited()).toMatchObject({ ok: true, redacted: 2 })
  })

  const audited = (): AuditVerification => {
    const steps = verifyAudit(() => volume.state.history)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }
  test('what the audit chain told of it is gone, and the chain is whole and says so', async () => {
    plant()
    const tip = volume.audit.state
    run(`/${NAME}`, true)
    await gone(SECRET, NAME)
    expect(audited()).toMatchObject({ ok: true, redacted: 2 })
    const { entries } = readAudit(volume.state.history)
    expect(entries[0]).toMatchObject({
      kind: 'purge',
      detail: {
        redacted: [
          [expect.any(Number), expect.any(Number)],
          [expect.any(Number), expect.any(Number)],
        ],
      },
    })
    expect(entries.filter(({ kind }) => kind === 'redacted')).toHaveLength(2)
    expect(entries.find(({ exec }) => exec === 'run-2')).toMatchObject({ argv: ['cat', 'other-1'] })
    const { hash } = entries.find(({ sequence }) => sequence === tip?.sequence) ?? {}
    expect(hash).toBe(tip?.hash)
  })

  test('a commit that many have in common is rewritten once', async () => {
    for (let i = 0; i < 500; i++) fs.writeFileSync(`/other-${i}`, `other ${i}`)
    fs.writeFileSync('/a', small)
    for (let i = 0; i < 40; i++) {
      fs.writeFileSync('/changing', `${i}`)
      volume.checkpoint(`c${i}`)
    }
    volume.flush()
    const bytes = (): number =>
      readdirSync(home, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile() && entry.parentPath.includes('packs'))
        .reduce((sum, entry) => sum + readFileSync(join(entry.parentPath, entry.name)).length, 0)
    const before = bytes()
    run('/a')
    expect(bytes() - before).toBeLessThan(before * 1.2)
    await gone(SECRET)
  })
})

describe('cairn purge', () => {
  let shell: CliRun
  beforeEach(async () => {
    shell = new CliRun()
    await shell.ok('init', 'w')
    await shell.ok('write', 'w:/secret', SECRET)
    await shell.ok('checkpoint', 'save', 'w', 'one')
    await shell.ok('fork', 'w', 'f')
  })
  afterEach(() => cleanUp(shell.home, shell.folder))

  test('wants --yes, lists who shares it, and takes the forks too', async () => {
    expect(await shell.cairn('purge', 'w:/secret')).toMatchObject({ code: 2, err: expect.stringMatching(/nobody can be asked here\. Say --yes/) })
    expect(await shell.ok('cat', 'w:/secret')).toBe(`${SECRET}\n`)
    expect(await shell.json('purge', 'w:/secret', '--yes')).toMatchObject({ volume: 'w', path: '/secret', heldBy: [{ volume: 'f' }] })
    expect((await shell.cairn('cat', 'w:/secret')).code).toBe(1)
    expect((await shell.cairn('cat', 'w@one:/secret')).code).toBe(1)
    expect(await shell.ok('cat', 'f:/secret')).toBe(`${SECRET}\n`)
    expect(await shell.cairn('purge-prefix', 'w:/nothing', '--yes')).toMatchObject({ code: 1, err: expect.stringMatching(/No state of w holds \/nothing/) })
    const again = await shell.json('purge', 'w:/secret', '--yes', '--all-forks')
    expect(again).toMatchObject({ volume: 'w', heldBy: [], forks: [{ volume: 'f', path: '/secret' }] })
    expect((await shell.cairn('cat', 'f:/secret')).code).toBe(1)
    expect(filesWith(shell.home, SECRET)).toEqual([])
    expect((await shell.cairn('purge', 'w@one:/secret', '--yes')).code).toBe(2)
  })

  test.skipIf(mountSupport().some(check => !check.ok))('of a mounted volume: the mount shows it at once, open handles are stale', async () => {
    const { openSync, readSync, closeSync } = await import('node:fs')
    const mnt = shell.path('mnt')
    await shell.ok('mount', 'w', mnt)
    expect(readFileSync(`${mnt}/secret`, 'utf8')).toBe(`${SECRET}\n`)
    const handle = openSync(`${mnt}/secret`, 'r')
    const out = await shell.ok('purge', 'w:/secret', '--yes', '--all-forks')
    expect(out).toMatch(/^Purged w:\/secret: 1 file in /)
    expect(() => readFileSync(`${mnt}/secret`)).toThrow(/ENOENT/)
    expect(() => readSync(handle, Buffer.alloc(10), 0, 10, 0)).toThrow(expect.objectContaining({ errno: -116 }))
    closeSync(handle)
    await shell.ok('fsck', 'w')
  })
})
