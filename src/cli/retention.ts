import type { Retention } from '../sdk/types.js'
import { parseAge, parseCount, showAge } from './age.js'
import { usageError } from './errors.js'
import { plural, printable } from './format.js'
import type { Options, Run } from './spec.js'

/** Shows what is kept of the versions of files, or changes it. */
export const run: Run = async (context, [operand], options) => {
  const name = await context.volumeName(operand)
  const cairn = await context.cairn()
  const before = await context.helped(() => cairn.retention(name))
  const retention = changed(before, options)
  if (retention !== before) {
    await context.refuseReadOnly()
    await cairn.setRetention(name, retention)
  }
  await context.result({ volume: name, ...retention }, () => [`${name} keeps ${kept(retention)}.`, ...excluded(retention)])
  return 0
}

function changed(before: Retention, options: Options): Retention {
  const { keepAll, count, age, thin } = options
  const chosen = [keepAll, count, age, thin].filter(option => option !== undefined)
  if (chosen.length > 1) throw usageError('Only one of --keep-all, --count, --age and --thin can hold.', 'Choose one.')
  const exclude = excludes(before, options)
  if (keepAll === true) return { keep: 'all', exclude }
  if (thin === true) return { keep: 'thin', exclude }
  if (typeof count === 'string') return { keep: 'count', count: parseCount(count), exclude }
  if (typeof age === 'string') return { keep: 'age', ageMs: parseAge(age), exclude }
  return exclude === before.exclude ? before : { ...before, exclude }
}

/** A repeatable option: commander gives an array. */
function excludes(before: Retention, { exclude, excludeNothing }: Options): string[] {
  if (excludeNothing === true) return []
  const globs: unknown = exclude
  return Array.isArray(globs) ? globs.map(String) : before.exclude
}

function kept(retention: Retention): string {
  switch (retention.keep) {
    case 'all':
      return 'all versions of files'
    case 'count':
      return `the newest ${plural(retention.count, 'version')} of each file`
    case 'age':
      return `versions of files for ${showAge(retention.ageMs)}`
    case 'thin':
      return 'all versions of the last hour, one an hour for a day, one a day for a month'
  }
}

function excluded({ exclude }: Retention): string[] {
  return [`No versions of *-wal, *-shm, *-journal${exclude.map(glob => `, ${printable(glob)}`).join('')}.`]
}
