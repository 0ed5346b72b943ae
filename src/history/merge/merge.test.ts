import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, Workspace } from '../../testing/merge-rig.js'
import { Engine } from '../../volume/engine.js'
import { abortMerge, continueMerge, mergeFork, rebaseFork } from './merge.js'
import { waitingMerge } from './merge-state.js'

let rig: MergeRig

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => rig.end())

const text = (...changed: Array<[number, string]>): string => {
  const all = Array.from({ length: 20 }, (_, i) => `line ${i}`)
  for (const [i, line] of changed) all[i] = line
  return `${all.join('\n')}\n`
}

describe('a merge', () => {
  it('is a commit with both sides as parents, after one of what changed before', () => {
    const { ours, theirs } = rig.begin(w => w.make('/f', 'f\n'))
    ours.make('/o', 'o\n')
    theirs.make('/t', 't\n')
    const { commit, base } = rig.merge({ message: 'hello', actor: 'me' })
    const [merge, before, fork] = ours.volume.commits()
    expect(commit).toEqual(merge)
    expect(merge).toMatchObject({ kind: 'merge', message: 'hello', actor: 'me', parents: [before.id, theirs.volume.commits()[0].id] })
    expect(before).toMatchObject({ kind: 'auto', parents: [fork.id] })
    expect(base).toBe(fork.id)
    expect(ours.volume.at(before.id).tree).toBeDefined()
  })

  it('survives a crash after it, and leaves the other volume alone', () => {
    const { ours, theirs } = rig.begin(w => w.make('/f', 'f\n'))
    theirs.save('/f', 'x'.repeat(300_000))
    const before = theirs.tree()
    rig.merge()
    const after = ours.tree()
    expect(theirs.tree()).toEqual(before)
    rig.engine.crash()
    rig.engine = Engine.open({ home: rig.home })
    rig.engine.remove('theirs', { now: true })
    const again = new Workspace(rig.engine.openVolume('ours'), 'in place')
    expect(again.tree()).toEqual(after)
    rig.check(again)
  })

  it('says when there is nothing to bring', () => {
    const { ours } = rig.begin(w => w.make('/f', 'f\n'))
    ours.make('/o', 'o\n')
    expect(rig.merge()).toMatchObject({ state: 'unchanged', conflicts: [], changes: [] })
    expect(ours.volume.commits()[0].kind).toBe('auto')
  })

  it.each(['in place', 'by rename'] as const)('goes back and forth, saved %s', saving => {
    const { ours, theirs } = rig.begin(w => w.make('/f', text()), saving, saving)
    ours.save('/f', text([1, 'ours 1']))
    theirs.save('/f', text([18, 'theirs 1']))
    ours.fs.mkdirSync('/both')
    theirs.fs.mkdirSync('/both')
    theirs.make('/both/t', 't\n')
    expect(rig.merge().conflicts).toEqual([])
    theirs.save('/f', text([18, 'theirs 2']))
    theirs.fs.unlinkSync('/both/t')
    ours.save('/f', text([1, 'ours 2'], [18, 'theirs 1']))
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(ours.tree()).toEqual({ '/both': 'directory 755', '/f': `644 ${text([1, 'ours 2'], [18, 'theirs 2'])}` })
    ours.save('/f', text([1, 'ours 3'], [18, 'theirs 2']))
    ours.fs.renameSync('/both', '/moved')
    expect(mergeFork(theirs.volume, ours.volume)).toMatchObject({ state: 'merged', conflicts: [] })
    rig.check(theirs)
    expect(theirs.tree()).toEqual(ours.tree())
    expect(mergeFork(ours.volume, theirs.volume)).toMatchObject({ state: 'merged', changes: [] })
    expect(mergeFork(ours.volume, theirs.volume)).toMatchObject({ state: 'unchanged' })
  })

  it('finds the state that forks of one fork, and of an older state, have in common', () => {
    const { ours } = rig.begin(w => w.make('/f', text()))
    ours.volume.checkpoint('old')
    ours.save('/f', text([3, 'new']))
    rig.engine.fork('ours', 'old', 'older')
    rig.engine.fork('older', undefined, 'grandchild')
    const grandchild = new Workspace(rig.engine.openVolume('grandchild'), 'in place')
    expect(grandchild.read('/f')).toBe(text())
    grandchild.save('/f', text([15, 'grandchild']))
    expect(mergeFork(ours.volume, grandchild.volume).conflicts).toEqual([])
    expect(ours.read('/f')).toBe(text([3, 'new'], [15, 'grandchild']))
    rig.check(ours)
  })

  it('is possible after the volume that both came from was deleted', () => {
    rig.begin(w => w.make('/f', text()))
    rig.engine.fork('ours', undefined, 'sister')
    rig.ours.volume.close()
    rig.engine.remove('ours', { now: true })
    const sister = new Workspace(rig.engine.openVolume('sister'), 'in place')
    sister.save('/f', text([2, 'sister']))
    rig.theirs.save('/f', text([17, 'theirs']))
    expect(mergeFork(sister.volume, rig.theirs.volume).conflicts).toEqual([])
    expect(sister.read('/f')).toBe(text([2, 'sister'], [17, 'theirs']))
  })

  it('refuses what has nothing in common, and itself', () => {
    rig.begin(w => w.make('/f', 'f\n'))
    rig.engine.create('stranger')
    const stranger = rig.engine.openVolume('stranger')
    expect(() => mergeFork(rig.ours.volume, stranger)).toThrow(expect.objectContaining({ code: 'ERR_MERGE_UNRELATED' }))
    expect(() => mergeFork(rig.ours.volume, rig.ours.volume)).toThrow(expect.objectContaining({ code: 'ERR_MERGE_SELF' }))
    expect(() => continueMerge(rig.ours.volume)).toThrow(expect.objectContaining({ code: 'ERR_MERGE_NONE' }))
  })

  it('changes nothing when it is only tried', () => {
    const { ours, theirs } = rig.begin(w => {
      w.make('/f', text())
      w.make('/b', Buffer.from([0]))
      w.make('/large', `${text()}\n`.repeat(500))
    })
    ours.save('/f', text([1, 'o']))
    theirs.save('/f', text([1, 't']))
    ours.save('/large', `o\n${`${text()}\n`.repeat(500)}`)
    theirs.save('/large', `${`${text()}\n`.repeat(500)}t\n`)
    const [before, log] = [ours.tree(), ours.volume.commits()]
    expect(rig.merge({ dryRun: true })).toMatchObject({
      state: 'trial',
      conflicts: [{ path: '/f' }],
      changes: [
        { kind: 'modified', path: '/f' },
        { kind: 'modified', path: '/large' },
      ],
    })
    expect(ours.tree()).toEqual(before)
    expect(ours.volume.commits()).toEqual(log)
    expect(waitingMerge(ours.volume.state.history, ours.volume.info.id)).toBeUndefined()
  })

  it('with conflicts changes nothing where it shall be clean', () => {
    const { ours, theirs } = rig.begin(w => w.make('/f', text()))
    ours.save('/f', text([1, 'o']))
    theirs.save('/f', text([1, 't']))
    theirs.make('/g', Buffer.alloc(200_000, 1))
    const before = ours.tree()
    expect(rig.merge({ onlyClean: true })).toMatchObject({ state: 'trial', conflicts: [{ path: '/f' }] })
    expect(ours.tree()).toEqual(before)
    expect(waitingMerge(ours.volume.state.history, ours.volume.info.id)).toBeUndefined()
    expect(rig.merge({ onlyClean: true, resolution: 'ours' })).toMatchObject({ state: 'merged' })
    expect(ours.volume.fsck()).toMatchObject({ ok: true })
  })
})

