import type { MergeConflict, MergeResult, Resolution } from '../sdk/types.js'
import { limits } from '../sys/index.js'
import { usageError } from './errors.js'
import { plural } from './format.js'
import type { Options } from './spec.js'

/** Of --ours, --theirs and --keep-both at most one. */
export function resolutionOf(options: Options): { resolution?: Resolution } {
  const given = [options['ours'] === true && 'ours', options['theirs'] === true && 'theirs', options['keepBoth'] === true && 'keep-both'].filter(
    (one): one is Resolution => one !== false,
  )
  if (given.length > 1) throw usageError(`--${given[0]} and --${given[1]} contradict each other.`, 'Choose one of --ours, --theirs and --keep-both.')
  return given.length === 0 ? {} : { resolution: given[0] }
}

/** Whether a merge begins, goes on or is given up. */
export function stepOf(options: Options): { step?: 'continue' | 'abort' } {
  if (options['continue'] === true && options['abort'] === true) throw usageError('--continue and --abort contradict each other.', 'Choose one of them.')
  return options['continue'] === true ? { step: 'continue' } : options['abort'] === true ? { step: 'abort' } : {}
}

const reasons: Readonly<Record<NonNullable<MergeConflict['reason']>, string>> = {
  'no-text': 'no text',
  'too-large': `larger than ${limits.mergeTextBytes / 1024 / 1024} MiB, so not merged by lines`,
  'too-many-changes': 'too many changes to merge by lines',
}

/** @param isThere the files have it: neither a dry run nor an undo that changed nothing */
export function conflictLine(conflict: MergeConflict, isThere: boolean): string {
  const { kind, path, ours, theirs, markers, beside, attribute, reason, resolved } = conflict
  const note = attribute ?? (reason && reasons[reason])
  const what = `${kind} ${path}${note === undefined ? '' : ` (${note})`}: ours ${sideText(ours)}, theirs ${sideText(theirs)}`
  const where =
    resolved !== undefined
      ? `; decided: ${resolved}`
      : !isThere
        ? ''
        : markers === true
          ? '; marked in the file'
          : beside === undefined
            ? ''
            : `; theirs is ${beside}`
  return `conflict ${what}${where}`
}

function sideText({ state, path }: MergeConflict['ours']): string {
  return path === undefined ? state : `${state} ${path}`
}

/** What is said of a merge or rebase. */
export function mergeLines(result: MergeResult): string[] {
  const { operation, volume, other, state, conflicts, changes } = result
  const merge = operation === 'merge'
  const from = merge ? `${other} into ${volume}` : `${volume} onto ${other}`
  const command = merge ? `cairn merge ${other} --into ${volume}` : `cairn rebase ${volume}`
  const count = plural(changes.length, 'change')
  const left = (result.leftOut ?? []).map(path => `left out ${path}: it was purged from ${volume}; --with-purged takes it`)
  const told = conflicts.map(conflict => conflictLine(conflict, state !== 'trial'))
  const list = [...told, ...left]
  switch (state) {
    case 'unchanged':
      return [`${volume} has all of ${other} already.`]
    case 'trial':
      return [...list, `Would ${operation} ${from}: ${count}, ${plural(conflicts.length, 'conflict')}.`]
    case 'merged':
      return [...list.filter((_, i) => conflicts[i].resolved !== undefined), ...left, `${merge ? 'Merged' : 'Rebased'} ${from}: ${count}.`]
    case 'aborted':
      return [`Gave the ${operation} of ${from} up: ${volume} is as it was before.`]
    case 'conflicts':
      return [
        ...list,
        `The ${operation} of ${from} waits: ${plural(conflicts.length, 'conflict')}. Resolve them, then \`${command} --continue\`; \`--abort\` gives it up.`,
      ]
  }
}

/** 1 while conflicts are left. */
export function exitCodeOf({ state, conflicts }: { state: string; conflicts: readonly MergeConflict[] }): number {
  return state === 'conflicts' || (state === 'trial' && conflicts.some(conflict => conflict.resolved === undefined)) ? 1 : 0
}
