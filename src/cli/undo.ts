import type { UndoOptions, UndoResult } from '../sdk/types.js'
import { usageError } from './errors.js'
import { plural } from './format.js'
import { conflictLine, exitCodeOf, resolutionOf } from './merge-output.js'
import type { Options, Run } from './spec.js'

/** Exits 1 when later changes touched the same, and nothing was changed. */
export const run: Run = async (context, [operand, second], options) => {
  if (second !== undefined) throw usageError(`${second} is a second operand.`, 'Write `--` before globs: `cairn undo VOL -- GLOB`.')
  const name = await context.volumeName(operand)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const asked = { ...selection(options), ...resolutionOf(options), globs: [...context.globs], dryRun: options['dryRun'] === true }
  const result = await context.helped(() => cairn.undo(name, asked))
  await context.result(result, () => lines(result))
  return exitCodeOf(result)
}

function selection(options: Options): UndoOptions {
  const { last, commit, since, actor, exec, message } = options as Record<string, string | string[] | undefined>
  if (typeof last === 'string' && !/^[1-9]\d*$/.test(last)) throw usageError(`--last takes a number of changes, not ${last}.`, 'Write --last 2, for instance.')
  return {
    ...(typeof last === 'string' && { last: Number(last) }),
    ...(Array.isArray(commit) && { commits: commit }),
    ...(typeof since === 'string' && { since }),
    ...(typeof actor === 'string' && { by: actor }),
    ...(typeof exec === 'string' && { exec }),
    ...(typeof message === 'string' && { message }),
  }
}

function lines({ volume, state, undone, conflicts, changes, commit }: UndoResult): string[] {
  const [newest] = undone
  const one = newest.name ?? (newest.id === '' ? 'what no commit has yet' : newest.id)
  const what = undone.length === 1 ? `${one} of ${volume}` : `${undone.length} commits of ${volume}`
  const list = conflicts.map(conflict => conflictLine(conflict, false))
  switch (state) {
    case 'undone':
      return [...list, `Took back ${what}: ${plural(changes.length, 'change')}. \`cairn undo ${volume} --commit ${commit?.id ?? ''}\` brings them back.`]
    case 'unchanged':
      return [`Nothing of ${what} is left to take back.`]
    case 'trial':
      return [...list, `Would take back ${what}: ${plural(changes.length, 'change')}, ${plural(conflicts.length, 'conflict')}.`]
    case 'conflicts':
      return [
        ...list,
        `Nothing was changed: later changes touched what ${what} did. Decide with --ours (keep what is now), --theirs (take back) or --keep-both.`,
      ]
  }
}
