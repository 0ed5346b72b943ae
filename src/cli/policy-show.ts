import type { PolicyInfo } from '../sdk/types.js'
import type { Run } from './spec.js'

/** Prints the policy of a volume. */
export const run: Run = async (context, [operand]) => {
  const name = await context.volumeName(operand)
  const cairn = await context.cairn()
  const policy = await context.helped(() => cairn.policy(name))
  await context.result({ volume: name, ...policy }, () => lines(name, policy))
  return 0
}

function lines(name: string, { text, isDefault }: PolicyInfo): string[] {
  const own = text.replace(/\n$/, '').split('\n')
  return isDefault ? [`# ${name} has no policy of its own: this is what counts then.`, ...own] : own
}
