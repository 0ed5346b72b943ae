import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LocalOps, VolumeFs } from '../src/node/index.js'
import type { Change } from '../src/volume/api.js'
import { Engine } from '../src/volume/engine.js'
import { type Files, filesOf, type Node, opsOf, shaped } from './support/tree-of-files.js'

const EXCHANGE = 2
let home: string
let engine: Engine
let fs: VolumeFs
let ops: LocalOps

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-diff-'))
  engine = Engine.open({ home })
  engine.create('w')
  fs = shaped(engine.openVolume('w').session)
  ops = opsOf(fs)
})
afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** Saves the state of now and returns what `work` changed, as `kind path` lines. */
function changed(work: () => void): string[] {
  const { id } = engine.openVolume('w').checkpoint()
  work()
  return engine.diff({ volume: 'w', ref: id }, { volume: 'w' }).map(line)
}

function line({ kind, path, from, also }: Change): string {
  return [kind, from === undefined ? '' : `${from} ->`, path, also === undefined ? '' : `+${also.join('+')}`].filter(word => word !== '').join(' ')
}

/** As editors save: a temporary file takes the name. */
function saveByRename(path: string, text: string): void {
  fs.writeFileSync(`${path}.tmp`, text)
  fs.renameSync(`${path}.tmp`, path)
}

