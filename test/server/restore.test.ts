import { closeSync, existsSync, fsyncSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Cairn } from '../../src/sdk/cairn.js'
import { canMount, type Home, makeHome, openCairn, pidsOf, python, until } from './support.js'

const PAGE = 4096

/** Stores into a mapping on command, and says what came of it; a store that is refused is SIGBUS, and ends it. */
const mapper = `
import mmap, sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 0)
print('mapped', flush=True)
for line in sys.stdin:
    at, text = line.split()
    m[int(at):int(at) + len(text)] = text.encode()
    try:
        m.flush()
        print('stored ' + text, flush=True)
    except OSError as error:
        print('refused ' + text, error.errno, flush=True)
`

const sqlite = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=1, isolation_level=None)
db.execute('pragma journal_mode=' + sys.argv[2])
db.execute('create table if not exists t (n integer primary key, text)')
n = db.execute('select count(*) from t').fetchone()[0]
try:
    for i in range(n, 1000000):
        db.execute('insert into t values (?, ?)', (i, 'x' * 500))
        if i % 100 == 99: print('inserted', i + 1, flush=True)
except sqlite3.Error as error:
    print('failed', error, flush=True)
`

describe.skipIf(!canMount)('restore of a mounted volume', () => {
  let home: Home
  let cairn: Cairn
  const at = (name: string) => join(home.mountpoint, name)

  async function start(): Promise<void> {
    home = makeHome()
    cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
  }

  beforeEach(start)

  test('shows it at once, to whoever looked before', async () => {
    await mkdir(at('d/e'), { recursive: true })
    for (let i = 0; i < 20; i++) await writeFile(at(`d/f${i}`), `one ${i}`)
    await writeFile(at('gone'), 'x'.repeat(300_000))
    await writeFile(at('from'), 'moved')
    await cairn.checkpoint('v', 'one')
    for (let i = 0; i < 20; i++) await writeFile(at(`d/f${i}`), `changed, and longer: ${i}`)
    await rm(at('gone'))
    await rename(at('from'), at('d/e/to'))
    await writeFile(at('new'), 'new')
    await rename(at('d/e'), at('e'))
    // The kernel knows it all, also what is not there.
    for (const dir of ['', 'd', 'e']) for (const name of await readdir(at(dir))) await stat(at(`${dir}/${name}`))
    expect(existsSync(at('gone'))).toBe(false)
    expect(existsSync(at('from'))).toBe(false)
    const done = await cairn.restore('v', { ref: 'one' })
    for (let i = 0; i < 20; i++) expect(await readFile(at(`d/f${i}`), 'utf8')).toBe(`one ${i}`)
    expect((await stat(at('d/f3'))).size).toBe(5)
    expect(await readFile(at('gone'), 'utf8')).toBe('x'.repeat(300_000))
    expect(await readFile(at('from'), 'utf8')).toBe('moved')
    expect((await readdir(home.mountpoint)).sort()).toEqual(['d', 'from', 'gone'])
    expect(existsSync(at('new'))).toBe(false)
    await cairn.restore('v', { ref: done.commit.parents[0] })
    expect(await readFile(at('d/f3'), 'utf8')).toBe('changed, and longer: 3')
    expect(await readFile(at('e/to'), 'utf8')).toBe('moved')
    expect((await cairn.fsck('v')).findings).toEqual([])
  })

  for (const killed of [false, true]) {
    test(`leaves what is open and changed stale, and the rest alone${killed ? ', also for the next server' : ''}`, async () => {
      for (const name of ['changed', 'same', 'gone']) await writeFile(at(name), name)
      await cairn.checkpoint('v', 'one')
      await writeFile(at('changed'), 'other!!')
      await writeFile(at('new'), 'new')
      const before = (await stat(at('changed'))).ino
      const fds = Object.fromEntries(['changed', 'same', 'new', 'gone'].map(name => [name, openSync(at(name), 'r+')]))
      readSync(fds['changed'], Buffer.alloc(7), 0, 7, 0)
      await rm(at('gone'))
      await cairn.restore('v', { ref: 'one' })
      if (killed) {
        const { server } = pidsOf(home)
        process.kill(server, 'SIGKILL')
        await until(() => pidsOf(home).server !== server)
      }
      const stale = expect.objectContaining({ errno: -116 })
      for (const name of ['changed', 'new']) {
        expect(() => readSync(fds[name], Buffer.alloc(7), 0, 7, 0)).toThrow(stale)
        expect(() => writeSync(fds[name], 'x', 0)).toThrow(stale)
        expect(() => fsyncSync(fds[name])).toThrow(stale)
      }
      // Others open what is there now, under the same number, and that does not revive the handle.
      expect(await readFile(at('changed'), 'utf8')).toBe('changed')
      expect((await stat(at('changed'))).ino).toBe(before)
      expect(() => readSync(fds['changed'], Buffer.alloc(7), 0, 7, 0)).toThrow(stale)
      const again = await open(at('changed'), 'r+')
      await again.write('CH', 0)
      await again.sync()
      await again.close()
      expect(await readFile(at('changed'), 'utf8')).toBe('CHanged')
      // It was unlinked while it was open, and has its name again.
      for (const name of ['same', 'gone']) {
        writeSync(fds[name], 'S', 0)
        fsyncSync(fds[name])
        expect(await readFile(at(name), 'utf8')).toBe(`S${name.slice(1)}`)
      }
      for (const fd of Object.values(fds)) closeSync(fd)
      await cairn.unmount('v')
      expect((await cairn.fsck('v')).findings).toEqual([])
    })
  }

  test('a mapping of what changed stores nothing any more', async () => {
    await writeFile(at('mapped'), Buffer.alloc(4 * PAGE, '.'))
    await cairn.checkpoint('v', 'one')
    const writer = python(mapper, at('mapped'))
    await writer.printed('mapped')
    writer.child.stdin?.write('0 BEFORE\n')
    await writer.printed('stored BEFORE')
    expect((await readFile(at('mapped'), 'utf8')).slice(0, 6)).toBe('BEFORE')
    await cairn.restore('v', { ref: 'one' })
    // The pages are in the kernel's cache again, but not for the mapping.
    expect(await readFile(at('mapped'), 'utf8')).toBe('.'.repeat(4 * PAGE))
    writer.child.stdin?.write(`0 AFTER\n`)
    expect((await writer.ended).output).toContain('ended SIGBUS')
    expect(await readFile(at('mapped'), 'utf8')).toBe('.'.repeat(4 * PAGE))
    await cairn.unmount('v')
    const volume = await cairn.open('v')
    expect(await volume.fs.promises.readFile('/mapped', 'utf8')).toBe('.'.repeat(4 * PAGE))
  })

  for (const mode of ['delete', 'wal']) {
    test(`under a SQLite writer (${mode}) leaves a whole database`, { timeout: 300_000 }, async () => {
      const writer = python(sqlite, at('db'), mode)
      await writer.printed('inserted 300')
      await cairn.checkpoint('v', 'one')
      await writer.printed('inserted 900')
      await cairn.restore('v', { ref: 'one' })
      // Its shared memory is a mapping.
      expect((await writer.ended).output).toMatch(/failed .*(I\/O|malformed|readonly|unable to open)|ended SIGBUS/)
      const check = python(
        `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute('pragma integrity_check').fetchone()[0], flush=True)
