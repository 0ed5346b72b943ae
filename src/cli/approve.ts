import type { Run } from './spec.js'

/** Answers a question with yes. */
export const run: Run = async (context, [id], options) => {
  const { always, reason } = options
  const cairn = await context.cairn()
  const approval = await cairn.approvals.approve(id, { always: always === true, ...(typeof reason === 'string' && { reason }) })
  await context.result(approval, () => [
    always === true ? `${id} is approved, and the policy of ${approval.volume} has a rule for it.` : `${id} is approved, this once.`,
  ])
  return 0
}