describe('a merge with conflicts', () => {
  function conflict(): MergeRig {
    rig.begin(w => {
      w.make('/f', text())
      w.make('/b', Buffer.from([0]))
    })
    rig.ours.save('/f', text([1, 'o']))
    rig.theirs.save('/f', text([1, 't']))
    rig.ours.save('/b', Buffer.from([0, 1]))
    rig.theirs.save('/b', Buffer.from([0, 2]))
    expect(rig.merge().state).toBe('conflicts')
    return rig
  }

  /** The same after a restart of the program. */
  function restart(): void {
    rig.engine.crash()
    rig.engine = Engine.open({ home: rig.home })
    rig.ours = new Workspace(rig.engine.openVolume('ours'), 'in place')
    rig.theirs = new Workspace(rig.engine.openVolume('theirs'), 'in place')
  }

  it.each([false, true])('waits until they are resolved (restarted: %s)', restarts => {
    conflict()
    if (restarts) restart()
    const { ours, theirs } = rig
    expect(ours.volume.status().merge).toEqual({ operation: 'merge', other: 'theirs', conflicts: 2 })
    expect(() => rig.merge()).toThrow(expect.objectContaining({ code: 'ERR_MERGE_WAITING' }))
    expect(() => continueMerge(ours.volume)).toThrow(
      expect.objectContaining({ code: 'ERR_MERGE_UNRESOLVED', message: expect.stringContaining('/b.theirs-theirs, /f') }),
    )
    ours.save('/f', text([1, 'both']))
    expect(() => continueMerge(ours.volume)).toThrow(expect.objectContaining({ code: 'ERR_MERGE_UNRESOLVED' }))
    ours.fs.renameSync('/b.theirs-theirs', '/b')
    const { commit, state } = continueMerge(ours.volume, { actor: 'me' })
    expect(state).toBe('merged')
    expect(commit).toMatchObject({ kind: 'merge', actor: 'me', parents: [expect.any(String), theirs.volume.commits()[0].id] })
    expect(ours.volume.status().merge).toBeUndefined()
    rig.check(ours)
    theirs.save('/f', text([1, 't'], [15, 'later']))
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(ours.read('/f')).toBe(text([1, 'both'], [15, 'later']))
  })

  it.each([false, true])('is given up exactly (restarted: %s)', restarts => {
    conflict()
    if (restarts) restart()
    const { ours } = rig
    ours.make('/while-waiting', 'x')
    ours.fs.unlinkSync('/f')
    expect(abortMerge(ours.volume).state).toBe('aborted')
    expect(ours.tree()).toEqual({ '/b': '644 \0\x01', '/f': `644 ${text([1, 'o'])}` })
    rig.check(ours)
    expect(() => abortMerge(ours.volume)).toThrow(expect.objectContaining({ code: 'ERR_MERGE_NONE' }))
    expect(rig.merge().state).toBe('conflicts')
  })

  it('does not wait in a fork of the volume', () => {
    conflict()
    rig.engine.fork('ours', undefined, 'copy')
    const copy = rig.engine.openVolume('copy')
    expect(copy.status().merge).toBeUndefined()
  })

  it('records any number of them', () => {
    rig.begin(w => {
      for (let i = 0; i < 300; i++) w.make(`/${'long name '.repeat(15)}${i}`, 'base\n')
    })
    for (const w of [rig.ours, rig.theirs]) for (let i = 0; i < 300; i++) w.save(`/${'long name '.repeat(15)}${i}`, `${w === rig.ours}\n`)
    expect(rig.merge().conflicts).toHaveLength(300)
    expect(rig.ours.volume.status().merge?.conflicts).toBe(300)
    rig.ours.volume.close()
    expect(rig.engine.statusOf('ours')).toMatchObject({ open: 'no', merge: { other: 'theirs', conflicts: 300 } })
    const again = rig.engine.openVolume('ours')
    abortMerge(again)
    expect(again.status().merge).toBeUndefined()
  })
})

