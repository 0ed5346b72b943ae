import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { getxattr, mknod, setxattr, utimens } from '../src/sys/libc.js'
import { CliRun } from './cli-run.js'

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
})
afterAll(() => run.remove())

const SIZE = 64 * 1024 * 1024
const HOLE_END = 40 * 1024 * 1024

function makeTree(root: string): void {
  mkdirSync(`${root}/deep/er`, { recursive: true })
  writeFileSync(`${root}/a`, 'content of a\n')
  chmodSync(`${root}/a`, 0o4751)
  linkSync(`${root}/a`, `${root}/deep/same`)
  symlinkSync('../a', `${root}/deep/link`)
  symlinkSync('nowhere', `${root}/dangling`)
  writeFileSync(`${root}/large`, Buffer.alloc(3 * 1024 * 1024 + 17, 'large'))
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x6e, 0xff, 0x0a])]), 'odd name')
  for (let i = 0; i < 50; i++) writeFileSync(`${root}/deep/er/${i}`, String(i))
  writeFileSync(`${root}/sparse`, '')
  truncateSync(`${root}/sparse`, SIZE)
  const fd = openSync(`${root}/sparse`, 'r+')
  writeSync(fd, 'data', HOLE_END)
  closeSync(fd)
  utimens(`${root}/a`, 1_600_000_000, 123_456_789, 1_500_000_000, 987_654_321)
  utimens(`${root}/dangling`, 1, 2, 3, 4)
  utimesSync(`${root}/deep`, 1000, 2000)
}

/** Names below a folder as bytes; node's own recursive form takes text only. */
function namesBelow(root: Buffer, below: Buffer = Buffer.alloc(0)): Buffer[] {
  const slash = Buffer.from('/')
  return readdirSync(Buffer.concat([root, slash, below]), { encoding: 'buffer', withFileTypes: true }).flatMap(entry => {
    const name = below.length === 0 ? entry.name : Buffer.concat([below, slash, entry.name])
    return entry.isDirectory() ? [name, ...namesBelow(root, name)] : [name]
  })
}

/** What must be kept of every file, by name. Looked up before anything reads them: reading touches access times. */
function factsBelow(root: string): Map<string, object> {
  const facts = new Map<string, object>()
  for (const name of namesBelow(Buffer.from(root))) {
    const stat = lstatSync(Buffer.concat([Buffer.from(`${root}/`), name]), { bigint: true })
    const { mode, mtimeNs, nlink, uid, gid, rdev } = stat
    // The size of a directory is its filesystem's affair, and listing one touches its access time.
    const more = stat.isDirectory() ? {} : { size: stat.size, atimeNs: stat.atimeNs }
    facts.set(name.toString('latin1'), { mode, mtimeNs, nlink: stat.isDirectory() ? 0n : nlink, uid, gid, rdev, ...more })
  }
  return facts
}

test('import and export keep everything', async () => {
  makeTree(run.path('tree'))
  // Not every filesystem of a host takes attributes or nodes.
  const attributes = setxattr(run.path('tree/a'), 'user.note', Buffer.from('kept')) === 0
  const nodes = mknod(run.path('tree/fifo'), constants.S_IFIFO | 0o640, 0) === 0
  utimesSync(run.path('tree'), 10, 20)
  const before = factsBelow(run.path('tree'))
  expect(await run.ok('import', run.path('tree'), 'work:/')).toMatch(/Imported \d+ files/)
  await run.ok('export', 'work:/tree', run.path('back'))
  expect(factsBelow(run.path('back'))).toEqual(before)
  expect(readFileSync(run.path('back/large')).equals(readFileSync(run.path('tree/large')))).toBe(true)
  expect(lstatSync(run.path('back/a')).ino).toBe(lstatSync(run.path('back/deep/same')).ino)
  expect(readlinkSync(run.path('back/deep/link'))).toBe('../a')
  expect(statSync(run.path('back/sparse')).size).toBe(SIZE)
  expect(statSync(run.path('back/sparse')).blocks * 512).toBeLessThan(4 * 1024 * 1024)
  expect(
    readFileSync(run.path('back/sparse'))
      .subarray(HOLE_END, HOLE_END + 5)
      .toString(),
  ).toBe('data\0')
  if (attributes) expect(getxattr(run.path('back/a'), 'user.note')).toEqual(Buffer.from('kept'))
  if (nodes) expect(lstatSync(run.path('back/fifo')).isFIFO()).toBe(true)
})

