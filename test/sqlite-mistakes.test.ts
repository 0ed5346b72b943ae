import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { openDatabase } from '../src/store/sqlite/driver.js'
import { Engine } from '../src/volume/engine.js'
import { CliRun, type Ran } from './cli-run.js'
import { SmallDisk, whyNoDisk } from './support/small-disk.js'

let run: CliRun
let path: string

beforeEach(() => {
  run = new CliRun()
  path = run.path('ws.cairn')
})

afterEach(() => run.remove())

const init = (file = path): Promise<Ran> => run.cairn('init', 'ws', '--store', `sqlite://${file}`)

/** One sentence that says what is wrong, and one that says what to do. */
function expectRefused({ code, err }: Ran, what: RegExp): void {
  expect(err).toMatch(what)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(code).toBe(1)
}

describe('a SQLite file that cannot be used', () => {
  it('is no database', async () => {
    writeFileSync(path, 'text that is no database'.repeat(100))
    expectRefused(await init(), /^cairn: .*ws\.cairn is no SQLite database\. \S/)
    expect(readFileSync(path, 'utf8')).toMatch(/^text/)
  })

  it('is of another program, and stays as it is', async () => {
    const other = openDatabase(path)
    other.exec("PRAGMA journal_mode = DELETE; CREATE TABLE theirs (a); INSERT INTO theirs VALUES ('kept')")
    other.close()
    const before = readFileSync(path)
    expectRefused(await init(), /ws\.cairn is an SQLite database of another program\. \S/)
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('is in a folder that is not there, or is a folder itself', async () => {
    expectRefused(await init(run.path('none', 'ws.cairn')), /cannot be made \(ENOENT\)\. Check that its folder is there/)
    mkdirSync(path)
    expectRefused(await init(), /ws\.cairn is a folder, and the store a file\. \S/)
  })

  it('was taken away, and is not made again', async () => {
    expect((await init()).code).toBe(0)
    rmSync(path)
    expectRefused(await run.cairn('ls', 'ws:/'), /The file .*ws\.cairn is gone\. \S/)
    expectRefused(await run.cairn('write', 'ws:/f', 'x'), /is gone/)
    expect(() => readFileSync(path)).toThrow(/ENOENT/)
  })

  it('is another store than the one that was there', async () => {
    expect((await init()).code).toBe(0)
    rmSync(path)
    const other = new CliRun()
    expect((await other.cairn('init', 'ws', '--store', `sqlite://${path}`)).code).toBe(0)
    other.remove()
    expectRefused(await run.cairn('ls', 'ws:/'), /is another store than the one that was there\. \S/)
  })

  it('was written by a newer version', async () => {
    expect((await init()).code).toBe(0)
    const db = openDatabase(path)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expectRefused(await run.cairn('ls', 'ws:/'), /has format 99; this version of cairn knows \d+\. Install a newer version/)
  })

  it('has no driver', async () => {
    const hook = run.path('hook.cjs')
    writeFileSync(
      hook,
      `const Module = require('node:module')
       const { _resolveFilename, _load } = Module
       const isGone = name => ['libsql', 'better-sqlite3', 'node:sqlite'].includes(name)
       const missing = name => Object.assign(new Error('Cannot find module ' + name), { code: 'MODULE_NOT_FOUND' })
       Module._resolveFilename = function (name, ...rest) { if (isGone(name)) throw missing(name); return _resolveFilename.call(this, name, ...rest) }
       Module._load = function (name, ...rest) { if (isGone(name)) throw missing(name); return _load.call(this, name, ...rest) }`,
    )
    const result = await run.spawned(['init', 'ws', '--store', `sqlite://${path}`], { env: { NODE_OPTIONS: `--require ${hook}` } })
    expectRefused(result, /A store in SQLite needs .*(libsql|node:sqlite).*npm install/)
  })
})

describe.skipIf(whyNoDisk() !== undefined)('the disk of a SQLite file', () => {
  let disk: SmallDisk

  beforeEach(() => {
    disk = new SmallDisk(16)
  })

  afterEach(() => disk.end())

  it('may not be written', async () => {
    // In processes of their own, which keep no file open.
    const init = (volume: string): Promise<Ran> => run.spawned(['init', volume, '--store', `sqlite://${join(disk.folder, volume)}.cairn`])
    const write = (): Promise<Ran> => run.spawned(['write', 'ws:/f', 'x'])
    expect((await init('ws')).code).toBe(0)
    disk.setReadOnly(true)
    expectRefused(await write(), /ws\.cairn cannot be read and written\. \S/)
    expectRefused(await init('other'), /other\.cairn cannot be made \(EROFS\)/)
    disk.setReadOnly(false)
    expect((await write()).code).toBe(0)
  })

  it('is full: what does not fit is ENOSPC, what was acknowledged stays, and all goes on when there is room', async () => {
    const home = mkdtempSync(join(tmpdir(), 'cairn-sqlite-full-'))
    const location = { kind: 'sqlite' as const, path: join(disk.folder, 'ws.cairn') }
    const engine = Engine.open({ home })
    engine.attach('ws', location)
    const volume = engine.openVolume('ws')
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    fs.writeFileSync('/kept', Buffer.alloc(300_000, 'k'))
    disk.fill()
    let written = 0
    expect(() => {
      for (; ; written++) fs.writeFileSync(`/f${written}`, Buffer.alloc(100_000, `${written}`))
    }).toThrow(/ENOSPC/)
    expect(() => volume.flush()).toThrow(/ENOSPC|The disk that holds .* is full/)
    expect(fs.readFileSync('/kept').every(byte => byte === 0x6b)).toBe(true)
    disk.empty()
    fs.writeFileSync('/after', 'a')
    volume.flush()
    await engine.publish(volume)
    engine.crash()
    const again = Engine.open({ home: `${home}-2` })
    again.attach('ws', location)
    const found = again.openVolume('ws')
    const files = createFs(new LocalBackend(new LocalOps(new FileSystem(found.session))))
    expect(files.readFileSync('/after', 'utf8')).toBe('a')
    for (let n = 0; n < written; n++) expect(files.readFileSync(`/f${n}`).equals(Buffer.alloc(100_000, `${n}`))).toBe(true)
    expect(found.fsck()).toMatchObject({ ok: true, findings: [] })
    found.close()
    again.close()
    for (const folder of [home, `${home}-2`]) rmSync(folder, { recursive: true, force: true })
  })
})
