import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Answer, Exchange, Operation } from './exchange.js'
import { Faults, flipped, statusInstead } from './faults.js'

export interface ServiceOptions {
  /** Added to every request. Milliseconds. */
  latencyMs?: number
  /** Added to every listing. Milliseconds. */
  listDelayMs?: number
  /** How far the server's clock is ahead. Milliseconds. */
  clockSkewMs?: number
  port?: number
  /** Address that it listens on; default this machine's own. */
  host?: string
}

export interface Count {
  requests: number
  bytesIn: number
  bytesOut: number
}

const none = (): Count => ({ requests: 0, bytesIn: 0, bytesOut: 0 })

/** An HTTP server in this process that counts what it is asked for, and fails when it is told to. */
export abstract class ObjectService {
  readonly faults = new Faults()
  latencyMs: number
  listDelayMs: number
  clockSkewMs: number
  readonly #port: number
  readonly #host: string
  readonly #server: Server
  /** Ends the waits of those that are answered late. */
  readonly #waits = new Set<() => void>()
  #counts = new Map<string, Count>()
  /** Requests being answered, and the most at once. */
  #running = 0
  peak = 0

  constructor(options: ServiceOptions) {
    this.latencyMs = options.latencyMs ?? 0
    this.listDelayMs = options.listDelayMs ?? 0
    this.clockSkewMs = options.clockSkewMs ?? 0
    this.#port = options.port ?? 0
    this.#host = options.host ?? '127.0.0.1'
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('checkContinue', (request, response) => {
      response.writeContinue()
      void this.#serve(request, response)
    })
    this.#server.keepAliveTimeout = 60_000
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, this.#host, resolve)
    })
    return this
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Requests and bytes by operation since the last reset. */
  get counts(): ReadonlyMap<string, Count> {
    return this.#counts
  }

  get total(): Count {
    const sum = none()
    for (const count of this.#counts.values()) {
      sum.requests += count.requests
      sum.bytesIn += count.bytesIn
      sum.bytesOut += count.bytesOut
    }
    return sum
  }

  requests(operation: string): number {
    return this.#counts.get(operation)?.requests ?? 0
  }

  /** Answers at once what it holds back, and from now on everything. */
  hurry(): void {
    this.latencyMs = 0
    for (const end of this.#waits) end()
  }

  resetCounts(): void {
    this.#counts = new Map()
    this.peak = this.#running
  }

  nowMs(): number {
    return Date.now() + this.clockSkewMs
  }

  protected abstract operation(exchange: Exchange): Operation
  /** Applies the request. */
  protected abstract apply(exchange: Exchange, operation: Operation): Answer
  /** How this service words a failure. */
  protected abstract failure(status: number, operation: Operation): Answer

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.peak = Math.max(this.peak, ++this.#running)
    try {
      await this.#answer(request, response)
    } catch (error) {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
      else response.destroy()
    } finally {
      this.#running--
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = await whole(request)
    if (exchange === undefined) return
    const operation = this.operation(exchange)
    const count = this.#count(operation, exchange)
    const fault = this.faults.take(operation)
    await this.#pause(this.latencyMs + (operation.name.startsWith('List') ? this.listDelayMs : 0) + (fault?.kind === 'delay' ? (fault.delayMs ?? 100) : 0))
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'lost') {
      request.socket.destroy()
      return
    }
    const instead = statusInstead(fault)
    let result = instead === undefined ? this.apply(exchange, operation) : this.failure(instead, operation)
    if (fault?.kind === 'lost-applied') {
      request.socket.destroy()
      return
    }
    if (fault?.kind === 'error-applied') result = this.failure(500, operation)
    if (fault?.kind === 'flip') result = flipped(result)
    count.bytesOut += result.body.length
    this.#send(response, exchange, result, fault?.kind === 'short')
  }

  /** Resolves at once for nothing: a timer costs a millisecond. */
  #pause(ms: number): Promise<void> | undefined {
    if (ms <= 0) return undefined
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#waits.delete(end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.#waits.add(end)
    })
  }

  #count({ name }: Operation, { body }: Exchange): Count {
    const count = this.#counts.get(name) ?? none()
    this.#counts.set(name, count)
    count.requests++
    count.bytesIn += body.length
    return count
  }

  #send(response: ServerResponse, { method }: Exchange, { status, headers, body }: Answer, short: boolean): void {
    response.sendDate = false
    const length = method === 'HEAD' ? headers['content-length'] : status === 204 || status === 304 ? undefined : String(body.length)
    response.writeHead(status, { date: new Date(this.nowMs()).toUTCString(), ...headers, ...(length !== undefined && { 'content-length': length }) })
    if (method === 'HEAD') response.end()
    else if (!short) response.end(body)
    else response.write(body.subarray(0, body.length >> 1), () => response.destroy())
  }
}

/** Undefined when the client went away. */
async function whole(request: IncomingMessage): Promise<Exchange | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    return undefined
  }
  const [rawPath, rawQuery = ''] = splitAtFirst(request.url ?? '/', '?')
  const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
  return { method: request.method ?? 'GET', rawPath, rawQuery, query: new URLSearchParams(rawQuery), headers: request.headers, body }
}

function splitAtFirst(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