describe('a diff', () => {
  test('of nothing, and of times only, is empty', () => {
    fs.writeFileSync('/f', 'x')
    fs.mkdirSync('/d')
    expect(changed(() => {})).toEqual([])
    expect(changed(() => fs.utimesSync('/f', 1, 2))).toEqual([])
    expect(changed(() => fs.writeFileSync('/f', 'x'))).toEqual([])
    expect(changed(() => saveByRename('/f', 'x'))).toEqual([])
  })

  test('knows created, modified and deleted, with sizes', () => {
    fs.writeFileSync('/m', 'one')
    fs.writeFileSync('/d', 'gone')
    const { id } = engine.openVolume('w').checkpoint()
    fs.writeFileSync('/m', 'other')
    fs.rmSync('/d')
    fs.writeFileSync('/n', '')
    fs.symlinkSync('m', '/s')
    expect(engine.diff({ volume: 'w', ref: id }, { volume: 'w' })).toEqual([
      { kind: 'deleted', path: '/d', type: 'file', sizeBefore: 4 },
      { kind: 'modified', path: '/m', type: 'file', sizeBefore: 3, sizeAfter: 5 },
      { kind: 'created', path: '/n', type: 'file', sizeAfter: 0 },
      { kind: 'created', path: '/s', type: 'symlink', sizeAfter: 1 },
    ])
  })

  test.each([0, 10, 256, 257, 2048, 2049, 65_536, 200_000])('sees one byte of %i, and sees that bytes written again are the same', size => {
    const bytes = Buffer.alloc(size + 1, 7)
    fs.writeFileSync('/f', bytes)
    expect(changed(() => fs.writeFileSync('/f', bytes))).toEqual([])
    expect(
      changed(() => {
        const fd = fs.openSync('/f', 'r+')
        fs.writeSync(fd, Buffer.from([8]), 0, 1, size)
        fs.closeSync(fd)
      }),
    ).toEqual(['modified /f'])
    // Grown and cut again it is kept in another way; the bytes are those of before.
    expect(
      changed(() => {
        fs.truncateSync('/f', 500_000)
        fs.truncateSync('/f', size + 1)
      }),
    ).toEqual([])
  })

  test('calls written zeros and a hole the same', () => {
    fs.writeFileSync('/f', '')
    fs.truncateSync('/f', 200_000)
    expect(changed(() => fs.writeFileSync('/f', Buffer.alloc(200_000)))).toEqual([])
  })

  test('mode and attributes, alone and beside content', () => {
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(`/${name}`, 'x')
    expect(
      changed(() => {
        fs.chmodSync('/a', 0o600)
        ops.setxattr('/b', 'user.k', Buffer.from('v'), 0, true)
        fs.writeFileSync('/c', 'y')
        fs.chmodSync('/c', 0o755)
      }),
    ).toEqual(['mode /a', 'xattr /b', 'modified /c +mode'])
    expect(changed(() => ops.setxattr('/b', 'user.k', Buffer.from('w'), 0, true))).toEqual(['xattr /b'])
    expect(changed(() => ops.removexattr('/b', 'user.k', true))).toEqual(['xattr /b'])
    expect(changed(() => fs.chmodSync('/', 0o711))).toEqual(['mode /'])
  })

  test('a link to a file that is there is created; one of two taken away is deleted', () => {
    fs.mkdirSync('/x')
    fs.mkdirSync('/y')
    fs.writeFileSync('/x/a', '1')
    expect(changed(() => fs.linkSync('/x/a', '/y/b'))).toEqual(['created /y/b'])
    expect(changed(() => fs.renameSync('/y/b', '/y/c'))).toEqual(['renamed /y/b -> /y/c'])
    expect(changed(() => fs.rmSync('/y/c'))).toEqual(['deleted /y/c'])
    // The hint in the inode names the link that is gone.
    expect(changed(() => fs.writeFileSync('/x/a', '2'))).toEqual(['modified /x/a'])
    expect(
      changed(() => {
        fs.linkSync('/x/a', '/y/d')
        fs.writeFileSync('/y/d', '3')
      }),
    ).toEqual(['modified /x/a', 'created /y/d'])
  })

  test('a file with several names that changed is reported under each, as git does', () => {
    for (const name of ['/x', '/y', '/z']) fs.mkdirSync(name)
    fs.writeFileSync('/x/a', '1')
    fs.linkSync('/x/a', '/y/b')
    fs.linkSync('/x/a', '/z/c')
    expect(changed(() => fs.writeFileSync('/z/c', '2'))).toEqual(['modified /x/a', 'modified /y/b', 'modified /z/c'])
    expect(changed(() => ops.lchmod('/x/a', 0o600))).toEqual(['mode /x/a', 'mode /y/b', 'mode /z/c'])
    expect(
      changed(() => {
        fs.renameSync('/x/a', '/z/a')
        fs.renameSync('/y/b', '/z/b')
        fs.writeFileSync('/z/c', '3')
      }),
    ).toEqual(['renamed /x/a -> /z/a +modified', 'renamed /y/b -> /z/b +modified', 'modified /z/c'])
    expect(changed(() => saveByRename('/z/a', '4'))).toEqual(['modified /z/a +mode'])
    // The names that are left.
    expect(changed(() => fs.appendFileSync('/z/c', '5'))).toEqual(['modified /z/b', 'modified /z/c'])
  })

  test('another kind of file under the name is deleted and created', () => {
    fs.writeFileSync('/f', 'x')
    expect(
      changed(() => {
        fs.rmSync('/f')
        fs.symlinkSync('x', '/f')
      }),
    ).toEqual(['deleted /f', 'created /f'])
  })

  test('swaps, chains and rings of renames', () => {
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(`/${name}`, name)
    for (const name of ['d', 'e']) {
      fs.mkdirSync(`/${name}`)
      fs.writeFileSync(`/${name}/f`, name)
    }
    expect(changed(() => ops.rename('/a', '/b', EXCHANGE))).toEqual(['renamed /b -> /a', 'renamed /a -> /b'])
    expect(changed(() => ops.rename('/d', '/e', EXCHANGE))).toEqual(['renamed /e -> /d', 'renamed /d -> /e'])
    expect(
      changed(() => {
        fs.renameSync('/c', '/free')
        fs.renameSync('/b', '/c')
      }),
    ).toEqual(['renamed /b -> /c', 'renamed /c -> /free'])
    // A file of the chain is replaced for good: by name, all of them changed.
    expect(
      changed(() => {
        fs.renameSync('/c', '/free')
        fs.renameSync('/a', '/c')
      }),
    ).toEqual(['deleted /a', 'modified /c', 'modified /free'])
  })

  test('a directory renamed with edits in it is one change, and the edits stand under the new path', () => {
    fs.mkdirSync('/d/sub', { recursive: true })
    for (const name of ['keep', 'edit', 'saved', 'gone', 'moved', 'sub/deep']) fs.writeFileSync(`/d/${name}`, name)
    expect(
      changed(() => {
        fs.renameSync('/d', '/e')
        fs.writeFileSync('/e/edit', 'edited')
        saveByRename('/e/saved', 'edited')
        fs.rmSync('/e/gone')
        fs.renameSync('/e/moved', '/moved')
        fs.writeFileSync('/e/new', 'new')
        fs.writeFileSync('/e/sub/deep', 'edited')
      }),
    ).toEqual([
      'deleted /d/gone',
      'renamed /d -> /e',
      'modified /e/edit',
      'created /e/new',
      'modified /e/saved',
      'modified /e/sub/deep',
      'renamed /d/moved -> /moved',
    ])
  })

  test('a file renamed and edited is one change', () => {
    fs.writeFileSync('/a', 'x'.repeat(3000))
    expect(
      changed(() => {
        fs.renameSync('/a', '/b')
        fs.appendFileSync('/b', 'y')
        fs.chmodSync('/b', 0o600)
      }),
    ).toEqual(['renamed /a -> /b +modified+mode'])
  })

  test('saving by rename is modified, also where the file before lives on as a copy', () => {
    fs.writeFileSync('/f', 'one')
    expect(changed(() => saveByRename('/f', 'two'))).toEqual(['modified /f'])
    expect(
      changed(() => {
        fs.renameSync('/f', '/f~')
        fs.writeFileSync('/f', 'three')
      }),
    ).toEqual(['modified /f', 'created /f~'])
  })

  test('a directory built anew differs in what differs', () => {
    fs.mkdirSync('/dist/lib', { recursive: true })
    for (const name of ['same', 'other', 'lib/deep', 'lib/old']) fs.writeFileSync(`/dist/${name}`, name)
    expect(
      changed(() => {
        fs.rmSync('/dist', { recursive: true })
        fs.mkdirSync('/dist/lib', { recursive: true })
        for (const name of ['same', 'lib/deep', 'lib/new']) fs.writeFileSync(`/dist/${name}`, name)
        fs.writeFileSync('/dist/other', 'changed')
      }),
    ).toEqual(['created /dist/lib/new', 'deleted /dist/lib/old', 'modified /dist/other'])
  })

  test('files that are unlinked and open are no files', () => {
    fs.writeFileSync('/f', 'x')
    const fd = fs.openSync('/f', 'r+')
    expect(
      changed(() => {
        fs.rmSync('/f')
        fs.writeSync(fd, 'more')
      }),
    ).toEqual(['deleted /f'])
    expect(changed(() => fs.writeSync(fd, 'and more'))).toEqual([])
  })
})

