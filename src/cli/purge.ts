import { createInterface } from 'node:readline/promises'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { plural } from './format.js'
import type { Options, Run } from './spec.js'

export const run: Run = (context, args, options) => purge(context, args, options, options['recursive'] === true)

/** `purge`, and `purge-prefix`, which is `purge -r`. */
export async function purge(context: Context, [target]: string[], options: Options, recursive: boolean): Promise<number> {
  const { volume, ref, path } = await context.side(target)
  if (ref !== undefined || path === undefined || path === '/')
    throw usageError(`${target} is not a path of a volume as it is now.`, 'Write VOLUME:/path; all states of the volume that hold it are purged.')
  await context.refuseReadOnly()
  if (options['yes'] !== true && !(await confirmed(context, `Purge ${volume}:${path} from the present and all history of ${volume}, for ever?`))) {
    context.out.note('cairn: Nothing was purged.')
    return 1
  }
  const cairn = await context.cairn()
  const done = await context.helped(() => cairn.purge(volume, path, { recursive, allForks: options['allForks'] === true }))
  await context.result(done, () => [
    `Purged ${volume}:${path}: ${plural(done.inodes.length, 'file')} in ${plural(done.states, 'state')}, ${plural(done.versions, 'record')} of versions.`,
    ...done.forks.map(fork => `Purged ${fork.volume}:${path}: ${plural(fork.states, 'state')}.`),
    ...done.remains.map(line => `- ${line}`),
  ])
  return 0
}

async function confirmed(context: Context, question: string): Promise<boolean> {
  const { stdin } = context.streams
  if (stdin.isTTY !== true || context.json) throw usageError('A purge cannot be taken back, and nobody can be asked here.', 'Say --yes when you mean it.')
  const terminal = createInterface({ input: stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}
