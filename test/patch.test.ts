import './support/without-syncs.js'
import { execFileSync } from 'node:child_process'
import * as host from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { gitPatch, isBinary, quoted } from '../src/history/diff/git-patch.js'
import { Cairn, type OpenVolume } from '../src/index.js'
import type { LocalOps, VolumeFs } from '../src/node/index.js'
import { limits } from '../src/sys/index.js'
import { opsOf } from './support/tree-of-files.js'

let folder: string
let cairn: Cairn
let volume: OpenVolume
let fs: VolumeFs
let ops: LocalOps
beforeEach(async () => {
  folder = host.mkdtempSync(join(tmpdir(), 'cairn-patch-'))
  cairn = await Cairn.open({ home: join(folder, 'home'), via: 'process' })
  await cairn.createVolume({ name: 'w' })
  volume = await cairn.open('w')
  fs = volume.fs
  ops = opsOf(fs)
})
afterEach(async () => {
  await cairn.close()
  host.rmSync(folder, { recursive: true, force: true })
})

/** Files and links by path, with what git knows of them. */
type Known = Record<string, string>

function known(from: typeof host | VolumeFs, dir: string | Buffer, at = ''): Known {
  const found: Known = {}
  const here = from as typeof host
  for (const name of here.readdirSync(dir, { encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(dir), Buffer.from('/'), name])
    const shown = `${at}/${name.toString('latin1')}`
    const stat = here.lstatSync(path)
    if (stat.isDirectory()) Object.assign(found, known(from, path, shown))
    else if (stat.isSymbolicLink()) found[shown] = `-> ${here.readlinkSync(path, 'latin1')}`
    else found[shown] = `${stat.mode & 0o100 ? 'x' : '-'} ${here.readFileSync(path, 'latin1')}`
  }
  return found
}

function put(known: Known, dir: string): void {
  host.rmSync(dir, { recursive: true, force: true })
  host.mkdirSync(dir, { recursive: true })
  for (const [path, text] of Object.entries(known)) {
    const full = Buffer.concat([Buffer.from(dir), Buffer.from(path, 'latin1')])
    host.mkdirSync(full.subarray(0, full.lastIndexOf('/')), { recursive: true })
    if (text.startsWith('-> ')) host.symlinkSync(Buffer.from(text.slice(3), 'latin1'), full)
    else host.writeFileSync(full, Buffer.from(text.slice(2), 'latin1'), { mode: text[0] === 'x' ? 0o755 : 0o644 })
  }
}

async function patchSince(ref: string): Promise<Buffer> {
  const reader = await cairn.openDiff({ volume: 'w', ref }, { volume: 'w' }, { patch: true })
  const parts: Buffer[] = []
  for await (const change of reader.changes()) parts.push((await reader.patchOf(change))?.patch ?? Buffer.alloc(0))
  await reader.close()
  return Buffer.concat(parts)
}

