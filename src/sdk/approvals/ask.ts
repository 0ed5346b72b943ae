import type { Approval, ApprovalAnswer, AskSettings, Decision } from '../../policy/types.js'
import { limits, systemClock } from '../../sys/index.js'
import { ApprovalQueue, type Question } from './queue.js'
import { callWebhook } from './webhook.js'

/** What a callback says: undefined leaves it to others. */
export type AskReply = boolean | { approved: boolean; reason?: string } | undefined

export interface AskOptions extends AskSettings {
  /** Is told the question, and may answer it. */
  onAsk?: (approval: Approval) => AskReply | Promise<AskReply>
  signal?: AbortSignal
  /** Of the webhook; default CAIRN_WEBHOOK_KEY. */
  webhookKey?: string
}

/** The question that a decision is. */
export function questionOf(volume: string, command: string, cwd: string, actor: string, network: boolean, decision: Decision): Question {
  const asks = decision.commands
    .filter(one => one.effect === 'ask')
    .map(({ text, program, args, rule, reason, inexact, unknown }) => ({
      text,
      reason,
      network,
      ...(rule === undefined ? {} : { rule }),
      ...(program === undefined || inexact === true || unknown !== undefined ? {} : { program, args }),
    }))
  return { volume, command, cwd, actor, reason: decision.reason, asks }
}

/**
 * Asks a person and waits: for `cairn approve` or `deny`, the callback, or the webhook, whichever is first. The question stays when whoever asked is lost. Denied
 * when nobody answered in time.
 * @throws the reason of `signal`
 */
export async function askPerson(home: string, question: Question, options: AskOptions = {}): Promise<ApprovalAnswer> {
  const queue = new ApprovalQueue(home)
  const untilMs = systemClock.now() + (options.timeoutMs ?? limits.approvalMs)
  for (;;) {
    const approval = queue.ask(question, Math.max(0, untilMs - systemClock.now()))
    const answer = await answerTo(queue, approval, options)
    // An approval is for one run: of two who wait for the same, the other asks again.
    if (!answer.approved || queue.use(approval.id)) return answer
  }
}

async function answerTo(queue: ApprovalQueue, approval: Approval, options: AskOptions): Promise<ApprovalAnswer> {
  const over = new AbortController()
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal])
  try {
    if (approval.state === 'pending') void consult(queue, approval, options, signal)
    return await queue.wait(approval.id, options.signal)
  } finally {
    over.abort()
  }
}

/** Whoever of these answers, answers for all: the queue tells the one that waits. */
async function consult(queue: ApprovalQueue, approval: Approval, options: AskOptions, signal: AbortSignal): Promise<void> {
  const { onAsk } = options
  const url = options.webhook ?? process.env['CAIRN_WEBHOOK']
  const key = options.webhookKey ?? (process.env['CAIRN_WEBHOOK_KEY'] || undefined)
  const say = (by: string, { approved, reason }: { approved: boolean; reason?: string }): void => {
    try {
      queue.answer(approval.id, { approved, by, atMs: systemClock.now(), ...(reason === undefined ? {} : { reason }) })
    } catch {
      // Somebody was faster.
    }
  }
  const callback = async (): Promise<void> => {
    try {
      const reply = await onAsk?.(approval)
      if (reply !== undefined) say('callback', typeof reply === 'boolean' ? { approved: reply } : reply)
    } catch (error) {
      say('callback', { approved: false, reason: `The callback failed: ${error instanceof Error ? error.message : String(error)}` })
    }
  }
  const webhook = async (): Promise<void> => {
    if (url === undefined || url === '') return
    const reply = await callWebhook(url, approval, key, signal)
    if (reply !== undefined) say(reply.by ?? 'webhook', reply)
  }
  await Promise.all([callback(), webhook()])
}
