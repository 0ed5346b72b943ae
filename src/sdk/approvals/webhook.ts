import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Approval } from '../../policy/types.js'
import { limits, systemClock } from '../../sys/index.js'

export interface WebhookAnswer {
  approved: boolean
  /** A rule for it is to be written, too. */
  always?: true
  reason?: string
  by?: string
}

/** Why what came from it was no answer. */
export interface WebhookSilence {
  silence: string
}

/** HMAC-SHA256 with a time, so that what was heard once cannot be said again later. */
export function signatureOf(key: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex')}`
}

/**
 * Sends a question to an address, once. With a key (CAIRN_WEBHOOK_KEY) it is signed, and so must be an answer: `{"approved": true, "reason": "…"}`, with headers of
 * the same names. Without a key, and with another status than 200, the address is only told.
 * @returns why it was no answer where it was none; failures too, since a person can still answer. Neither address nor key is in any message
 */
export async function callWebhook(url: string, approval: Approval, key: string | undefined, signal: AbortSignal): Promise<WebhookAnswer | WebhookSilence> {
  const body = JSON.stringify({ type: 'cairn.approval', ...approval })
  const timestamp = String(systemClock.now())
  const headers = {
    'content-type': 'application/json',
    'x-cairn-timestamp': timestamp,
    ...(key === undefined ? {} : { 'x-cairn-signature': signatureOf(key, timestamp, body) }),
  }
  let response: Response
  let text: string
  try {
    response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    text = await boundedText(response)
  } catch {
    return { silence: 'could not be reached' }
  }
  const { status } = response
  if (status >= 300 && status < 400) return { silence: `answered with ${status}, and leads elsewhere are not followed` }
  if (status >= 400) return { silence: `answered with ${status}` }
  if (key === undefined || status !== 200) return { silence: 'was told' }
  if (!isSigned(response.headers, key, text, approval.id)) return { silence: 'answered without a signature that counts' }
  return answerIn(text) ?? { silence: 'answered neither yes nor no' }
}

/** The id is signed with it: an answer to another question is none to this one. */
function isSigned(headers: Headers, key: string, text: string, id: string): boolean {
  const timestamp = headers.get('x-cairn-timestamp') ?? ''
  if (!(Math.abs(systemClock.now() - Number(timestamp)) <= limits.clockSkewMs)) return false
  const wanted = Buffer.from(signatureOf(key, `${timestamp}.${id}`, text))
  const given = Buffer.from(headers.get('x-cairn-signature') ?? '')
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += (part as Uint8Array).length
    if (bytes > limits.webhookBytes) return ''
    parts.push(part as Uint8Array)
  }
  return Buffer.concat(parts).toString('utf8')
}

function answerIn(text: string): WebhookAnswer | undefined {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    return undefined
  }
  const { approved, always, reason, by } = (said ?? {}) as Record<string, unknown>
  if (typeof approved !== 'boolean') return undefined
  return {
    approved,
    ...(approved && always === true && { always }),
    ...(typeof reason === 'string' && { reason: reason.slice(0, 500) }),
    ...(typeof by === 'string' && { by: by.slice(0, 100) }),
  }
}