describe('a rebase', () => {
  it('puts the fork on top of what its parent is now', () => {
    const { ours: parent, theirs: fork } = rig.begin(w => w.make('/f', text()))
    parent.save('/f', text([1, 'parent']))
    parent.make('/p', 'p\n')
    fork.save('/f', text([18, 'fork']))
    expect(rebaseFork(fork.volume, parent.volume)).toMatchObject({ operation: 'rebase', volume: 'theirs', state: 'merged', conflicts: [] })
    expect(fork.tree()).toEqual({ '/f': `644 ${text([1, 'parent'], [18, 'fork'])}`, '/p': '644 p\n' })
    rig.check(fork)
    expect(parent.read('/f')).toBe(text([1, 'parent']))
    expect(rig.merge().conflicts).toEqual([])
    expect(parent.tree()).toEqual(fork.tree())
  })

  it('waits in the fork when there are conflicts', () => {
    const { ours: parent, theirs: fork } = rig.begin(w => w.make('/f', text()))
    parent.save('/f', text([1, 'parent']))
    fork.save('/f', text([1, 'fork']))
    expect(rebaseFork(fork.volume, parent.volume).state).toBe('conflicts')
    expect(fork.read('/f')).toBe(text([1, '<<<<<<< ours\nparent\n=======\nfork\n>>>>>>> theirs']))
    expect(parent.volume.status().merge).toBeUndefined()
    abortMerge(fork.volume)
    expect(fork.read('/f')).toBe(text([1, 'fork']))
    rebaseFork(fork.volume, parent.volume)
    fork.save('/f', text([1, 'resolved']))
    expect(continueMerge(fork.volume)).toMatchObject({ operation: 'rebase', state: 'merged' })
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [] })
    expect(parent.read('/f')).toBe(text([1, 'resolved']))
  })
})
