import { checkText } from '../sdk/policy.js'
import { usageError } from './errors.js'
import { policyTextOf } from './policy-file.js'
import type { Run } from './spec.js'

/** Replaces the policy of a volume by a file of this host. */
export const run: Run = async (context, [operand, file], options) => {
  const name = await context.volumeName(operand)
  const takesAway = options['none'] === true
  if (takesAway === (file !== undefined)) throw usageError('What the policy is to be was not said.', 'Name a file, `-` for standard input, or --none.')
  await context.refuseReadOnly()
  const text = file === undefined ? null : await policyTextOf(context, file)
  // Here its name is known.
  if (text !== null && file !== '-') await checkText(text, file)
  const cairn = await context.cairn()
  const policy = await context.helped(() => cairn.setPolicy(name, text))
  await context.result({ volume: name, ...policy }, () => [policy.isDefault ? `${name} has no policy of its own any more.` : `${name} has a new policy.`])
  return 0
}
