import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { toWire } from '../sys/wire-error.js'
import { decodeFrame, encodeFrame } from './frame.js'

/** What stands behind the socket. */
export interface RpcService {
  /** Who answers, for the handshake; JSON. */
  hello(): Record<string, unknown>
  /** A client connected. Returns the id that its calls carry. @throws CairnError ERR_SERVER_FULL */
  openSession(): string
  /** It went away, by itself or by SIGKILL: what it held open is closed. */
  closeSession(session: string): void
  call(session: string | undefined, method: string, args: unknown[]): Promise<unknown>
}

/** Undefined: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request) {
    length += part.length
    if (length <= limits.rpcRequestBytes) parts.push(part)
  }
  return length > limits.rpcRequestBytes ? undefined : Buffer.concat(parts)
}

/** The answer to a request that is longer than `limits.rpcRequestBytes`. */
export function tooLarge(): Uint8Array[] {
  const error = new CairnError('ERR_TOO_LARGE', 'The request is too large.', `Send at most ${limits.rpcChunkBytes} bytes of a file at a time.`)
  return encodeFrame({ error: toWire(error) })
}

/** Runs a call. @returns the parts of its answer, whatever comes of it */
export async function answerTo(service: RpcService, message: Buffer): Promise<Uint8Array[]> {
  try {
    const { session, method, args } = decodeFrame(message) as { session?: unknown; method?: unknown; args?: unknown }
    if (typeof method !== 'string' || !Array.isArray(args)) throw new CairnError('ERR_WIRE', 'The request names no method.', 'Send {method, args}.')
    return encodeFrame({ result: await service.call(typeof session === 'string' ? session : undefined, method, args) })
  } catch (error) {
    return encodeFrame({ error: toWire(error) })
  }
}

function reply(response: ServerResponse, parts: Uint8Array[]): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': parts.reduce((sum, part) => sum + part.length, 0) })
  for (const part of parts) response.write(part)
  response.end()
}

/** A call by itself. Those of a session come on lines (`Lines`). */
async function rpc(service: RpcService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request).catch(() => undefined)
  reply(response, body === undefined ? tooLarge() : await answerTo(service, body))
}

/** The answer stays open for as long as the client lives: its end is how the server learns that it went away. */
function session(service: RpcService, response: ServerResponse): void {
  let id: string
  try {
    id = service.openSession()
  } catch (error) {
    reply(response, encodeFrame({ error: toWire(error) }))
    return
  }
  response.on('close', () => service.closeSession(id))
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.write(`${id}\n`)
}

/** The HTTP API over whatever the server listens on. */
export function rpcListener(service: RpcService): RequestListener {
  return (request, response) => {
    response.on('error', () => response.destroy())
    if (request.method === 'GET' && request.url === '/v1/hello') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(service.hello()))
    } else if (request.method === 'POST' && request.url === '/v1/session') session(service, response)
    else if (request.method === 'POST' && request.url === '/v1/rpc') void rpc(service, request, response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('There is nothing at this address.\n')
  }
}
