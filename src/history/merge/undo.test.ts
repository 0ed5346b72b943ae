import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, type Workspace } from '../../testing/merge-rig.js'
import { type UndoOptions, type UndoResult, undo } from './undo.js'

let rig: MergeRig
let w: Workspace

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => rig.end())

const text = (...changed: Array<[number, string]>): string => {
  const all = Array.from({ length: 20 }, (_, i) => `line ${i}`)
  for (const [i, line] of changed) all[i] = line
  return `${all.join('\n')}\n`
}

function take(options?: UndoOptions): UndoResult {
  const result = undo(w.volume, options)
  rig.check(w)
  return result
}

describe.each(['in place', 'by rename'] as const)('undo of files saved %s', saving => {
  beforeEach(() => {
    rig.begin(base => {
      base.fs.mkdirSync('/src')
      base.make('/src/a.ts', text())
      base.make('/src/b.ts', 'b\n')
      base.make('/notes.md', 'notes\n')
    }, saving)
    w = rig.ours
  })

  it('takes back what came after the checkpoint, and undo of that brings it again', () => {
    w.volume.checkpoint('good')
    const good = w.tree()
    w.fs.rmSync('/src', { recursive: true })
    w.save('/notes.md', 'broken\n')
    w.make('/rubbish', 'x'.repeat(100_000))
    const broken = w.tree()
    expect(take()).toMatchObject({ state: 'undone', undone: [{ kind: 'auto' }], conflicts: [], commit: { kind: 'undo' } })
    expect(w.tree()).toEqual(good)
    take()
    expect(w.tree()).toEqual(broken)
    take()
    expect(w.tree()).toEqual(good)
  })

  it('keeps later changes elsewhere', () => {
    w.save('/src/a.ts', text([2, 'bad']))
    w.fs.renameSync('/notes.md', '/NOTES.md')
    const bad = w.volume.checkpoint('bad').id
    w.save('/src/a.ts', text([2, 'bad'], [15, 'good']))
    w.save('/NOTES.md', 'more notes\n')
    w.make('/later', 'later\n')
    expect(take({ commits: [bad.slice(0, 12)] })).toMatchObject({ state: 'undone', undone: [{ id: bad }] })
    expect(w.tree()).toEqual({
      '/later': '644 later\n',
      '/notes.md': '644 more notes\n',
      '/src': 'directory 755',
      '/src/a.ts': `644 ${text([15, 'good'])}`,
      '/src/b.ts': '644 b\n',
    })
  })

  it('reports a later change of the same lines and changes nothing', () => {
    w.save('/src/a.ts', text([2, 'bad']))
    w.save('/src/b.ts', 'bad\n')
    const bad = w.volume.checkpoint().id
    w.save('/src/a.ts', text([2, 'worse']))
    const before = w.tree()
    expect(take({ commits: [bad] })).toMatchObject({ state: 'conflicts', conflicts: [{ kind: 'text', path: '/src/a.ts' }], changes: [] })
    expect(w.tree()).toEqual(before)
    expect(take({ commits: [bad], dryRun: true }).state).toBe('trial')
    expect(w.tree()).toEqual(before)
    expect(take({ commits: [bad], resolution: 'ours' })).toMatchObject({ state: 'undone', conflicts: [{ resolved: 'ours' }] })
    expect(w.read('/src/b.ts')).toBe('b\n')
    expect(w.read('/src/a.ts')).toBe(text([2, 'worse']))
    expect(take({ commits: [bad], resolution: 'theirs' }).state).toBe('undone')
    expect(w.read('/src/a.ts')).toBe(text())
  })

  it('takes back the newest n, all since a state, and of some paths only', () => {
    const states = [w.tree()]
    w.volume.checkpoint('start')
    for (let i = 1; i <= 4; i++) {
      w.save('/src/a.ts', text([i, `change ${i}`]))
      w.make(`/made-${i}`, 'x')
      w.volume.checkpoint(`c${i}`)
      w.volume.checkpoint(`nothing-${i}`)
      states.push(w.tree())
    }
    expect(take({ last: 2 }).undone.map(commit => commit.name)).toEqual(['c4', 'c3'])
    expect(w.tree()).toEqual(states[2])
    expect(take({ since: 'start', dryRun: true }).undone).toHaveLength(5)
    take({ since: 'c4', globs: ['made-*'] })
    expect(w.tree()).toEqual({ ...states[2], '/made-3': '644 x', '/made-4': '644 x' })
    take({ since: 'start', globs: ['src/**'] })
    expect(w.read('/src/a.ts')).toBe(text())
    expect(w.fs.existsSync('/made-1')).toBe(true)
    take({ since: 'start' })
    expect(w.tree()).toEqual(states[0])
  })

  it('takes back what one actor or one run did', () => {
    w.volume.checkpoint('start')
    w.volume.session.actor = 'robot'
    w.save('/src/b.ts', 'robot\n')
    w.volume.checkpoint('r1', { actor: 'robot' })
    w.volume.session.actor = 'human'
    w.save('/src/a.ts', text([3, 'human']))
    w.volume.checkpoint('h1', { actor: 'human' })
    w.volume.session.actor = 'robot'
    w.make('/robot', 'robot\n')
    w.volume.record({ kind: 'exec', exec: 'run-1', actor: 'robot' }, [])
    w.volume.session.actor = 'human'
    w.save('/notes.md', 'human\n')
    w.volume.checkpoint('h2', { actor: 'human' })
    expect(take({ exec: 'run-1' }).undone).toMatchObject([{ kind: 'exec', exec: 'run-1' }])
    expect(w.fs.existsSync('/robot')).toBe(false)
    expect(w.read('/src/b.ts')).toBe('robot\n')
    expect(take({ by: 'robot' }).undone).toMatchObject([{ kind: 'exec' }, { name: 'r1' }])
    expect(w.tree()).toEqual({ '/notes.md': '644 human\n', '/src': 'directory 755', '/src/a.ts': `644 ${text([3, 'human'])}`, '/src/b.ts': '644 b\n' })
  })

  it('brings single files back out of a directory that was removed', () => {
    w.volume.checkpoint('start')
    w.fs.rmSync('/src', { recursive: true })
    take({ since: 'start', globs: ['*.ts', '!nothing'] })
    expect(w.fs.readdirSync('/src').sort()).toEqual(['a.ts', 'b.ts'])
    w.fs.rmSync('/src', { recursive: true })
    take({ globs: ['/src/a.ts'] })
    expect(w.fs.readdirSync('/src')).toEqual(['a.ts'])
  })

  it('takes a merge back', () => {
    rig.theirs.make('/src/theirs', 't\n')
    w.save('/src/b.ts', 'ours\n')
    const before = w.tree()
    rig.merge()
    expect(w.fs.existsSync('/src/theirs')).toBe(true)
    expect(take().undone).toMatchObject([{ kind: 'merge' }])
    expect(w.tree()).toEqual(before)
  })

  it('says what it cannot do', () => {
    expect(() => take({ by: 'nobody' })).toThrow(expect.objectContaining({ code: 'ERR_UNDO_NOTHING' }))
    expect(() => take({ since: 'nowhere' })).toThrow(expect.objectContaining({ code: 'ERR_REF_UNKNOWN' }))
    expect(() => take({ last: 0 })).toThrow(expect.objectContaining({ code: 'ERR_UNDO_SELECTION' }))
    expect(() => take({ last: 1, commits: ['~0'] })).toThrow(expect.objectContaining({ code: 'ERR_UNDO_SELECTION' }))
    const [{ id }] = w.volume.commits()
    take({ commits: [id] })
    expect(take({ commits: [id] }).state).toBe('unchanged')
  })
})

