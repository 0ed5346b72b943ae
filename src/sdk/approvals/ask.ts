import type { Approval, ApprovalAnswer, AskedHow, AskSettings, Decision } from '../../policy/types.js'
import { limits, systemClock } from '../../sys/index.js'
import { ApprovalQueue, type Question } from './queue.js'
import { callWebhook } from './webhook.js'

/** What a callback says: undefined leaves it to others. `always`: a rule for it is written into the policy first. */
export type AskReply = boolean | { approved: boolean; always?: boolean; reason?: string } | undefined

export interface AskOptions extends AskSettings {
  /** Is told the question, and may answer it. */
  onAsk?: (approval: Approval) => AskReply | Promise<AskReply>
  signal?: AbortSignal
  /** Of the webhook; default CAIRN_WEBHOOK_KEY. */
  webhookKey?: string
  /** What belongs to the question and is kept out of its file: values of variables. */
  unseen?: string
  /** Answers it, and writes the rule where it is for always. @throws where it is answered already, or no rule can say it */
  answer?: (id: string, answer: Said) => Promise<unknown>
}

/** What somebody says to a question. */
interface Said {
  approved: boolean
  by: string
  always?: boolean
  reason?: string
}

/** The question that a decision is. */
export function questionOf(volume: string, command: string, cwd: string, actor: string, network: boolean, decision: Decision, how: AskedHow = {}): Question {
  const asks = decision.commands
    .filter(one => one.effect === 'ask')
    .map(({ text, program, args, rule, reason, inexact, unknown }) => ({
      text,
      reason,
      network,
      ...(rule === undefined ? {} : { rule }),
      ...(program === undefined || inexact === true || unknown !== undefined ? {} : { program, args }),
    }))
  return { volume, command, cwd, actor, reason: decision.reason, asks, ...(Object.keys(how).length === 0 ? {} : { how }) }
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
    const leftMs = Math.max(0, untilMs - systemClock.now())
    const approval = queue.ask(question, leftMs, options.unseen)
    const answer = await answerTo(queue, approval, options)
    // Somebody asked the same before, and that time is over.
    if (answer.by === '' && approval.untilMs < untilMs && systemClock.now() < untilMs) continue
    // An approval is for one run: of two who wait for the same, the other asks again.
    if (!answer.approved || queue.use(approval.id)) return answer
  }
}

async function answerTo(queue: ApprovalQueue, approval: Approval, options: AskOptions): Promise<ApprovalAnswer> {
  const over = new AbortController()
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal])
  const heard: string[] = []
  try {
    if (approval.state === 'pending') void consult(queue, approval, options, signal, heard)
    const answer = await queue.wait(approval.id, options.signal)
    return answer.by === '' && heard.length > 0 ? { ...answer, reason: [answer.reason, ...heard].join(' ') } : answer
  } finally {
    over.abort()
  }
}

/** Whoever of these answers, answers for all: the queue tells the one that waits. @param heard why one of them did not */
async function consult(queue: ApprovalQueue, approval: Approval, options: AskOptions, signal: AbortSignal, heard: string[]): Promise<void> {
  const { onAsk } = options
  const url = options.webhook ?? process.env['CAIRN_WEBHOOK']
  const key = options.webhookKey ?? (process.env['CAIRN_WEBHOOK_KEY'] || undefined)
  const record = options.answer ?? (async (id: string, { always: _, ...said }: Said) => queue.answer(id, { ...said, atMs: systemClock.now() }))
  const say = async (said: Said): Promise<void> => {
    try {
      await record(approval.id, said)
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_APPROVAL_ANSWERED') return
      heard.push(`${said.by} said yes for always: ${(error as Error).message}`)
    }
  }
  const callback = async (): Promise<void> => {
    if (onAsk === undefined) return
    try {
      const reply = saidBy(await onAsk(approval))
      if (reply !== undefined) await say({ ...reply, by: 'callback' })
    } catch (error) {
      await say({ approved: false, by: 'callback', reason: `The callback failed: ${error instanceof Error ? error.message : String(error)}` })
    }
  }
  const webhook = async (): Promise<void> => {
    if (url === undefined || url === '') return
    const reply = await callWebhook(url, approval, key, signal)
    if ('silence' in reply) heard.push(`The webhook ${reply.silence}.`)
    else await say({ by: 'webhook', ...reply })
  }
  await Promise.all([callback(), webhook()])
}

/** Nothing but true is yes. @throws of what is no answer */
function saidBy(reply: AskReply): Omit<Said, 'by'> | undefined {
  if (reply === undefined) return undefined
  if (typeof reply === 'boolean') return { approved: reply }
  const { approved, always, reason } = (reply ?? {}) as { approved?: unknown; always?: unknown; reason?: unknown }
  if (typeof approved !== 'boolean') throw new Error('it answered neither true nor false.')
  return { approved, ...(approved && always === true ? { always } : {}), ...(typeof reason === 'string' ? { reason } : {}) }
}
