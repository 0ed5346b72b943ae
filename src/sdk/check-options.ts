import { CairnError } from '../errors.js'
import { isActor } from '../sys/actor.js'
import { limits } from '../sys/index.js'

const MODES = ['readonly', 'readwrite']
const DURABILITIES = ['local', 'remote']

/**
 * A mode or a durability with a typing mistake would otherwise be the default, which promises less than what was meant.
 * @throws CairnError ERR_INVALID_ARG_VALUE
 */
export function checkOptions({ mode, durability, actor }: { mode?: unknown; durability?: unknown; actor?: unknown }): void {
  checkActor(actor)
  check('mode', mode, MODES)
  check('durability', durability, DURABILITIES)
}

/** One that is no number would be waited for without an end. @throws CairnError ERR_INVALID_ARG_VALUE */
export function checkTimeout({ timeoutMs }: { timeoutMs?: unknown }): void {
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs >= 0)) return
  throw new CairnError('ERR_INVALID_ARG_VALUE', `There is no timeoutMs ${String(timeoutMs)}.`, 'Give milliseconds, from 0 on.')
}

/** Who does something: in logs, answers and the audit, a line each. @throws CairnError ERR_INVALID_ARG_VALUE */
export function checkActor(actor: unknown): void {
  if (actor === undefined || isActor(actor)) return
  const given = typeof actor === 'string' ? JSON.stringify(actor.slice(0, 80)) : typeof actor
  throw new CairnError('ERR_INVALID_ARG_VALUE', `The actor ${given} is no name.`, `Give 1 to ${limits.actorCharacters} characters in one line.`)
}

function check(name: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return
  const given = typeof value === 'string' ? `'${value}'` : String(value)
  throw new CairnError('ERR_INVALID_ARG_VALUE', `There is no ${name} ${given}.`, `Give ${known.map(one => `'${one}'`).join(' or ')}.`)
}
