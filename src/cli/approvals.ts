import type { Approval, AskedHow } from '../sdk/types.js'
import type { Context } from './context.js'
import { printable } from './format.js'
import type { Run } from './spec.js'

/** Lists the questions that wait for a person; with --watch goes on with each that comes. */
export const run: Run = async (context, _, options) => {
  const cairn = await context.cairn()
  if (options['watch'] === true) {
    for await (const approval of cairn.approvals.watch()) await one(context, approval)
    return 0
  }
  const approvals = await cairn.approvals.list({ all: options['all'] === true })
  await context.result({ approvals }, () => (approvals.length === 0 ? ['Nothing waits for an answer.'] : approvals.flatMap(linesOf)))
  return 0
}

/** One at a time: with --json a line each. */
async function one(context: Context, approval: Approval): Promise<void> {
  if (context.json) await context.out.write(`${JSON.stringify(approval)}\n`)
  else await context.out.lines(linesOf(approval))
}

export function linesOf({ id, volume, command, cwd, actor, reason, how, askedMs, untilMs, state, answer }: Approval): string[] {
  const by = answer === undefined || answer.by === '' ? '' : ` by ${printable(answer.by)}`
  const left = state === 'pending' ? `, waits ${Math.max(0, Math.ceil((untilMs - Date.now()) / 1000))} s more` : `, ${state}${by}`
  return [
    `${id}  ${volume}:${printable(cwd)}  ${printable(actor)}, ${new Date(askedMs).toISOString().slice(0, 19)}${left}`,
    `    ${printable(command)}`,
    `    ${printable(reason)}`,
    ...howLines(how),
    ...(answer?.reason === undefined ? [] : [`    ${printable(answer.reason)}`]),
  ]
}

function howLines({ sandbox, network, env = [], readable = [] }: AskedHow = {}): string[] {
  const parts = [
    ...(sandbox === undefined ? [] : ['without a sandbox']),
    ...(network === undefined ? [] : ['with the network']),
    ...(env.length === 0 ? [] : [`with ${env.map(printable).join(', ')} set`]),
    ...(readable.length === 0 ? [] : [`it can read ${readable.map(printable).join(', ')}`]),
  ]
  return parts.length === 0 ? [] : [`    ${parts.join('; ')}`]
}
