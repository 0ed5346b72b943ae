import { decide } from './decide.js'
import { typed } from './item.js'
import type { Example, Policy } from './policy.js'
import type { Decision, Effect } from './types.js'

/** How an example of a policy came out. */
export interface Tried {
  line: number
  run: string
  expect: Effect
  expectRule?: string
  decision: Decision
  ok: boolean
}

/** Tries the examples that a policy has in it. */
export async function tryExamples(policy: Policy): Promise<Tried[]> {
  const tried: Tried[] = []
  for (const example of policy.examples) tried.push(await tryOne(policy, example))
  return tried
}

async function tryOne(policy: Policy, { line, run, cwd, actor, network, expect, rule }: Example): Promise<Tried> {
  const command = typeof run === 'string' ? { shell: run } : { program: run[0], args: run.slice(1) }
  const decision = await decide(policy, { command, cwd, actor, network })
  return {
    line,
    run: typeof run === 'string' ? run : typed(run),
    expect,
    ...(rule === undefined ? {} : { expectRule: rule }),
    decision,
    ok: decision.effect === expect && (rule === undefined || decision.rule === rule),
  }
}