const word = fc.constantFrom('a', 'b', 'c', 'd')
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map(words => `/${words.join('/')}`)
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('write', 'save'), path, size: fc.constantFrom(0, 5, 300, 3000, 70_000), fill: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('mkdir', 'mkdir', 'unlink', 'rm'), path }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('rename', 'rename', 'exchange', 'link', 'symlink'), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('chmod', 'xattr', 'truncate'), path, fill: fc.nat(9) }) },
)
type Step = { do: string; path: string; to?: string; size?: number; fill?: number }

function take({ do: what, path, to = '', size = 0, fill = 0 }: Step): void {
  const steps: Record<string, () => void> = {
    write: () => fs.writeFileSync(path, Buffer.alloc(size, fill)),
    save: () => {
      fs.writeFileSync('/tmp-file', Buffer.alloc(size, fill))
      fs.renameSync('/tmp-file', path)
    },
    mkdir: () => fs.mkdirSync(path),
    unlink: () => fs.unlinkSync(path),
    rm: () => fs.rmSync(path, { recursive: true }),
    rename: () => fs.renameSync(path, to),
    exchange: () => ops.rename(path, to, EXCHANGE),
    link: () => fs.linkSync(path, to),
    symlink: () => fs.symlinkSync(path, to),
    chmod: () => ops.lchmod(path, 0o600 + fill),
    xattr: () => ops.setxattr(path, 'user.x', Buffer.alloc(fill, fill), 0, false),
    truncate: () => fs.truncateSync(path, fill * 1000),
  }
  try {
    steps[what]()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    fs.rmSync('/tmp-file', { force: true })
  }
}