describe('undo of what an actor did to names of one file', () => {
  const replace = () => {
    for (const name of ['/a', '/d/b']) {
      w.fs.rmSync(name)
      w.make(name, 'one\n')
    }
  }
  const empty = () => w.fs.truncateSync('/a', 0)
  const remove = () => {
    w.fs.rmSync('/a')
    w.fs.rmSync('/d', { recursive: true })
  }
  const one = () => {
    w.fs.rmSync('/a')
    w.make('/a', 'two\n')
  }
  it.each([
    ['replaced', replace, () => {}],
    ['emptied, replaced', empty, replace],
    ['replaced, emptied', replace, empty],
    ['replaced, removed', replace, remove],
    ['removed', () => {}, remove],
    ['replaced by turns', one, replace],
  ])('makes them one file again: %s', (_, first, second) => {
    rig.begin(base => {
      base.fs.mkdirSync('/d')
      base.make('/a', 'one\n')
      base.fs.linkSync('/a', '/d/b')
    }, 'in place')
    w = rig.ours
    const before = w.tree()
    const times = w.fs.statSync('/a').mtimeMs
    const as = (actor: string, work: () => void): void => {
      w.volume.commitChanges()
      w.volume.session.actor = actor
      work()
    }
    as('agent', first)
    as('bob', () => w.make('/bob', 'x'))
    as('agent', second)
    expect(take({ by: 'agent' })).toMatchObject({ state: 'undone', conflicts: [] })
    expect(w.tree()).toEqual({ ...before, '/bob': '644 x' })
    expect(w.fs.statSync('/a').mtimeMs).toBe(times)
  })

  it('keeps what somebody else wrote to one of them since', () => {
    rig.begin(base => {
      base.make('/a', text())
      base.fs.linkSync('/a', '/b')
    }, 'in place')
    w = rig.ours
    w.fs.rmSync('/b')
    w.make('/b', text())
    const bad = w.volume.checkpoint('bad').id
    w.save('/b', text([2, 'later']))
    expect(take({ commits: [bad] })).toMatchObject({ conflicts: [] })
    expect(w.tree()['/b']).toContain(`644 ${text([2, 'later'])}`)
  })

  it('takes back times alone', () => {
    rig.begin(base => base.make('/a', 'one\n'), 'in place')
    w = rig.ours
    const { mtimeMs } = w.fs.statSync('/a')
    w.fs.utimesSync('/a', 1, 1)
    expect(take({ last: 1 })).toMatchObject({ state: 'undone', changes: [] })
    expect(w.fs.statSync('/a').mtimeMs).toBe(mtimeMs)
  })
})

describe('undo of the first change', () => {
  it('leaves an empty volume', () => {
    rig.begin(() => {})
    w = rig.ours
    rig.engine.create('fresh')
    const fresh = rig.engine.openVolume('fresh')
    w.make('/f', 'f')
    expect(take().state).toBe('undone')
    expect(w.tree()).toEqual({})
    expect(() => undo(fresh)).toThrow(expect.objectContaining({ code: 'ERR_UNDO_NOTHING' }))
  })
})
