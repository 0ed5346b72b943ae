import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Approval } from '../../policy/types.js'
import { limits, systemClock } from '../../sys/index.js'

export interface WebhookAnswer {
  approved: boolean
  reason?: string
  by?: string
}

/** HMAC-SHA256 with a time, so that what was heard once cannot be said again later. */
export function signatureOf(key: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex')}`
}

/**
 * Sends a question to an address, once. With a key (CAIRN_WEBHOOK_KEY) it is signed, and so must be an answer: `{"approved": true, "reason": "…"}`, with headers of
 * the same names. Without a key, and with another status than 200, the address is only told.
 * @returns undefined where that was no answer; failures too, since a person can still answer. Neither address nor key is in any message
 */
export async function callWebhook(url: string, approval: Approval, key: string | undefined, signal: AbortSignal): Promise<WebhookAnswer | undefined> {
  const body = JSON.stringify({ type: 'cairn.approval', ...approval })
  const timestamp = String(systemClock.now())
  const headers = {
    'content-type': 'application/json',
    'x-cairn-timestamp': timestamp,
    ...(key === undefined ? {} : { 'x-cairn-signature': signatureOf(key, timestamp, body) }),
  }
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
    const text = await boundedText(response)
    if (response.status !== 200 || key === undefined) return undefined
    return isSigned(response.headers, key, text, approval.id) ? answerIn(text) : undefined
  } catch {
    return undefined
  }
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
  const { approved, reason, by } = JSON.parse(text) as Record<string, unknown>
  if (typeof approved !== 'boolean') return undefined
  return { approved, ...(typeof reason === 'string' && { reason: reason.slice(0, 500) }), ...(typeof by === 'string' && { by: by.slice(0, 100) }) }
}
