import type { Approval } from '../../policy/types.js'
import { systemClock } from '../../sys/index.js'
import type { CairnApi } from '../types.js'
import { ApprovalQueue } from './queue.js'

/** Questions of policies that wait for a person: `cairn.approvals`. Only who may use the home can see and answer them. */
export interface Approvals {
  /** Those that wait, the oldest first. @param options all: with those that were answered, or that nobody answered, of the last seven days */
  list(options?: { all?: boolean }): Promise<Approval[]>
  /**
   * Lets it run, once. `always`: a rule for this is written into the policy of its volume first.
   * @throws CairnError ERR_APPROVAL_UNKNOWN, ERR_APPROVAL_ANSWERED, ERR_APPROVAL_ALWAYS (no rule can say it), ERR_POLICY_CHANGED
   */
  approve(id: string, options?: { always?: boolean; reason?: string }): Promise<Approval>
  /** @throws CairnError ERR_APPROVAL_UNKNOWN, ERR_APPROVAL_ANSWERED */
  deny(id: string, options?: { reason?: string }): Promise<Approval>
  /** Those that wait, and each that comes, until the signal. */
  watch(options?: { signal?: AbortSignal }): AsyncIterable<Approval>
}

type Policies = Pick<CairnApi, 'policy' | 'setPolicy'>

export function approvalsOf(cairn: Pick<CairnApi, 'home'> & Policies & { readonly actor: string }): Approvals {
  const queue = new ApprovalQueue(cairn.home)
  const { actor: by } = cairn
  return {
    list: async ({ all = false } = {}) => queue.list(all),
    approve: async (id, { always = false, reason } = {}) =>
      answerAs(cairn, queue, id, { approved: true, by, always, ...(reason === undefined ? {} : { reason }) }),
    deny: async (id, { reason } = {}) => answerAs(cairn, queue, id, { approved: false, by, ...(reason === undefined ? {} : { reason }) }),
    watch: ({ signal } = {}) => watched(queue, signal),
  }
}

/**
 * Answers a question; where it is for always, its rule is in the policy before whoever asked hears of it, and is not when somebody else was faster.
 * @throws CairnError ERR_APPROVAL_UNKNOWN, ERR_APPROVAL_ANSWERED, ERR_APPROVAL_ALWAYS, ERR_POLICY_CHANGED
 */
export async function answerAs(
  cairn: Policies,
  queue: ApprovalQueue,
  id: string,
  { always = false, ...said }: { approved: boolean; by: string; always?: boolean; reason?: string },
): Promise<Approval> {
  const answer = () => queue.answer(id, { ...said, atMs: systemClock.now(), ...(always ? { always: true } : {}) })
  if (!always) return answer()
  const approval = queue.mustWait(id)
  const { allowAlways } = await import('../../policy/index.js')
  const { text, revision, isDefault } = await cairn.policy(approval.volume)
  const written = await cairn.setPolicy(approval.volume, allowAlways(text, approval), { ifRevision: revision })
  try {
    return answer()
  } catch (error) {
    await cairn.setPolicy(approval.volume, isDefault ? null : text, { ifRevision: written.revision }).catch(() => undefined)
    throw error
  }
}

async function* watched(queue: ApprovalQueue, signal: AbortSignal | undefined): AsyncGenerator<Approval> {
  const told = new Set<string>()
  let wake = (): void => {}
  let hasChanged = true
  const watching = queue.watch(() => {
    hasChanged = true
    wake()
  })
  const aborted = (): void => wake()
  signal?.addEventListener('abort', aborted)
  try {
    while (signal?.aborted !== true) {
      if (!hasChanged) {
        await new Promise<void>(resolve => {
          wake = resolve
          if (hasChanged || signal?.aborted === true) resolve()
        })
      }
      hasChanged = false
      for (const approval of queue.list()) {
        if (told.has(approval.id)) continue
        told.add(approval.id)
        yield approval
      }
    }
  } finally {
    watching.close()
    signal?.removeEventListener('abort', aborted)
  }
}
