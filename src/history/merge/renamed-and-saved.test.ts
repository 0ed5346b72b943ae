import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, type Saving, type Workspace } from '../../testing/merge-rig.js'
import { undo } from './undo.js'

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
  w.make('/big', Buffer.alloc(200_000, 'x'))
}

const both = lines([2, 'ours'], [20, 'theirs'])
const savings: Saving[] = ['in place', 'by rename']
const cases = savings.flatMap(one => savings.map(other => [one, other] as const))

/** Renamed, and changed under the new name: whatever inode it has afterwards, it is that file. */
describe.each(cases)('renamed and then saved, ours %s, theirs %s', (oursSaves, theirsSaves) => {
  const begin = (make: (w: Workspace) => void = project): MergeRig => rig.begin(make, oursSaves, theirsSaves)

  it('by us, while they edited it', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/README.md')
    ours.save('/README.md', lines([2, 'ours']))
    theirs.save('/readme', lines([20, 'theirs']))
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(ours.read('/README.md')).toBe(both)
    expect(ours.fs.existsSync('/readme')).toBe(false)
  })

  it('by them, while we edited it', () => {
    const { ours, theirs } = begin()
    theirs.fs.renameSync('/readme', '/README.md')
    theirs.save('/README.md', lines([20, 'theirs']))
    ours.save('/readme', lines([2, 'ours']))
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(ours.read('/README.md')).toBe(both)
    expect(ours.fs.existsSync('/readme')).toBe(false)
  })

  it('many times, by both to one place', () => {
    const { ours, theirs } = begin()
    for (const [w, at, text] of [
      [ours, 2, 'ours'],
      [theirs, 20, 'theirs'],
    ] as const) {
      w.fs.renameSync('/readme', '/src/README.md')
      for (let i = 0; i < 5; i++) w.save('/src/README.md', lines([at, i < 4 ? `${i}` : text]))
    }
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/src/README.md')).toBe(both)
    expect(ours.fs.existsSync('/readme')).toBe(false)
  })

  it('into a new directory, and within a directory that was renamed', () => {
    const { ours, theirs } = begin()
    ours.fs.mkdirSync('/docs')
    ours.fs.renameSync('/readme', '/docs/readme')
    ours.save('/docs/readme', lines([2, 'ours']))
    ours.fs.renameSync('/src', '/source')
    ours.fs.renameSync('/source/lib/a.txt', '/source/lib/c.txt')
    ours.save('/source/lib/c.txt', lines([2, 'ours']))
    theirs.save('/readme', lines([20, 'theirs']))
    theirs.save('/src/lib/a.txt', lines([20, 'theirs']))
    theirs.make('/src/lib/new', 'new\n')
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/docs/readme')).toBe(both)
    expect(ours.read('/source/lib/c.txt')).toBe(both)
    expect(ours.fs.readdirSync('/source/lib').sort()).toEqual(['b.txt', 'c.txt', 'new'])
    expect(ours.fs.readdirSync('/').sort()).toEqual(['big', 'docs', 'source'])
  })

  it('out of a directory that the other renamed', () => {
    const { ours, theirs } = begin()
    theirs.fs.renameSync('/src/lib/a.txt', '/a.txt')
    theirs.save('/a.txt', lines([20, 'theirs']))
    ours.fs.renameSync('/src', '/source')
    ours.save('/source/lib/a.txt', lines([2, 'ours']))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/a.txt')).toBe(both)
    expect(ours.fs.readdirSync('/source/lib')).toEqual(['b.txt'])
  })

  it('is one of two names', () => {
    const { ours, theirs } = begin(w => {
      w.make('/a', lines())
      w.fs.linkSync('/a', '/other')
    })
    ours.fs.renameSync('/a', '/b')
    ours.save('/b', lines([2, 'ours']))
    theirs.fs.writeFileSync('/a', lines([20, 'theirs']))
    expect(rig.merge().conflicts).toEqual([])
    expect(ours.read('/b')).toBe(both)
    expect(ours.read('/other')).toBe(oursSaves === 'in place' ? both : lines([20, 'theirs']))
  })

  it('keeps a deletion of the other a conflict', () => {
    const { ours, theirs } = begin()
    ours.fs.renameSync('/readme', '/README.md')
    ours.save('/README.md', lines([2, 'ours']))
    theirs.fs.unlinkSync('/readme')
    expect(rig.merge().conflicts).toMatchObject([
      { kind: 'delete/modify', path: '/README.md', ours: { state: 'renamed', path: '/README.md' }, theirs: { state: 'deleted' } },
    ])
    expect(ours.read('/README.md')).toBe(lines([2, 'ours']))
  })

  it('is undone under later changes', () => {
    const { ours } = begin()
    ours.fs.renameSync('/readme', '/README.md')
    ours.save('/README.md', lines([2, 'ours']))
    const { id } = ours.volume.checkpoint('renamed')
    ours.save('/README.md', lines([2, 'ours'], [20, 'later']))
    expect(undo(ours.volume, { commits: [id] })).toMatchObject({ state: 'undone', conflicts: [] })
    rig.check(ours)
    expect(ours.read('/readme')).toBe(lines([20, 'later']))
    expect(ours.fs.existsSync('/README.md')).toBe(false)
  })
})
