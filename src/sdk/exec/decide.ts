import { CairnError } from '../../errors.js'
import { WORKSPACE } from '../../exec/index.js'
import type { Policy } from '../../policy/index.js'
import type { AskedHow, Decision } from '../../policy/types.js'
import { limits } from '../../sys/index.js'
import type { ExecCommand, ExecDecision, ExecOptions } from './types.js'

/** Loaded once: to import what is loaded looks at files all the same. */
let policies: Promise<typeof import('../../policy/index.js')> | undefined

/** What a policy says to a command. Some tenths of a millisecond. */
export async function decide(policy: Policy, command: ExecCommand, actor: string, options: ExecOptions): Promise<Decision> {
  const { cwd = '/', network, env = {}, sandbox } = options
  policies ??= import('../../policy/index.js')
  const { decide: decideBy } = await policies
  return decideBy(policy, {
    command,
    cwd,
    actor,
    // Without a sandbox it has the network, whether it asks for it or not.
    network: network === 'allow' || sandbox === 'none',
    env: Object.keys(env),
    workspace: WORKSPACE,
  })
}

/** Whether nobody has to be asked or told first. */
export function runsAtOnce({ effect, limits: { network } }: Decision, options: ExecOptions): boolean {
  return (effect === 'allow' || effect === 'checkpoint') && !(options.network === 'allow' && network === 'none')
}

/** As the answer tells it. */
export function shownDecision({ effect, rule, reason }: Decision): ExecDecision {
  return { effect, reason, ...(rule === undefined ? {} : { rule }) }
}

/** What a person is told of how it would run, where that is not as usual. Values of variables may be secrets. */
export function askedHow({ sandbox, network, env = {}, readable = [] }: ExecOptions): AskedHow {
  const names = Object.keys(env)
  return {
    ...(sandbox === 'none' ? { sandbox } : {}),
    ...(network === 'allow' ? { network } : {}),
    ...(names.length === 0 ? {} : { env: names }),
    ...(readable.length === 0 ? {} : { readable }),
  }
}

/** What a command may not do. */
export function denied({ reason, rule }: { reason: string; rule?: string }): CairnError {
  const by = rule === undefined ? '' : ` (rule "${rule}")`
  return new CairnError(
    'ERR_EXEC_DENIED',
    `The policy of the volume denies this command${by}: ${reason.replace(/(?<![.!?…])$/, '.')}`,
    'Do it another way, or ask the owner of the volume.',
    { exitCode: 126 },
  )
}

/**
 * The options within the bounds of the policy: the stricter counts.
 * @throws CairnError ERR_EXEC_DENIED when the network was asked for, and is not allowed
 */
export function bounded(options: ExecOptions, decision: Decision): ExecOptions {
  const { timeoutMs, memoryBytes, cpuSeconds, processes, outputBytes, network } = decision.limits
  if (options.network === 'allow' && network === 'none') throw denied({ ...decision, reason: 'it may not use the network.' })
  const each = outputBytes === undefined ? undefined : Math.floor(outputBytes / 2)
  return {
    ...options,
    ...least('timeoutMs', options.timeoutMs, timeoutMs),
    ...least('memoryBytes', options.memoryBytes, memoryBytes),
    ...least('cpuSeconds', options.cpuSeconds, cpuSeconds),
    ...least('processes', options.processes, processes),
    ...least('outputBytes', options.outputBytes ?? (each === undefined ? undefined : limits.execOutputBytes), each),
    ...(network === 'none' ? { network } : {}),
    ...(decision.effect === 'checkpoint' ? { checkpoint: true } : {}),
  }
}

function least<Name extends string>(name: Name, asked: number | undefined, allowed: number | undefined): { [key in Name]?: number } {
  const value = asked === undefined || allowed === undefined ? (asked ?? allowed) : Math.min(asked, allowed)
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: number })
}
