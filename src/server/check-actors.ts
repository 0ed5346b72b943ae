import { CairnError } from '../errors.js'
import { isActor } from '../sys/actor.js'
import { limits } from '../sys/index.js'

/** Where `open` has it. */
const OF_OPEN = 2

/**
 * Whoever is named as an actor stands in the trees of volumes, and in lines of their logs: what could not would end the thread that serves all mounts.
 * @throws CairnError ERR_INVALID_ARG_VALUE
 */
export function checkActors(method: string, args: readonly unknown[]): void {
  const named = args.flatMap(one => (typeof one === 'object' && one !== null && 'actor' in one ? [one.actor] : []))
  for (const actor of method === 'open' ? [...named, args[OF_OPEN]] : named) {
    if (actor === undefined || actor === null || isActor(actor)) continue
    throw new CairnError('ERR_INVALID_ARG_VALUE', 'The actor of a call is no name.', `Give 1 to ${limits.actorCharacters} characters in one line.`)
  }
}