n, most = db.execute('select count(*), max(n) from t').fetchone()
print('rows', n, n == most + 1, flush=True)
`,
        at('db'),
      )
      const { output } = await check.ended
      expect(output).toContain('ok\n')
      const rows = Number(/rows (\d+) True/.exec(output)?.[1])
      expect(rows).toBeGreaterThanOrEqual(300)
      expect(rows).toBeLessThan(900)
      const next = python(sqlite, at('db'), mode)
      await next.printed(`inserted ${Math.ceil((rows + 200) / 100) * 100}`)
      next.child.kill()
      await cairn.unmount('v', { force: true })
      expect((await cairn.fsck('v')).findings).toEqual([])
    })
  }
})

describe.skipIf(!canMount)('a server that is killed between a restore and telling the kernel', () => {
  test('leaves it to the next one', async () => {
    const home = makeHome()
    const armed = join(home.folder, 'armed')
    process.env['CAIRN_TEST_CRASH'] = `become.after-journal@${armed}`
    try {
      const cairn = await openCairn(home)
      await cairn.createVolume({ name: 'v' })
      await cairn.mount({ name: 'v', path: home.mountpoint })
      const at = (name: string) => join(home.mountpoint, name)
      await writeFile(at('a'), 'one')
      await writeFile(at('gone'), 'one')
      await cairn.checkpoint('v', 'one')
      await writeFile(at('a'), 'two, and longer')
      await rm(at('gone'))
      await writeFile(at('new'), 'two')
      const fd = openSync(at('a'), 'r')
      await stat(at('new'))
      expect(existsSync(at('gone'))).toBe(false)
      const { server } = pidsOf(home)
      writeFileSync(armed, '')
      await expect(cairn.restore('v', { ref: 'one' })).rejects.toMatchObject({ code: 'ERR_SERVER_LOST' })
      await until(() => pidsOf(home).server !== server)
      // It tells when it has the mount again.
      await until(() => existsSync(at('gone')))
      await until(async () => (await readFile(at('a'), 'utf8')) === 'one')
      expect(existsSync(at('new'))).toBe(false)
      expect(() => readSync(fd, Buffer.alloc(3), 0, 3, 0)).toThrow(expect.objectContaining({ errno: -116 }))
      closeSync(fd)
    } finally {
      delete process.env['CAIRN_TEST_CRASH']
    }
  })
})
