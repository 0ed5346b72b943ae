import type { PolicyRequest } from './request.js'
import type { ExecDecision } from './types.js'

/** What the policy of a volume says to a command. */
export interface Verdict {
  decision: ExecDecision
}

/** A volume without a policy allows what its owner asks for. */
export async function decide(_request: PolicyRequest): Promise<Verdict> {
  return { decision: { effect: 'allow', reason: 'The volume has no policy.' } }
}
