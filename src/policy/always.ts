import { type Document, isMap, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml'
import { CairnError } from '../errors.js'
import type { Approval } from './types.js'

/**
 * A policy with rules that allow from now on what was asked: the same program with the same arguments, for the same actor, in the same directory or below.
 * Each stands before the rule that asked and has its limits; comments stay.
 * @throws CairnError ERR_APPROVAL_ALWAYS where what runs is not known, so that no rule could say it
 */
export function allowAlways(text: string, approval: Approval): string {
  const document = parseDocument(text)
  const rules = rulesOf(document)
  for (const ask of approval.asks) {
    const { program, args, rule } = ask
    if (program === undefined || args === undefined)
      throw new CairnError(
        'ERR_APPROVAL_ALWAYS',
        `No rule can say what runs in ${ask.text}.`,
        'Approve it for this time, without --always, or edit the policy.',
      )
    const asked = rules.items.findIndex((one, i) => isMap(one) && (one.get('name') ?? `rule ${i + 1}`) === rule)
    const limits = asked < 0 ? undefined : document.getIn(['rules', asked, 'limits'], true)
    const made = document.createNode({
      name: freeName(rules, `approved ${program.replace(/[^\p{L}\p{N} ._-]+/gu, ' ').trim()}`.slice(0, 60)),
      match: {
        program: literal(program),
        args: args.map(literal),
        cwd: literal(approval.cwd),
        actor: literal(approval.actor),
        network: ask.network,
      },
      effect: 'allow-with-checkpoint',
    })
    if (limits !== undefined) (made as YAMLMap).set('limits', (limits as { clone(): unknown }).clone())
    rules.items.splice(asked < 0 ? rules.items.length : asked, 0, made)
  }
  return String(document)
}

function rulesOf(document: Document): YAMLSeq {
  const found = document.get('rules', true)
  if (isSeq(found)) return found
  const made = document.createNode([]) as YAMLSeq
  document.set('rules', made)
  return made
}

function freeName(rules: YAMLSeq, name: string): string {
  const taken = new Set(rules.items.map(one => (isMap(one) ? one.get('name') : undefined)))
  for (let n = 2; ; n++) {
    const tried = n === 2 ? name : `${name} ${n - 1}`
    if (!taken.has(tried)) return tried
  }
}

/** A glob that means this text alone. */
function literal(text: string): string {
  return text.replace(/[\\*?[\]{}]/g, '\\$&')
}
