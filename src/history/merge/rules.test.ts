import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, type Saving, type Workspace } from '../../testing/merge-rig.js'

let rig: MergeRig

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => rig.end())

const lines = (...changed: Array<[number, string]>): string => {
  const all = Array.from({ length: 30 }, (_, i) => `line ${i}`)
  for (const [i, text] of changed) all[i] = text
  return `${all.join('\n')}\n`
}

function project(w: Workspace): void {
  w.fs.mkdirSync('/src/lib', { recursive: true })
  w.make('/src/lib/a.txt', lines())
  w.make('/src/lib/b.txt', 'b\n')
  w.make('/readme', lines())
  w.make('/image', Buffer.from([0, 1, 2, 3]))
  w.make('/big', Buffer.alloc(200_000, 'x'))
}

const savings: Array<[Saving, Saving]> = [
  ['in place', 'in place'],
  ['in place', 'by rename'],
  ['by rename', 'in place'],
  ['by rename', 'by rename'],
]

describe.each(savings)('ours saved %s, theirs %s', (oursSaves, theirsSaves) => {
  const begin = (make: (w: Workspace) => void = project): MergeRig => rig.begin(make, oursSaves, theirsSaves)

  it('brings what only one side did', () => {
    const { ours, theirs } = begin()
    ours.save('/src/lib/b.txt', 'b of ours\n')
    theirs.save('/readme', 'of theirs\n')
    theirs.make('/src/new', 'new\n')
    theirs.fs.unlinkSync('/image')
    theirs.fs.mkdirSync('/empty')
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(ours.read('/src/lib/b.txt')).toBe('b of ours\n')
    expect(ours.read('/readme')).toBe('of theirs\n')
    expect(ours.read('/src/new')).toBe('new\n')
    expect(ours.fs.existsSync('/image')).toBe(false)
    expect(ours.fs.readdirSync('/empty')).toEqual([])
  })

  it('merges text by lines', () => {
    const { ours, theirs } = begin()
    ours.save('/readme', lines([2, 'ours']))
    theirs.save('/readme', lines([20, 'theirs']))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/readme')).toBe(lines([2, 'ours'], [20, 'theirs']))
  })

  it('merges large text into blocks', () => {
    const many = (change: number, text: string): string => Array.from({ length: 20_000 }, (_, i) => (i === change ? text : `line number ${i}`)).join('\n')
    const { ours, theirs } = begin(w => w.make('/large', many(-1, '')))
    ours.save('/large', many(5, 'ours'))
    theirs.save('/large', many(19_990, 'theirs'))
    expect(rig.merge().conflicts).toEqual([])
    const merged = many(5, 'ours').split('\n')
    merged[19_990] = 'theirs'
    expect(ours.read('/large')).toBe(merged.join('\n'))
  })

  it('marks lines that both changed', () => {
    const { ours, theirs } = begin()
    ours.save('/readme', lines([2, 'ours'], [10, 'mine']))
    theirs.save('/readme', lines([2, 'theirs'], [20, 'other']))
    const result = rig.merge()
    expect(result.state).toBe('conflicts')
    expect(result.conflicts).toEqual([{ kind: 'text', path: '/readme', ours: { state: 'modified' }, theirs: { state: 'modified' }, markers: true }])
    expect(ours.read('/readme')).toBe(lines([2, '<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs'], [10, 'mine'], [20, 'other']))
  })

  it('decides lines that both changed as an option says', () => {
    const { ours, theirs } = begin()
    ours.save('/readme', lines([2, 'ours'], [10, 'mine']))
    theirs.save('/readme', lines([2, 'theirs'], [20, 'other']))
    const trial = rig.merge({ resolution: 'theirs', dryRun: true })
    expect(trial).toMatchObject({ state: 'trial', conflicts: [{ path: '/readme', resolved: 'theirs' }], changes: [{ kind: 'modified', path: '/readme' }] })
    expect(ours.read('/readme')).toBe(lines([2, 'ours'], [10, 'mine']))
    expect(rig.merge({ resolution: 'theirs' }).state).toBe('merged')
    expect(ours.read('/readme')).toBe(lines([2, 'theirs'], [10, 'mine'], [20, 'other']))
  })

  it('keeps both versions when asked to', () => {
    const { ours, theirs } = begin()
    ours.save('/readme', lines([2, 'ours']))
    theirs.save('/readme', lines([2, 'theirs']))
    ours.save('/image', Buffer.from([0, 9]))
    theirs.save('/image', Buffer.from([0, 8]))
    expect(rig.merge({ resolution: 'keep-both' }).state).toBe('merged')
    expect(ours.read('/readme')).toBe(lines([2, 'ours']))
    expect(ours.read('/readme.theirs-theirs')).toBe(lines([2, 'theirs']))
    expect(ours.fs.readFileSync('/image')).toEqual(Buffer.from([0, 9]))
    expect(ours.fs.readFileSync('/image.theirs-theirs')).toEqual(Buffer.from([0, 8]))
  })

  it('takes equal changes as one', () => {
    const { ours, theirs } = begin()
    for (const w of [ours, theirs]) {
      w.save('/readme', 'the same\n')
      w.save('/image', Buffer.from([0, 7]))
      w.save('/big', Buffer.alloc(150_000, 'y'))
      w.make('/added', 'equal\n')
      w.fs.mkdirSync('/made')
      w.make('/made/file', 'equal\n')
      w.fs.unlinkSync('/src/lib/b.txt')
    }
    const before = ours.tree()
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual(before)
  })

  it('puts theirs beside where both changed bytes that are no text', () => {
    const { ours, theirs } = begin()
    ours.save('/image', Buffer.from([0, 1]))
    theirs.save('/image', Buffer.from([0, 2]))
    expect(rig.merge().conflicts).toEqual([
      { kind: 'binary', path: '/image', ours: { state: 'modified' }, theirs: { state: 'modified' }, reason: 'no-text', beside: '/image.theirs-theirs' },
    ])
    expect(ours.fs.readFileSync('/image')).toEqual(Buffer.from([0, 1]))
    expect(ours.fs.readFileSync('/image.theirs-theirs')).toEqual(Buffer.from([0, 2]))
  })

  it('merges edits inside a directory that the other side renamed', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/src/lib', '/core')
    theirs.save('/src/lib/a.txt', lines([3, 'theirs']))
    theirs.make('/src/lib/new', 'new\n')
    theirs.fs.unlinkSync('/src/lib/b.txt')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/core/a.txt')).toBe(lines([3, 'theirs']))
    expect(ours.fs.readdirSync('/core').sort()).toEqual(['a.txt', 'new'])
    expect(ours.fs.readdirSync('/src')).toEqual([])
  })

  it('renames a directory that we edited in', () => {
    const { ours, theirs } = begin()
    theirs.fs.renameSync('/src/lib', '/core')
    theirs.save('/core/b.txt', 'b of theirs\n')
    ours.save('/src/lib/a.txt', lines([3, 'ours']))
    ours.make('/src/lib/new', 'new\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/core/a.txt')).toBe(lines([3, 'ours']))
    expect(ours.read('/core/b.txt')).toBe('b of theirs\n')
    expect(ours.read('/core/new')).toBe('new\n')
    expect(ours.fs.existsSync('/src/lib')).toBe(false)
  })

  it('merges edits of a file that the other side renamed', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/src/README.md')
    theirs.save('/readme', lines([3, 'theirs']))
    theirs.fs.renameSync('/big', '/huge')
    ours.save('/big', Buffer.alloc(100, 'z'))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/src/README.md')).toBe(lines([3, 'theirs']))
    expect(ours.read('/huge')).toBe('z'.repeat(100))
    expect(ours.fs.readdirSync('/').sort()).toEqual(['huge', 'image', 'src'])
  })

  it('reports what one deleted and the other changed', () => {
    const { ours, theirs } = begin()
    ours.fs.unlinkSync('/readme')
    theirs.save('/readme', 'theirs\n')
    theirs.fs.unlinkSync('/image')
    ours.save('/image', Buffer.from([0, 5]))
    expect(rig.merge().conflicts).toEqual([
      { kind: 'delete/modify', path: '/image', ours: { state: 'modified' }, theirs: { state: 'deleted' } },
      { kind: 'delete/modify', path: '/readme', ours: { state: 'deleted' }, theirs: { state: 'modified' }, beside: '/readme.theirs-theirs' },
    ])
    expect(ours.fs.readFileSync('/image')).toEqual(Buffer.from([0, 5]))
    expect(ours.fs.existsSync('/readme')).toBe(false)
    expect(ours.read('/readme.theirs-theirs')).toBe('theirs\n')
  })

  it.each([
    ['ours', false, true],
    ['theirs', true, false],
  ] as const)('decides that for %s', (resolution, hasReadme, hasImage) => {
    const { ours, theirs } = begin()
    ours.fs.unlinkSync('/readme')
    theirs.save('/readme', 'theirs\n')
    theirs.fs.unlinkSync('/image')
    ours.save('/image', Buffer.from([0, 5]))
    expect(rig.merge({ resolution })).toMatchObject({ state: 'merged', conflicts: [{ resolved: resolution }, { resolved: resolution }] })
    expect(ours.fs.existsSync('/readme')).toBe(hasReadme)
    expect(ours.fs.existsSync('/image')).toBe(hasImage)
    expect((ours.fs.readdirSync('/') as string[]).filter(name => name.includes('theirs'))).toEqual([])
  })

  it('brings a directory back for what was changed in it', () => {
    const { ours, theirs } = begin()
    ours.fs.rmSync('/src', { recursive: true })
    theirs.save('/src/lib/b.txt', 'changed\n')
    expect(rig.merge().conflicts).toMatchObject([{ kind: 'delete/modify', path: '/src/lib/b.txt', beside: '/src/lib/b.txt.theirs-theirs' }])
    expect(ours.tree()).toMatchObject({ '/src/lib/b.txt.theirs-theirs': '644 changed\n' })
    expect(ours.fs.existsSync('/src/lib/a.txt')).toBe(false)
  })

  it('keeps a directory that theirs deleted for what we added in it', () => {
    const { ours, theirs } = begin()
    theirs.fs.rmSync('/src', { recursive: true })
    ours.make('/src/lib/added', 'added\n')
    expect(rig.merge().conflicts).toMatchObject([{ kind: 'delete/modify', path: '/src/lib', ours: { state: 'modified' }, theirs: { state: 'deleted' } }])
    expect(ours.fs.readdirSync('/src/lib')).toEqual(['added'])
  })

  it('reports a file added by both with different content', () => {
    const { ours, theirs } = begin()
    ours.make('/new', 'one\nours\n')
    theirs.make('/new', 'one\ntheirs\n')
    ours.make('/bin', Buffer.from([0, 1]))
    theirs.make('/bin', Buffer.from([0, 2]))
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'add/add', path: '/bin', beside: '/bin.theirs-theirs', ours: { state: 'added' }, theirs: { state: 'added' } },
      { kind: 'add/add', path: '/new', markers: true },
    ])
    expect(ours.read('/new')).toBe('one\n<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs\n')
  })

  it('unites directories that both made', () => {
    const { ours, theirs } = begin()
    for (const [w, name] of [
      [ours, 'o'],
      [theirs, 't'],
    ] as const) {
      w.fs.mkdirSync('/made/deep', { recursive: true })
      w.make(`/made/deep/${name}`, name)
      w.fs.renameSync('/big', '/made/big')
    }
    theirs.save('/made/big', Buffer.alloc(70_000, 't'))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.fs.readdirSync('/made/deep').sort()).toEqual(['o', 't'])
    if (theirsSaves === 'in place') expect(ours.fs.statSync('/made/big').size).toBe(70_000)
  })

  it('reports two new names for one file or directory', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/README')
    theirs.fs.renameSync('/readme', '/LIESMICH')
    ours.fs.renameSync('/src', '/source')
    theirs.fs.renameSync('/src', '/quelle')
    theirs.save('/quelle/lib/b.txt', 'theirs\n')
    expect(rig.merge().conflicts).toEqual([
      { kind: 'rename/rename', path: '/README', ours: { state: 'renamed', path: '/README' }, theirs: { state: 'renamed', path: '/LIESMICH' } },
      { kind: 'rename/rename', path: '/source', ours: { state: 'renamed', path: '/source' }, theirs: { state: 'renamed', path: '/quelle' } },
    ])
    expect(ours.read('/source/lib/b.txt')).toBe('theirs\n')
    expect(ours.fs.existsSync('/LIESMICH')).toBe(false)
  })

  it('takes their names when asked to', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/README')
    theirs.fs.renameSync('/readme', '/LIESMICH')
    ours.fs.renameSync('/src', '/source')
    theirs.fs.renameSync('/src', '/quelle')
    expect(rig.merge({ resolution: 'theirs' }).state).toBe('merged')
    expect(ours.fs.readdirSync('/').sort()).toEqual(['LIESMICH', 'big', 'image', 'quelle'])
  })

  it('reports two files that got one name', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/one')
    theirs.fs.renameSync('/image', '/one')
    expect(rig.merge().conflicts).toMatchObject([{ kind: 'rename/rename', path: '/one', beside: '/one.theirs-theirs' }])
    expect(ours.read('/one')).toBe(lines())
    expect(ours.fs.readFileSync('/one.theirs-theirs')).toEqual(Buffer.from([0, 1, 2, 3]))
    expect(ours.fs.readdirSync('/').sort()).toEqual(['big', 'one', 'one.theirs-theirs', 'src'])
  })

  it('reports a directory that one moved and the other deleted, and keeps all of it', () => {
    const { ours, theirs } = begin(w => {
      project(w)
      w.fs.mkdirSync('/other')
      w.make('/other/file', 'file\n')
    })
    ours.fs.renameSync('/src', '/source')
    theirs.fs.rmSync('/src', { recursive: true })
    theirs.fs.renameSync('/other', '/elsewhere')
    ours.fs.rmSync('/other', { recursive: true })
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'rename/delete', path: '/elsewhere', ours: { state: 'deleted' }, theirs: { state: 'renamed' }, beside: '/elsewhere.theirs-theirs' },
      { kind: 'rename/delete', path: '/source', ours: { state: 'renamed', path: '/source' }, theirs: { state: 'deleted' } },
    ])
    expect(ours.read('/source/lib/a.txt')).toBe(lines())
    expect(ours.read('/elsewhere.theirs-theirs/file')).toBe('file\n')
  })

  it('never makes a cycle of directories', () => {
    const { ours, theirs } = begin(w => {
      w.fs.mkdirSync('/a')
      w.fs.mkdirSync('/b')
      w.make('/a/file', 'a\n')
      w.make('/b/file', 'b\n')
    })
    ours.fs.renameSync('/a', '/b/a')
    theirs.fs.renameSync('/b', '/a/b')
    theirs.save('/a/b/file', 'changed\n')
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'rename/rename', ours: { state: 'renamed', path: '/b/a' }, theirs: { state: 'renamed', path: '/a/b' } },
    ])
    expect(ours.read('/b/file')).toBe('changed\n')
    expect(ours.read('/b/a/file')).toBe('a\n')
  })

  it('resolves a cycle for theirs when asked to', () => {
    const { ours, theirs } = begin(w => {
      w.fs.mkdirSync('/a')
      w.fs.mkdirSync('/b')
    })
    ours.fs.renameSync('/a', '/b/a')
    theirs.fs.renameSync('/b', '/a/b')
    expect(rig.merge({ resolution: 'theirs' }).state).toBe('merged')
    expect(ours.fs.readdirSync('/')).toEqual(['a'])
    expect(ours.fs.readdirSync('/a')).toEqual(['b'])
  })

  it('turns directories in each other round', () => {
    const { ours, theirs } = begin(w => {
      w.fs.mkdirSync('/a/b', { recursive: true })
      w.make('/a/one', '1')
      w.make('/a/b/two', '2')
    })
    theirs.fs.renameSync('/a/b', '/b')
    theirs.fs.renameSync('/a', '/b/a')
    ours.save('/a/one', 'one')
    ours.save('/a/b/two', 'two')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/b/a/one')).toBe('one')
    expect(ours.read('/b/two')).toBe('two')
  })

  it('exchanges directories', () => {
    const { ours, theirs } = begin(w => {
      w.fs.mkdirSync('/a')
      w.fs.mkdirSync('/b')
      w.make('/a/one', '1')
      w.make('/b/two', '2')
    })
    theirs.fs.renameSync('/a', '/c')
    theirs.fs.renameSync('/b', '/a')
    theirs.fs.renameSync('/c', '/b')
    ours.save('/a/one', 'one')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual({ '/a': 'directory 755', '/a/two': '644 2', '/b': 'directory 755', '/b/one': '644 one' })
  })

  it('takes a directory that was removed and made again as the same', () => {
    const { ours, theirs } = begin()
    theirs.fs.rmSync('/src', { recursive: true })
    theirs.fs.mkdirSync('/src/lib', { recursive: true })
    theirs.make('/src/lib/a.txt', lines([20, 'theirs']))
    theirs.make('/src/lib/b.txt', 'b\n')
    ours.save('/src/lib/a.txt', lines([2, 'ours']))
    ours.make('/src/lib/added', 'added\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/src/lib/a.txt')).toBe(lines([2, 'ours'], [20, 'theirs']))
    expect(ours.fs.readdirSync('/src/lib').sort()).toEqual(['a.txt', 'added', 'b.txt'])
  })

  it('reports a directory where the other has a file', () => {
    const { ours, theirs } = begin()
    ours.make('/new', 'file\n')
    theirs.fs.mkdirSync('/new')
    theirs.make('/new/inner', 'inner\n')
    theirs.fs.unlinkSync('/readme')
    theirs.fs.mkdirSync('/readme')
    theirs.make('/readme/inner', 'inner\n')
    ours.save('/readme', 'changed\n')
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'directory/file', path: '/new', beside: '/new.theirs-theirs' },
      { kind: 'directory/file', path: '/readme', beside: '/readme.theirs-theirs' },
    ])
    expect(ours.read('/new')).toBe('file\n')
    expect(ours.read('/new.theirs-theirs/inner')).toBe('inner\n')
    expect(ours.read('/readme')).toBe('changed\n')
    expect(ours.read('/readme.theirs-theirs/inner')).toBe('inner\n')
  })

  it('makes a directory of a file that only theirs changed', () => {
    const { ours, theirs } = begin()
    theirs.fs.unlinkSync('/readme')
    theirs.fs.mkdirSync('/readme')
    theirs.make('/readme/inner', 'inner\n')
    theirs.fs.rmSync('/src', { recursive: true })
    theirs.make('/src', 'now a file\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/readme/inner')).toBe('inner\n')
    expect(ours.read('/src')).toBe('now a file\n')
  })

  it('reports another kind of file', () => {
    const { ours, theirs } = begin()
    theirs.fs.unlinkSync('/readme')
    theirs.fs.symlinkSync('image', '/readme')
    ours.save('/readme', 'changed\n')
    theirs.fs.unlinkSync('/src/lib/b.txt')
    theirs.fs.symlinkSync('a.txt', '/src/lib/b.txt')
    expect(rig.merge().conflicts).toMatchObject([{ kind: 'type', path: '/readme', beside: '/readme.theirs-theirs' }])
    expect(ours.read('/readme')).toBe('changed\n')
    expect(ours.fs.readlinkSync('/readme.theirs-theirs')).toBe('image')
    expect(ours.fs.readlinkSync('/src/lib/b.txt')).toBe('a.txt')
  })

  it('merges modes, owners and extended attributes one by one', () => {
    const { ours, theirs } = begin(w => {
      project(w)
      w.fs.chmodSync('/readme', 0o644)
    })
    theirs.fs.chmodSync('/readme', 0o755)
    ours.save('/readme', 'ours\n')
    ours.fs.chmodSync('/image', 0o600)
    theirs.fs.chmodSync('/image', 0o640)
    ours.fs.chmodSync('/src', 0o700)
    theirs.fs.chmodSync('/src', 0o750)
    theirs.fs.chmodSync('/src/lib', 0o711)
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'mode/mode', path: '/image' },
      { kind: 'mode/mode', path: '/src' },
    ])
    expect(ours.fs.statSync('/readme').mode & 0o777).toBe(0o755)
    expect(ours.read('/readme')).toBe('ours\n')
    expect(ours.fs.statSync('/image').mode & 0o777).toBe(0o600)
    expect(ours.fs.statSync('/src/lib').mode & 0o777).toBe(0o711)
  })

  it('lets hard links stay links', () => {
    const { ours, theirs } = begin(w => {
      w.make('/a', 'a\n')
      w.fs.linkSync('/a', '/b')
      w.make('/single', 's\n')
    })
    theirs.fs.linkSync('/single', '/added')
    theirs.fs.writeFileSync('/a', 'changed\n')
    ours.fs.renameSync('/b', '/c')
    ours.save('/single', 'changed too\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual({
      '/a': '644 changed\n = /a',
      '/added': '644 changed too\n = /added',
      '/c': '644 changed\n = /a',
      '/single': '644 changed too\n = /added',
    })
  })

  it('separates a link that theirs replaced', () => {
    const { ours, theirs } = begin(w => {
      w.make('/a', 'a\n')
      w.fs.linkSync('/a', '/b')
    })
    theirs.make('/a.new', 'replaced\n')
    theirs.fs.renameSync('/a.new', '/a')
    ours.make('/unrelated', 'x')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual({ '/a': '644 replaced\n', '/b': '644 a\n', '/unrelated': '644 x' })
  })

  it('makes one file of two where theirs did', () => {
    const { ours, theirs } = begin(w => {
      w.make('/a', 'a\n')
      w.make('/b', 'b\n')
      w.make('/c', 'c\n')
    })
    for (const name of ['/b', '/c']) {
      theirs.fs.unlinkSync(name)
      theirs.fs.linkSync('/a', name)
    }
    ours.save('/a', 'a of ours\n')
    ours.make('/unrelated', 'x')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual({ '/a': '644 a of ours\n = /a', '/b': '644 a of ours\n = /a', '/c': '644 a of ours\n = /a', '/unrelated': '644 x' })
  })

  it('keeps a backup that an editor left as a file of its own', () => {
    const { ours, theirs } = begin()
    theirs.fs.renameSync('/readme', '/readme~')
    theirs.make('/readme', lines([20, 'theirs']))
    ours.save('/readme', lines([2, 'ours']))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/readme')).toBe(lines([2, 'ours'], [20, 'theirs']))
    expect(ours.read('/readme~')).toBe(lines())
  })

  it('lets content follow a name that was moved over another', () => {
    const { ours, theirs } = begin(w => {
      w.make('/a', 'a\n')
      w.make('/b', 'b\n')
    })
    theirs.fs.renameSync('/b', '/a')
    ours.make('/c', 'c\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.tree()).toEqual({ '/a': '644 b\n', '/c': '644 c\n' })
  })

  it('writes only what changed of large files, and brings holes', () => {
    const { ours, theirs } = begin()
    theirs.fs.truncateSync('/big', 1_000_000)
    const handle = theirs.fs.openSync('/big', 'r+')
    theirs.fs.writeSync(handle, Buffer.from('end'), 0, 3, 900_000)
    theirs.fs.closeSync(handle)
    ours.save('/readme', 'x\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.fs.readFileSync('/big')).toEqual(theirs.fs.readFileSync('/big'))
  })
})

describe('extended attributes', () => {
  it('are merged by name', async () => {
    const { ours, theirs } = rig.begin(w => w.make('/f', 'f'))
    const set = (w: Workspace, name: string, value: string): void => {
      const fs = w.volume.session
      expect(fs.readOnly).toBe(false)
      expect(w.setxattr('/f', name, value)).toBe(0)
    }
    set(ours, 'user.a', 'ours')
    set(theirs, 'user.b', 'theirs')
    set(ours, 'user.both', 'x'.repeat(5000))
    set(theirs, 'user.both', 'y'.repeat(3000))
    expect(rig.merge().conflicts).toMatchObject([{ kind: 'xattr/xattr', path: '/f', attribute: 'user.both' }])
    expect(ours.xattrs('/f')).toEqual({ 'user.a': 'ours', 'user.b': 'theirs', 'user.both': 'x'.repeat(5000) })
  })
})
