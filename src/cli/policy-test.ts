import type { Tried } from '../policy/index.js'
import { plural, printable } from './format.js'
import { policyTextOf } from './policy-file.js'
import type { Run } from './spec.js'

/** Tries the examples of a policy: that of a volume, or a file that is to become one. Exits 1 when one comes out otherwise. */
export const run: Run = async (context, [operand, file]) => {
  const name = await context.volumeName(operand)
  const cairn = await context.cairn()
  const text = file === undefined ? (await context.helped(() => cairn.policy(name))).text : await policyTextOf(context, file)
  const { parsePolicy, tryExamples, effectInFile } = await import('../policy/index.js')
  const tried = await tryExamples(await parsePolicy(text, file === '-' ? undefined : file))
  const ok = tried.every(one => one.ok)
  const line = ({ ok, line, run, expect, expectRule, decision }: Tried): string => {
    const said = `${effectInFile(decision.effect)}${decision.rule === undefined ? '' : ` (${decision.rule})`}`
    const wanted = ok ? '' : `, not ${effectInFile(expect)}${expectRule === undefined ? '' : ` (${expectRule})`}`
    return `${ok ? 'ok  ' : 'FAIL'} line ${line}: ${printable(run)}: ${said}${wanted}`
  }
  const examples = tried.map(({ decision, expect, ...one }) => ({
    ...one,
    expect: effectInFile(expect),
    effect: effectInFile(decision.effect),
    rule: decision.rule,
  }))
  await context.result({ volume: name, ok, examples }, () => [
    ...tried.map(line),
    tried.length === 0 ? 'The policy has no examples.' : `${plural(tried.length, 'example')}, ${tried.filter(one => !one.ok).length} wrong.`,
  ])
  return ok ? 0 : 1
}
