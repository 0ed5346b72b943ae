import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CrashPoint, onCrashPoint } from '../../sys/index.js'
import { MergeRig, Workspace } from '../../testing/merge-rig.js'
import { Engine } from '../../volume/engine.js'
import { abortMerge, continueMerge, type MergeResult } from './merge.js'
import { waitingMerge } from './merge-state.js'
import { undo } from './undo.js'

const points: CrashPoint[] = [
  'become.before-journal',
  'become.after-journal',
  'journal.append.before-write',
  'journal.append.torn-write',
  'journal.append.after-write',
  'pack.write.before',
  'pack.write.torn',
]
const large = (line: string): string => `${line}\n${'the same in both\n'.repeat(8000)}`

let rig: MergeRig

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => {
  onCrashPoint(undefined)
  rig.end()
})

class Killed extends Error {}

/** Runs `work` until the n-th pass of a point, then as after SIGKILL opens all again. Whether it came to that. */
function killAt(point: CrashPoint, nth: number, work: () => unknown): boolean {
  let passes = 0
  onCrashPoint(at => {
    if (at === point && ++passes >= nth) throw new Killed(at)
  })
  try {
    work()
    return false
  } catch (error) {
    if (!(error instanceof Killed)) throw error
    return true
  } finally {
    onCrashPoint(undefined)
    rig.engine.crash()
    rig.engine = Engine.open({ home: rig.home })
    rig.ours = new Workspace(rig.engine.openVolume('ours'), 'in place')
    rig.theirs = new Workspace(rig.engine.openVolume('theirs'), 'in place')
  }
}

function begin(conflicting: boolean): void {
  rig.begin(w => {
    w.make('/f', 'base\n')
    w.make('/large', large('base'))
    w.make('/other', 'base\n')
  })
  rig.ours.save('/large', `${large('base')}ours\n`)
  rig.theirs.save('/large', large('theirs'))
  rig.theirs.save('/other', 'theirs\n')
  rig.theirs.save('/f', 'theirs\n')
  if (conflicting) rig.ours.save('/f', 'ours\n')
  rig.ours.volume.flush()
  rig.theirs.volume.flush()
}

const waits = (): boolean => waitingMerge(rig.ours.volume.state.history, rig.ours.volume.info.id) !== undefined

describe.each(points)('killed at %s', point => {
  it.each([false, true])('a merge happened or did not, and can be done again (conflicts: %s)', conflicting => {
    begin(conflicting)
    const before = rig.ours.tree()
    const their = rig.theirs.tree()
    for (let nth = 1; killAt(point, nth, () => rig.merge()); nth++) {
      rig.check(rig.ours)
      expect(rig.theirs.tree()).toEqual(their)
      const isDone = rig.ours.read('/other') === 'theirs\n'
      expect(waits()).toBe(isDone && conflicting)
      if (isDone) break
      expect(rig.ours.tree()).toEqual(before)
    }
    const again: Partial<MergeResult> = waits() ? abortMerge(rig.ours.volume) : rig.merge()
    expect(['aborted', 'merged', 'unchanged', 'conflicts']).toContain(again.state)
    if (!conflicting) expect(rig.ours.read('/large')).toBe(`${large('theirs')}ours\n`)
  })

  it('a merge that waits is ended or waits', () => {
    begin(true)
    rig.merge()
    rig.ours.save('/f', 'resolved\n')
    const resolved = rig.ours.tree()
    let nth = 1
    while (killAt(point, nth, () => continueMerge(rig.ours.volume)) && waits()) {
      expect(rig.ours.tree()).toEqual(resolved)
      nth++
    }
    expect(waits()).toBe(false)
    expect(rig.ours.tree()).toEqual(resolved)
    expect(rig.ours.volume.commits()[0].kind).toBe('merge')
    expect(rig.merge().state).toBe('unchanged')
  })

  it('a merge is given up wholly or waits, an undo happened or did not', () => {
    begin(true)
    const before = rig.ours.tree()
    rig.merge()
    const marked = rig.ours.tree()
    for (let nth = 1; killAt(point, nth, () => abortMerge(rig.ours.volume)) && waits(); nth++) expect(rig.ours.tree()).toEqual(marked)
    expect(waits()).toBe(false)
    expect(rig.ours.tree()).toEqual(before)
    rig.ours.save('/other', 'later\n')
    rig.ours.volume.flush()
    for (let nth = 1; killAt(point, nth, () => undo(rig.ours.volume)) && rig.ours.read('/other') === 'later\n'; nth++) rig.check(rig.ours)
    expect(rig.ours.tree()).toEqual(before)
  })
})
