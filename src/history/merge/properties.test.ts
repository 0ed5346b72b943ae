import '../../../test/support/without-syncs.js'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, type Saving, Workspace } from '../../testing/merge-rig.js'
import { mergeFork } from './merge.js'
import { undo } from './undo.js'

/** Few names, so that everything meets everything. */
const names = ['a', 'b', 'c']
const contents = ['1\n2\n3\n4\n5\n6\n', '1\n2\nx\n4\n5\n6\n', '1\n2\n3\n4\ny\n6\n', '', '\0binary', 'z'.repeat(3000), 'z'.repeat(70_000)]

type Operation =
  | { op: 'write' | 'save' | 'append'; path: string; content: string }
  | { op: 'mkdir' | 'remove' | 'mode'; path: string }
  | { op: 'rename' | 'link' | 'symlink'; path: string; to: string }

const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map(parts => `/${parts.join('/')}`)
const content = fc.constantFrom(...contents)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('write' as const, 'save' as const, 'append' as const), path, content }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom('mkdir' as const, 'mkdir' as const, 'remove' as const, 'mode' as const), path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('rename' as const, 'rename' as const, 'link' as const, 'symlink' as const), path, to: path }) },
)
const operations = (maxLength: number): fc.Arbitrary<Operation[]> => fc.array(operation, { maxLength })

/** What is impossible just does not happen. */
function run(w: Workspace, all: readonly Operation[]): void {
  for (const one of all) {
    try {
      apply(w, one)
    } catch (error) {
      if (typeof (error as NodeJS.ErrnoException).errno !== 'number') throw error
    }
  }
}

function apply(w: Workspace, one: Operation): void {
  switch (one.op) {
    case 'write':
      w.make(one.path, one.content)
      break
    case 'save':
      w.save(one.path, one.content)
      break
    case 'append':
      w.fs.appendFileSync(one.path, one.content)
      break
    case 'mkdir':
      w.fs.mkdirSync(one.path)
      break
    case 'remove':
      w.fs.rmSync(one.path, { recursive: true })
      break
    case 'mode':
      w.fs.chmodSync(one.path, 0o700)
      break
    case 'rename':
      w.fs.renameSync(one.path, one.to)
      break
    case 'link':
      w.fs.linkSync(one.path, one.to)
      break
    case 'symlink':
      w.fs.symlinkSync(one.path, one.to)
      break
  }
}

let rig: MergeRig
let made = 0

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => rig.end())

/** A base with `count` forks of it. */
function family(base: readonly Operation[], saving: Saving, count: number): Workspace[] {
  const name = `v${made++}`
  rig.engine.create(name)
  const root = new Workspace(rig.engine.openVolume(name), saving)
  run(root, base)
  const forks = Array.from({ length: count }, (_, i) => `${name}-${i}`)
  rig.engine.forkAll(name, undefined, forks)
  return forks.map(fork => new Workspace(rig.engine.openVolume(fork), saving))
}

const saving = fc.constantFrom<Saving>('in place', 'by rename')
const runs = Number(process.env['CAIRN_TEST_RUNS'] ?? 60)

describe('for any history', { timeout: 900_000 }, () => {
  it('what only one side did is the result', () => {
    fc.assert(
      fc.property(operations(12), operations(12), saving, (base, changes, how) => {
        const [ours, theirs] = family(base, how, 2)
        run(theirs, changes)
        expect(mergeFork(ours.volume, theirs.volume).conflicts).toEqual([])
        expect(ours.tree()).toEqual(theirs.tree())
        rig.check(ours)
        expect(mergeFork(theirs.volume, ours.volume).changes).toEqual([])
        expect(ours.tree()).toEqual(theirs.tree())
      }),
      { numRuns: runs },
    )
  })

  it('a merge is whole, and the same the other way round', () => {
    fc.assert(
      fc.property(operations(12), operations(8), operations(8), saving, (base, x, y, how) => {
        const [ours, theirs, ours2, theirs2] = family(base, how, 4)
        for (const w of [ours, theirs2]) run(w, x)
        for (const w of [theirs, ours2]) run(w, y)
        const one = mergeFork(ours.volume, theirs.volume)
        const two = mergeFork(ours2.volume, theirs2.volume)
        rig.check(ours)
        rig.check(ours2)
        expect(one.conflicts.length > 0).toBe(two.conflicts.length > 0)
        if (one.conflicts.length === 0) expect(withoutLinks(ours.tree())).toEqual(withoutLinks(ours2.tree()))
      }),
      { numRuns: runs },
    )
  })

  it.each(['ours', 'theirs', 'keep-both'] as const)('an option decides everything: %s', resolution => {
    fc.assert(
      fc.property(operations(12), operations(8), operations(8), saving, (base, x, y, how) => {
        const [ours, theirs] = family(base, how, 2)
        run(ours, x)
        run(theirs, y)
        expect(mergeFork(ours.volume, theirs.volume, { resolution }).state).not.toBe('conflicts')
        rig.check(ours)
        expect(mergeFork(ours.volume, theirs.volume).changes).toEqual([])
      }),
      { numRuns: Math.ceil(runs / 2) },
    )
  })

  it('undo since a state is that state, and undo of that brings all back', () => {
    fc.assert(
      fc.property(operations(12), fc.array(operations(6), { minLength: 1, maxLength: 3 }), saving, (base, changes, how) => {
        const [w] = family(base, how, 1)
        w.volume.checkpoint('R')
        const before = w.tree()
        for (const some of changes) {
          run(w, some)
          w.volume.commitChanges()
        }
        const after = w.tree()
        if (w.volume.commits()[0].name === 'R') return
        expect(undo(w.volume, { since: 'R' }).conflicts).toEqual([])
        expect(w.tree()).toEqual(before)
        rig.check(w)
        if (w.volume.commits()[0].kind !== 'undo') return
        undo(w.volume)
        expect(w.tree()).toEqual(after)
        rig.check(w)
      }),
      { numRuns: runs },
    )
  })
})

/** Which names are one file may depend on the side where both linked and replaced them. */
function withoutLinks(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([at, what]) => [at, what.replace(/ = [^=]*$/, '')]))
}