/** Turns `files` into what `changes` say, taking bytes and modes of what differs from `target`. */
function applyChanges(files: Files, changes: readonly Change[], target: Files): void {
  const depth = (path: string) => path.split('/').length
  for (const { path } of changes.filter(change => change.kind === 'deleted').sort((x, y) => depth(y.path) - depth(x.path))) {
    expect(files.delete(path), `deleted ${path}`).toBe(true)
  }
  const renamed = changes.filter(change => change.kind === 'renamed')
  const detached = new Map<Change, Array<[string, Node]>>()
  for (const change of [...renamed].sort((x, y) => depth(y.from ?? '') - depth(x.from ?? ''))) {
    const from = change.from ?? ''
    const below = [...files].filter(([path]) => path === from || path.startsWith(`${from}/`))
    expect(below.length).toBeGreaterThan(0)
    for (const [path] of below) files.delete(path)
    detached.set(
      change,
      below.map(([path, node]) => [path.slice(from.length), node]),
    )
  }
  const places = changes.filter(change => change.kind === 'created' || change.kind === 'renamed')
  for (const change of places.sort((x, y) => depth(x.path) - depth(y.path))) {
    expect(files.has(change.path), `${change.kind} ${change.path} is free`).toBe(false)
    const whole = detached.get(change) ?? [['', { ...node(target, change.path) }]]
    for (const [below, file] of whole) files.set(change.path + below, file)
  }
  for (const change of changes) {
    const kinds = [change.kind, ...(change.also ?? [])]
    const now = change.kind === 'deleted' ? undefined : node(target, change.path)
    if (now === undefined || change.kind === 'created') continue
    if (change.replaced) files.set(change.path, { ...node(files, change.path) })
    const old = node(files, change.path)
    expect(old.type).toBe(now.type)
    if (kinds.includes('modified')) old.content = now.content
    if (kinds.includes('mode')) old.mode = now.mode
    if (kinds.includes('xattr')) old.xattrs = now.xattrs
  }
}

function node(files: Files, path: string) {
  const found = files.get(path)
  if (found === undefined) throw new Error(`${path} is not there`)
  return found
}

const plain = (files: Files) =>
  [...files].map(([path, { type, mode, content, xattrs }]) => [path, type, mode, content.length, content.slice(0, 1), xattrs]).sort()

describe('the property', () => {
  test('apply(a, diff(a, b)) = b', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.array(step, { maxLength: 25 }), (first: Step[], second: Step[]) => {
        for (const name of fs.readdirSync('/')) fs.rmSync(`/${name}`, { recursive: true })
        const volume = engine.openVolume('w')
        for (const one of first) take(one)
        const { id } = volume.checkpoint()
        const before = filesOf(fs)
        for (const one of second) take(one)
        const after = filesOf(fs)
        const changes = engine.diff({ volume: 'w', ref: id }, { volume: 'w' })
        applyChanges(before, changes, after)
        expect(plain(before)).toEqual(plain(after))
        // And backwards.
        const back = filesOf(fs)
        const past = filesOf(shaped(volume.at(id)))
        applyChanges(back, engine.diff({ volume: 'w' }, { volume: 'w', ref: id }), past)
        expect(plain(back)).toEqual(plain(past))
        volume.close()
      }),
      { numRuns: Number(process.env['CAIRN_TEST_RUNS'] ?? 150) },
    )
  }, 900_000)
})