function git(...args: string[]): void {
  execFileSync('git', ['apply', '--unsafe-paths', ...args, join(folder, 'patch')], { cwd: join(folder, 'tree'), stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What `work` changed, as a patch, turns the files before into those after, and back. Returns the patch. */
async function appliesBothWays(work: () => void): Promise<string> {
  const { id } = await volume.checkpoint()
  const before = known(fs, '/')
  work()
  const after = known(fs, '/')
  const patch = await patchSince(id)
  host.writeFileSync(join(folder, 'patch'), patch)
  put(before, join(folder, 'tree'))
  if (patch.length > 0) git()
  expect(known(host, join(folder, 'tree'))).toEqual(after)
  if (patch.length > 0) git('-R')
  expect(known(host, join(folder, 'tree'))).toEqual(before)
  return patch.toString('latin1')
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}\n`).join('')

describe('git apply takes', () => {
  test('text, in several hunks, made and emptied files, and a missing last line break', async () => {
    fs.writeFileSync('/long', numbered(200))
    fs.writeFileSync('/end', 'one\ntwo')
    fs.writeFileSync('/gone', 'bye\n')
    fs.writeFileSync('/emptied', 'text\n')
    const patch = await appliesBothWays(() => {
      const lines = numbered(200).split('\n')
      lines[3] = 'changed'
      lines.splice(100, 2)
      lines.splice(150, 0, 'put in', 'here')
      fs.writeFileSync('/long', lines.join('\n'))
      fs.writeFileSync('/end', 'one\ntwo\nthree')
      fs.rmSync('/gone')
      fs.writeFileSync('/emptied', '')
      fs.writeFileSync('/new', 'a\nb\n')
      fs.writeFileSync('/new-empty', '')
    })
    expect(patch.match(/^@@ /gm)).toHaveLength(7)
    expect(patch).toContain('\\ No newline at end of file\n')
    expect(patch).toContain('+++ /dev/null\n')
  })

  test('binary files, large and empty sides too', async () => {
    const bytes = Buffer.alloc(150_000, 0)
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7919) >>> (i % 11)
    fs.writeFileSync('/changed', bytes)
    fs.writeFileSync('/gone', Buffer.from([0, 1, 2]))
    fs.writeFileSync('/emptied', Buffer.from([0]))
    const patch = await appliesBothWays(() => {
      fs.writeFileSync('/changed', bytes.subarray(0, 99_999))
      fs.rmSync('/gone')
      fs.writeFileSync('/emptied', '')
      fs.writeFileSync('/made', bytes.subarray(3, 300))
      fs.writeFileSync('/was-text', 'text')
    })
    expect(patch.match(/^GIT binary patch$/gm)).toHaveLength(4)
    await appliesBothWays(() => fs.writeFileSync('/was-text', Buffer.from([0, 0])))
  })

  test('modes, symbolic links, and another kind of file under a name', async () => {
    fs.writeFileSync('/script', 'run\n')
    fs.writeFileSync('/both', 'a\n')
    fs.symlinkSync('script', '/link')
    fs.symlinkSync('script', '/becomes-file')
    fs.writeFileSync('/becomes-link', 'text\n')
    const patch = await appliesBothWays(() => {
      fs.chmodSync('/script', 0o755)
      fs.chmodSync('/both', 0o755)
      fs.writeFileSync('/both', 'b\n')
      fs.rmSync('/link')
      fs.symlinkSync('elsewhere', '/link')
      fs.rmSync('/becomes-file')
      fs.writeFileSync('/becomes-file', 'text\n')
      fs.rmSync('/becomes-link')
      fs.symlinkSync('script', '/becomes-link')
    })
    expect(patch).toContain('old mode 100644\nnew mode 100755\n')
    expect(patch).toContain('new file mode 120000\n')
  })

  test('renames: of a file with edits, of a directory with edits in it, and swaps', async () => {
    fs.mkdirSync('/d/sub', { recursive: true })
    for (const name of ['/f', '/x', '/y', '/d/keep', '/d/edit', '/d/gone', '/d/sub/deep']) fs.writeFileSync(name, `${name}\n${numbered(20)}`)
    const patch = await appliesBothWays(() => {
      fs.renameSync('/f', '/g')
      fs.appendFileSync('/g', 'more\n')
      fs.renameSync('/d', '/e')
      fs.writeFileSync('/e/edit.tmp', 'saved by rename\n')
      fs.renameSync('/e/edit.tmp', '/e/edit')
      fs.rmSync('/e/gone')
      fs.writeFileSync('/e/new', 'new\n')
      ops.rename('/x', '/y', 2)
    })
    expect(patch.match(/^rename from /gm)).toHaveLength(6)
    expect(patch).toContain('similarity index 100%\nrename from d/keep\nrename to e/keep\n')
  })

  test('a name that a renamed file took from one that is gone', async () => {
    fs.writeFileSync('/a', `a\n${numbered(9)}`)
    fs.writeFileSync('/b', `b\n${numbered(9)}`)
    await appliesBothWays(() => fs.renameSync('/a', '/b'))
    fs.mkdirSync('/old')
    fs.writeFileSync('/old/f', 'old\n')
    fs.mkdirSync('/new')
    fs.writeFileSync('/new/f', 'new\n')
    await appliesBothWays(() => {
      fs.rmSync('/old', { recursive: true })
      fs.renameSync('/new', '/old')
    })
  })

  test('names that need quotes', async () => {
    const names = ['with space', 'tab\tin', 'quote"in', 'back\\slash', 'new\nline', 'ünïcode', ' leading', 'trailing ', 'a b/c d']
    fs.mkdirSync('/a b')
    for (const name of names) fs.writeFileSync(`/${name}`, 'before\n')
    fs.writeFileSync(Buffer.from('/latin1-\xe4', 'latin1'), 'before\n')
    await appliesBothWays(() => {
      for (const name of names) fs.writeFileSync(`/${name}`, 'after\n')
      fs.writeFileSync(Buffer.from('/latin1-\xe4', 'latin1'), 'after\n')
      fs.renameSync('/with space', '/other space')
      fs.renameSync('/ünïcode', '/ünïcode 2')
    })
  })

  test('bytes that are text to git and no UTF-8', async () => {
    fs.writeFileSync('/f', Buffer.from('gr\xfc\xdfe\r\n\r\n', 'latin1'))
    const patch = await appliesBothWays(() => fs.writeFileSync('/f', Buffer.from('Gr\xfc\xdfe\r\nx', 'latin1')))
    expect(patch).toContain('-gr\xfc\xdfe\r\n')
  })
})

test('any change applies, both ways', async () => {
  const word = fc.constantFrom('a', 'b', 'c d', 'é')
  const path = fc.array(word, { minLength: 1, maxLength: 2 }).map(words => `/${words.join('/')}`)
  const text = fc.array(fc.constantFrom('x\n', 'y\n', 'z\n', '\n', 'long line of words\n', 'no end', '\0'), { maxLength: 12 }).map(lines => lines.join(''))
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('write', 'save'), path, text }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('rename', 'exchange', 'symlink', 'link'), path, to: path }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('mkdir', 'mkdir', 'rm', 'exec'), path }) },
  )
  const take = ({ do: what, path, text = '', to = '' }: { do: string; path: string; text?: string; to?: string }) => {
    const steps: Record<string, () => void> = {
      write: () => fs.writeFileSync(path, text),
      save: () => {
        fs.writeFileSync('/tmp', text)
        fs.renameSync('/tmp', path)
      },
      rename: () => fs.renameSync(path, to),
      exchange: () => ops.rename(path, to, 2),
      symlink: () => fs.symlinkSync('target', to),
      link: () => fs.linkSync(path, to),
      mkdir: () => fs.mkdirSync(path),
      rm: () => fs.rmSync(path, { recursive: true }),
      exec: () => fs.chmodSync(path, fs.statSync(path).isDirectory() ? 0o755 : (fs.statSync(path).mode & 0o777) ^ 0o111),
    }
    try {
      steps[what]()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
      fs.rmSync('/tmp', { force: true })
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), fc.array(step, { maxLength: 12 }), async (first, second) => {
      for (const name of fs.readdirSync('/')) fs.rmSync(`/${name}`, { recursive: true })
      for (const one of first) take(one)
      await appliesBothWays(() => second.forEach(take))
    }),
    { numRuns: Number(process.env['CAIRN_TEST_RUNS'] ?? 60) },
  )
}, 900_000)

describe('a patch', () => {
  const side = (path: string, bytes: Uint8Array, mode = 0o100644) => ({ path, mode, size: bytes.length, bytes })

  test('is the same as that of git diff', () => {
    const repository = join(folder, 'repository')
    host.mkdirSync(repository)
    const run = (...args: string[]) => execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x', ...args], { cwd: repository, encoding: 'latin1' })
    run('init', '-q')
    const before = numbered(50)
    const after = before.replace('line 7\n', 'line seven\n').replace('line 30\n', '')
    host.writeFileSync(join(repository, 'f'), before)
    run('add', 'f')
    host.writeFileSync(join(repository, 'f'), after)
    const expected = run('diff', '--full-index', '--no-ext-diff').replace(/^(@@ .* @@).*$/gm, '$1')
    expect(gitPatch(side('f', Buffer.from(before)), side('f', Buffer.from(after))).patch.toString('latin1')).toBe(expected)
  })

  test('tells text from binary by a NUL in the first 8000 bytes', () => {
    const at = (place: number) => {
      const bytes = Buffer.alloc(9000, 'x')
      bytes[place] = 0
      return bytes
    }
    expect([isBinary(at(7999)), isBinary(at(8000)), isBinary(Buffer.alloc(0))]).toEqual([true, false, false])
  })

  test('of text over the limit is binary, and of what is larger still only says that it differs', () => {
    const large = Buffer.alloc(limits.diffTextBytes + 1, 'x\n')
    expect(gitPatch(undefined, side('f', large)).patch.includes('GIT binary patch')).toBe(true)
    const huge = { path: 'f', mode: 0o100644, size: limits.patchFileBytes + 1, bytes: undefined }
    const told = gitPatch(side('f', Buffer.from('x')), huge)
    expect(told.tooLarge).toBe(true)
    expect(told.patch.toString()).toContain('Binary files a/f and b/f differ\n')
  })

  test('of two files without a common line replaces all, however long they are', () => {
    const lines = (word: string) => Buffer.from(Array.from({ length: 20_000 }, (_, i) => `${word} ${i}\n`).join(''))
    const { added, removed } = gitPatch(side('f', lines('one')), side('f', lines('other')))
    expect([added, removed]).toEqual([20_000, 20_000])
  })

  test('quotes as git does', () => {
    expect(['plain', 'a b', 'é', 'a"b\\', 'x\t\n\x01'].map(name => quoted(Buffer.from(name).toString('latin1')))).toEqual([
      'plain',
      'a b',
      '"\\303\\251"',
      '"a\\"b\\\\"',
      '"x\\t\\n\\001"',
    ])
  })
})
