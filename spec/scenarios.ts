import type { BadRule, Bounds } from './rules.js'

const nothing: Bounds = { start: 'open', writers: 1, commits: 0, folds: 0, forks: false, reads: false, collectors: 0, rounds: 0, repacks: 0, lost: 0 }

export interface Scenario {
  name: string
  bounds: Bounds
}

const scenario = (name: string, bounds: Partial<Bounds>): Scenario => ({ name, bounds: { ...nothing, ...bounds } })

/** Explored in every test run; half a minute together. */
export const scenarios: readonly Scenario[] = [
  scenario('two writers, an answer lost', { writers: 2, commits: 2, folds: 1, lost: 1 }),
  scenario('three writers', { writers: 3, commits: 1, folds: 1 }),
  scenario('take-over after a crash, two answers lost', { start: 'crashed', writers: 2, commits: 1, folds: 1, lost: 2 }),
  scenario('take-over after a crash, read meanwhile', { start: 'crashed', writers: 2, commits: 1, folds: 1, reads: true }),
  scenario('two writers and a collector', { writers: 2, commits: 1, folds: 1, collectors: 1, rounds: 1 }),
  scenario('take-over after a crash and a collector', { start: 'crashed', writers: 2, folds: 1, collectors: 1, rounds: 2 }),
  scenario('a fork while the source commits and a collector works twice', { commits: 1, folds: 1, forks: true, collectors: 1, rounds: 2 }),
  scenario('a fork and two collectors', { folds: 1, forks: true, collectors: 2, rounds: 1 }),
  scenario('a fork, two writers and a collector that repacks', { writers: 2, folds: 1, forks: true, collectors: 1, rounds: 1, repacks: 1 }),
  scenario('two collectors that repack', { commits: 1, folds: 1, collectors: 2, rounds: 1, repacks: 1 }),
  scenario('a reader and a collector that repacks', { commits: 1, folds: 1, reads: true, collectors: 1, rounds: 1, repacks: 1 }),
  scenario('a merge from a volume that loses it, and a collector that works twice', { commits: 1, folds: 1, merges: true, collectors: 1, rounds: 2 }),
  scenario('a merge and two collectors', { merges: true, collectors: 2, rounds: 1, repacks: 1 }),
  scenario('a merge, a fork and a collector', { folds: 1, merges: true, forks: true, collectors: 1, rounds: 1 }),
  scenario('an open view while a writer folds twice and a collector repacks', { folds: 2, views: true, collectors: 1, rounds: 2, repacks: 1 }),
  scenario('packs that hold two things, and a collector that repacks', { commits: 2, folds: 2, joined: true, collectors: 1, rounds: 2, repacks: 1 }),
  scenario('writers that end their logs', { writers: 3, commits: 1, folds: 1, ends: true }),
  scenario('writers that end their logs, an answer lost', { writers: 2, commits: 1, folds: 1, ends: true, lost: 1 }),
  scenario('writers that end their logs, and a collector', { writers: 2, commits: 1, folds: 1, ends: true, collectors: 1, rounds: 1 }),
  scenario('a fork, a reader and a collector that repacks', { folds: 1, forks: true, reads: true, collectors: 1, rounds: 2, repacks: 1 }),
]

/** Wider bounds, minutes together: explored with CAIRN_SPEC=deep. */
export const deepScenarios: readonly Scenario[] = [
  scenario('two writers that fold twice, an answer lost', { writers: 2, commits: 2, folds: 2, lost: 1 }),
  scenario('two collectors that repack and work twice', { folds: 1, collectors: 2, rounds: 2, repacks: 1 }),
  scenario('take-over after a crash, read meanwhile, answers lost', { start: 'crashed', writers: 2, commits: 1, folds: 1, lost: 1, reads: true }),
  scenario('take-over after a crash with commits, and a collector', { start: 'crashed', writers: 2, commits: 1, folds: 1, collectors: 1, rounds: 1 }),
  scenario('a fork while the source commits and folds twice', { commits: 1, folds: 2, forks: true, collectors: 1, rounds: 1 }),
  scenario('a fork and two collectors that repack', { folds: 1, forks: true, collectors: 2, rounds: 1, repacks: 1 }),
  scenario('a fork, two writers that commit and fold, and a collector', { writers: 2, commits: 1, folds: 1, forks: true, collectors: 1, rounds: 1 }),
  scenario('a merge and two collectors that repack while a writer folds', { folds: 1, merges: true, collectors: 2, rounds: 1, repacks: 1 }),
  scenario('a merge, a fork and a collector that works twice', { folds: 1, merges: true, forks: true, collectors: 1, rounds: 2 }),
  scenario('an open view while a writer commits and folds twice', { commits: 1, folds: 2, views: true, collectors: 1, rounds: 2, repacks: 1 }),
  scenario('everybody', { writers: 2, folds: 1, forks: true, reads: true, collectors: 1, rounds: 1, repacks: 1 }),
]

