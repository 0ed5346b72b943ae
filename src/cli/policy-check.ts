import type { CheckedCommand, CheckOptions } from '../sdk/policy.js'
import type { Decision, Effect } from '../sdk/types.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { humanSize, printable } from './format.js'
import type { Options, Run } from './spec.js'

/** Exit code of what would not run, as of `cairn exec`. */
const DENIED = 126

const inWords: Readonly<Record<Effect, string>> = { allow: 'allow', checkpoint: 'allow, after a checkpoint', ask: 'ask', deny: 'deny' }

/** What the policy of a volume says to a command, without running it. Exits 126 when it is denied. */
export const run: Run = async (context, args, options) => {
  const { name, decision } = await decided(context, args, options)
  await context.result({ volume: name, ...decision }, () => [`${inWords[decision.effect]}: ${printable(decision.reason)}`])
  return decision.effect === 'deny' ? DENIED : 0
}

/** The same with every command that it runs, and what bounds it. */
export const explain: Run = async (context, args, options) => {
  const { name, decision } = await decided(context, args, options)
  await context.result({ volume: name, ...decision }, () => explained(decision))
  return decision.effect === 'deny' ? DENIED : 0
}

async function decided(context: Context, [operand, ...rest]: string[], options: Options): Promise<{ name: string; decision: Decision }> {
  const name = await context.volumeName(operand)
  const { shell, cwd, as, network } = options
  const words = [...rest, ...context.globs]
  if ((typeof shell === 'string') === words.length > 0) throw usageError('What to judge was not said.', 'Write a command behind `--`, or a text with --shell.')
  const command: CheckedCommand = typeof shell === 'string' ? { shell } : [words[0], ...words.slice(1)]
  const given: CheckOptions = { network: network === true, ...(typeof cwd === 'string' && { cwd }), ...(typeof as === 'string' && { actor: as }) }
  if (typeof cwd === 'string' && !cwd.startsWith('/')) throw usageError(`${cwd} is no directory of the volume.`, 'Write a path that begins with /.')
  const cairn = await context.cairn()
  return { name, decision: await context.helped(() => cairn.checkPolicy(name, command, given)) }
}

function explained({ effect, reason, commands, limits }: Decision): string[] {
  const each = commands.map(({ within, text, effect, reason }) => {
    const where = within.length === 0 ? '' : ` (in ${within.join(', ')})`
    return `  ${inWords[effect]}: ${printable(text)}${where}\n      ${printable(reason)}`
  })
  const bounds = Object.entries(limits).map(([key, value]) => `  ${key}: ${shown(key, value)}`)
  return [`${inWords[effect]}: ${printable(reason)}`, ...each, 'limits:', ...bounds]
}

function shown(key: string, value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : value.map(String).join(' ')
  if (key.endsWith('Bytes')) return `${humanSize(Number(value))}B`
  return key.endsWith('Ms') ? `${Number(value) / 1000} s` : String(value)
}
