import type { Run } from './spec.js'

/** Answers a question with no. */
export const run: Run = async (context, [id], { reason }) => {
  const cairn = await context.cairn()
  const approval = await cairn.approvals.deny(id, typeof reason === 'string' ? { reason } : {})
  await context.result(approval, () => [`${id} is denied.`])
  return 0
}
