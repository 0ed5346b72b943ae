import { readFileSync } from 'node:fs'
import { CairnError } from '../errors.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import type { Run } from './spec.js'
import { gathered } from './stdin.js'

/** Replaces the policy of a volume by a file of this host. */
export const run: Run = async (context, [operand, file], options) => {
  const name = await context.volumeName(operand)
  const takesAway = options['none'] === true
  if (takesAway === (file !== undefined)) throw usageError('What the policy is to be was not said.', 'Name a file, `-` for standard input, or --none.')
  await context.refuseReadOnly()
  const text = file === undefined ? null : await textOf(context, file)
  const cairn = await context.cairn()
  const policy = await context.helped(() => cairn.setPolicy(name, text))
  await context.result({ volume: name, ...policy }, () => [policy.isDefault ? `${name} has no policy of its own any more.` : `${name} has a new policy.`])
  return 0
}

async function textOf(context: Context, file: string): Promise<string> {
  if (file === '-') {
    const parts: Buffer[] = []
    for await (const part of gathered(context.streams.stdin as AsyncIterable<Buffer>)) parts.push(part)
    return Buffer.concat(parts).toString('utf8')
  }
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CairnError(code ?? 'EIO', `${file} cannot be read (${code}).`, 'Name a file of this host that you may read.', { cause: error })
  }
}
