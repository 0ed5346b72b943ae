import type { Policy } from './policy.js'

/** Of a volume that has none: its owner asks, so that everything runs, after a checkpoint, and with a network where that is asked for. */
export const DEFAULT_POLICY = `version: 1
default: allow-with-checkpoint
unknown: allow-with-checkpoint
limits: {network: allow}
`

/** What judges where there is no policy to be had: everything is denied. */
export function brokenPolicy(text: string, problem: string): Policy {
  return { text, fallback: 'deny', unknown: 'deny', ask: {}, limits: {}, rules: [], examples: [], broken: problem }
}
