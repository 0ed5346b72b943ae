import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { limits } from '../../sys/index.js'
import type { Agents } from './agents.js'
import { collect } from './collect.js'

export interface HttpRequest {
  method: string
  url: URL
  headers?: Record<string, string>
  /** Sent one behind the other. */
  body?: readonly Uint8Array[]
  /** Room for the answer's body, taken where it fits; of a GET. */
  into?: Uint8Array
  signal?: AbortSignal
}

export interface HttpResponse {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/**
 * One request and the whole of its answer, whatever its status. Gives up where there is no connection after `limits.storeConnectMs`, or nothing moves for `limits.storeIdleMs`.
 * @throws Node's errors of connections; the signal's reason
 */
export async function send(agents: Agents, { method, url, headers = {}, body = [], into, signal }: HttpRequest): Promise<HttpResponse> {
  if (into !== undefined && agents.straight?.isFree === true)
    return agents.straight.send({ method, url, headers, into, ...(signal !== undefined && { signal }) })
  const isHttps = url.protocol === 'https:'
  const length = body.reduce((sum, part) => sum + part.length, 0)
  const hasBody = method !== 'GET' && method !== 'DELETE'
  const request = (isHttps ? httpsRequest : httpRequest)(url, {
    method,
    agent: isHttps ? agents.httpsAgent : agents.httpAgent,
    headers: { ...headers, ...(hasBody && { 'content-length': String(length) }) },
    signal,
  })
  request.setTimeout(limits.storeIdleMs, () => request.destroy(Object.assign(new Error('nothing moved'), { code: 'ETIMEDOUT' })))
  request.on('socket', socket => {
    if (!socket.connecting) return
    const late = setTimeout(() => request.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' })), limits.storeConnectMs)
    for (const event of ['connect', 'close'] as const) socket.once(event, () => clearTimeout(late))
  })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    // Stays: an error after the answer began is the body's to tell.
    request.on('error', reject)
    for (const part of body) request.write(part)
    request.end()
  })
  const announced = response.headers['content-length']
  const bytes = await collect(response, announced === undefined ? undefined : Number(announced), signal, into)
  return { status: response.statusCode ?? 0, headers: response.headers, body: bytes }
}