const withCollector: Partial<Bounds> = { collectors: 1, rounds: 1 }

/** For each bad rule the smallest setting in which it fails, and how. */
export const failures: ReadonlyArray<Scenario & { rule: BadRule; because: string }> = [
  failure('age-only deletion', { commits: 1, folds: 1, collectors: 1, rounds: 2 }, 'the volume needs pack 1.1, which is gone'),
  failure('log numbers per epoch', { writers: 2, commits: 1, folds: 1 }, 'an acknowledged commit is not in the history'),
  failure('fences deleted with the log', { writers: 2, commits: 1, folds: 1 }, 'an acknowledged commit is not in the history'),
  failure('fork does not read its pin again', { folds: 1, forks: true, ...withCollector }, 'the fork needs pack 1.0, which is gone'),
  failure('repack deletes the old pack before the index is referenced', { repacks: 1, ...withCollector }, 'the volume needs pack 1.0, which is gone'),
  failure('head published before its packs', { folds: 1 }, 'the volume needs pack 1.1, which is gone'),
  failure(
    'open without confirming the epoch after the fence',
    { start: 'crashed', writers: 2, commits: 1, folds: 1 },
    'an acknowledged commit is not in the history',
  ),
  failure('epoch in the head taken for a fence', { writers: 2, commits: 1, ...withCollector }, 'the volume needs pack 1.1, which is gone'),
  failure('watermark ignores packs in flight', { commits: 1, folds: 1, ...withCollector }, 'the volume needs pack 1.2, which is gone'),
  failure('collector does not read the head again after the log', { commits: 1, folds: 1, ...withCollector }, 'the volume needs pack 1.2, which is gone'),
  failure(
    'reader does not read the head again after the log',
    { commits: 1, folds: 1, reads: true },
    'a reader does not see a commit acknowledged before it began',
  ),
  failure('collector reads pins before the heads', { folds: 1, forks: true, ...withCollector }, 'the fork needs pack 1.0, which is gone'),
  failure('collector reads pins after the forks', { folds: 1, forks: true, collectors: 2, rounds: 1 }, 'the fork needs pack 1.0, which is gone'),
  failure('fork does not read its source again after pinning', { folds: 1, forks: true, ...withCollector }, 'the fork needs pack 1.0, which is gone'),
  failure('mover deletes its pin when it is done', { merges: true, ...withCollector }, 'the volume needs pack 0.0, which is gone'),
  failure('mover reads its source before it pins', { merges: true, ...withCollector }, 'the volume needs pack 0.0, which is gone'),
  failure('collector reads pins before the other volumes', { merges: true, ...withCollector }, 'the volume needs pack 0.0, which is gone'),
  failure('held states written down after the head', { folds: 1, views: true, ...withCollector }, 'an open view misses a pack'),
  failure('collector reads held states before the head', { folds: 1, views: true, ...withCollector }, 'an open view misses a pack'),
  failure(
    'repack of a pack that is not settled',
    { commits: 1, folds: 1, joined: true, repacks: 1, ...withCollector },
    'the volume needs pack 1.2, which is gone',
  ),
  failure(
    'collector does not read the gc record again after the last read',
    { merges: true, collectors: 2, rounds: 1 },
    'the volume needs pack 0.0, which is gone',
  ),
  failure('an ended log opened without saying so', { writers: 3, commits: 1, ends: true, ...withCollector }, 'the volume needs pack 2.0, which is gone'),
  failure('pending fork not counted as a root', { folds: 1, forks: true, ...withCollector }, 'the fork needs pack 1.0, which is gone'),
]

function failure(rule: BadRule, bounds: Partial<Bounds>, because: string): Scenario & { rule: BadRule; because: string } {
  return { ...scenario(rule, bounds), rule, because }
}