test('names follow the rules of cp', async () => {
  mkdirSync(run.path('src'))
  writeFileSync(run.path('src/f'), 'f')
  await run.ok('mkdir', 'work:/into')
  await run.ok('cp', '-r', run.path('src'), 'work:/into')
  await run.ok('cp', '-r', `${run.path('src')}/.`, 'work:/contents')
  await run.ok('cp', '-r', run.path('src'), 'work:/fresh')
  await run.ok('cp', run.path('src/f'), 'work:/into/g')
  expect(await run.ok('ls', 'work:/into')).toBe('g\nsrc\n')
  expect(await run.ok('ls', 'work:/contents')).toBe('f\n')
  expect(await run.ok('ls', 'work:/fresh')).toBe('f\n')
  await run.ok('cp', '-r', 'work:/into', 'work:/fresh/again')
  expect(await run.ok('cat', 'work:/fresh/again/src/f')).toBe('f')
})

test('what cp refuses', async () => {
  await run.ok('mkdir', '-p', 'work:/x/y')
  await run.ok('write', 'work:/x/f', 'f')
  expect((await run.cairn('cp', 'work:/x', 'work:/z')).err).toMatch(/work:\/x is a directory.*-r/)
  expect((await run.cairn('cp', '-r', 'work:/x', 'work:/x/y')).err).toMatch(/into itself/)
  expect((await run.cairn('cp', 'work:/x/f', 'work:/x')).err).toMatch(/same file/)
  await run.ok('ln', '-s', 'x', 'work:/also-x')
  expect((await run.cairn('cp', '-r', 'work:/x', 'work:/also-x/z')).err).toMatch(/into itself/)
  expect((await run.cairn('cp', 'work:/x/f', 'work:/also-x')).err).toMatch(/same file/)
  expect(await run.ok('ls', 'work:/x')).toBe('f\ny\n')
  expect((await run.cairn('cp', 'package.json', 'work:/')).err).toMatch(/The file of the host is \.\/package\.json/)
  expect((await run.cairn('cat', 'work:/n\uFFFD')).err).toMatch(/is not UTF-8.*through a mount/)
  expect((await run.cairn('rmdir', 'work:/')).err).toMatch(/is the root of the volume/)
  expect((await run.cairn('cp', 'work:/none', run.path('none'))).err).toMatch(/work:\/none does not exist/)
  expect((await run.cairn('cp', 'work:/x/f', 'work:/x/y', 'work:/nodir')).code).toBe(2)
  expect((await run.cairn('import', run.path('src'), run.path('elsewhere'))).code).toBe(2)
  expect((await run.cairn('export', run.path('src'), run.path('elsewhere'))).code).toBe(2)
  expect(existsSync(run.path('none'))).toBe(false)
})

test('one file that cannot be copied does not stop the others', async () => {
  await run.ok('write', 'work:/p/q', 'x').catch(() => undefined)
  const { code, err } = await run.cairn('cp', 'work:/nothing', 'work:/x/f', run.path('src'))
  expect([code, err]).toEqual([1, expect.stringMatching(/work:\/nothing does not exist/)])
  expect(readFileSync(run.path('src/f'), 'utf8')).toBe('f\n')
})

test('- is stdin and stdout', async () => {
  const bytes = Buffer.alloc(300_000, 'bytes ')
  expect((await run.fed(bytes, 'cp', '-', 'work:/piped')).code).toBe(0)
  expect(await run.ok('cp', 'work:/piped', '-')).toBe(bytes.toString())
  expect((await run.fed('x', 'cp', '-', 'work:/x')).err).toMatch(/is a directory/)
})

test('-p keeps modes and times of single files', async () => {
  writeFileSync(run.path('dated'), 'x')
  execFileSync('chmod', ['600', run.path('dated')])
  utimesSync(run.path('dated'), 1000, 2000)
  await run.ok('cp', '-p', run.path('dated'), 'work:/dated')
  expect(await run.json('stat', 'work:/dated')).toMatchObject({ mode: '0600', mtimeNs: '2000000000000' })
})

test('a tree that has a .cairn of its own is imported with that under another name, and import says so', async () => {
  mkdirSync(`${run.folder}/withhistory/.cairn/deep`, { recursive: true })
  writeFileSync(`${run.folder}/withhistory/.cairn/deep/file`, 'theirs')
  writeFileSync(`${run.folder}/withhistory/other`, 'other')
  await run.ok('init', 'taken')
  const { err } = await run.cairn('import', `${run.folder}/withhistory/.`, 'taken:/')
  expect(err).toContain('taken:/.cairn is copied to taken:/.cairn.imported')
  expect(await run.ok('cat', 'taken:/.cairn.imported/deep/file')).toBe('theirs')
  const again = await run.json<{ renamed: unknown }>('import', `${run.folder}/withhistory/.`, 'taken:/')
  expect(again.renamed).toEqual([{ from: 'taken:/.cairn', to: 'taken:/.cairn.imported' }])
  await run.ok('import', `${run.folder}/withhistory`, 'taken:/sub')
  expect(await run.ok('cat', 'taken:/sub/.cairn/deep/file')).toBe('theirs')
  expect((await run.cairn('mkdir', 'taken:/.cairn')).code).toBe(1)
})
