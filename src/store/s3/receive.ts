import { Readable } from 'node:stream'
import type { Agents } from '../http/agents.js'
import { send } from '../http/request.js'
import type { Sdk } from './sdk.js'

type GetCommand = InstanceType<Sdk['GetObjectCommand']>

/** A request as the SDK has signed it. */
interface SignedRequest {
  protocol: string
  hostname: string
  port?: number
  path: string
  query?: Record<string, string | string[] | null>
  headers: Record<string, string>
}

/**
 * Has the body of an object received in `into` where it fits, past the SDK's own client, which signs the request and reads all else of the answer.
 * @returns what was received, once the command has succeeded; undefined before
 */
export function receiveInto(command: GetCommand, agents: Agents, into: Uint8Array, signal: AbortSignal | undefined): () => Buffer | undefined {
  let received: Buffer | undefined
  command.middlewareStack.add(
    () => async args => {
      const { url, headers } = addressed(args.request as SignedRequest)
      const { status, headers: found, body } = await send(agents, { method: 'GET', url, headers, into, ...(signal !== undefined && { signal }) })
      const isObject = status === 200 || status === 206
      received = isObject ? body : undefined
      return { response: { statusCode: status, headers: found, body: Readable.from(isObject || body.length === 0 ? [] : [body]) } } as never
    },
    { name: 'cairnReceiveInto', step: 'deserialize', priority: 'low' },
  )
  return () => received
}

function addressed({ protocol, hostname, port, path, query = {}, headers }: SignedRequest): { url: URL; headers: Record<string, string> } {
  const pairs = Object.entries(query).flatMap(([name, values]) => [values ?? ''].flat().map(value => `${escaped(name)}=${escaped(value)}`))
  const origin = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`
  return { url: new URL(`${origin}${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`), headers }
}

/** As it was signed. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
}
