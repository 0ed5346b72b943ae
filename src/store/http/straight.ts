import { validateHeaderValue } from 'node:http'
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { limits, systemClock } from '../../sys/index.js'
import { Answer } from './answer.js'
import type { HttpRequest, HttpResponse } from './request.js'

/** A request whose answer is received in memory that is given for it. */
export type StraightRequest = HttpRequest & { into: Uint8Array }

/** Memory for what is received where nothing better is known: heads, and what comes with them. One read at a time uses it. */
const anywhere = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * A client of HTTP/1.1 for large answers: the body is received where it is wanted. Node's own makes a buffer of 64 KiB for each read of a socket and copies it
 * once more, so that half of its time goes into collecting them. Everything else goes through that one. Connections are kept and used again.
 */
export class Straight {
  readonly #all = new Set<Connection>()
  /** By origin, the one used last at the end. */
  readonly #idle = new Map<string, Connection[]>()
  /** To go on with, by origin. */
  readonly #sessions = new Map<string, Buffer>()

  /** Whether there may be one more request. */
  get isFree(): boolean {
    return this.#all.size < limits.storeConnections || [...this.#idle.values()].some(idle => idle.length > 0)
  }

  /**
   * As `send`. Requests have no body.
   * @throws Node's errors of connections, `HPE_INVALID` for what is no answer; the signal's reason. Nothing is written into the memory any more then
   */
  async send({ method, url, headers = {}, into, signal }: StraightRequest): Promise<HttpResponse> {
    signal?.throwIfAborted()
    const head = headOf(method, url, headers)
    const connection = this.#rested(url.origin) ?? this.#connect(url)
    const stop = (): void => connection.end(signal?.reason as Error)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      const { status, headers: found, body, keepsAlive } = await connection.exchange(head, new Answer(into))
      if (keepsAlive) this.#rest(connection, url.origin)
      else connection.end()
      return { status, headers: found, body }
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  #connect(url: URL): Connection {
    const connection: Connection = new Connection(
      onread => this.#open(url, onread),
      () => {
        this.#all.delete(connection)
        const idle = this.#idle.get(url.origin)
        if (idle?.includes(connection) === true) idle.splice(idle.indexOf(connection), 1)
      },
    )
    this.#all.add(connection)
    return connection
  }

  /** The others that rested too long go. */
  #rested(origin: string): Connection | undefined {
    const idle = this.#idle.get(origin) ?? []
    const last = idle.pop()
    if (last === undefined || systemClock.monotonic() - last.sinceMs < limits.storeRestMs) return last
    for (const one of [last, ...idle.splice(0)]) one.end()
    return undefined
  }

  #rest(connection: Connection, origin: string): void {
    connection.sinceMs = systemClock.monotonic()
    const idle = this.#idle.get(origin) ?? []
    idle.push(connection)
    this.#idle.set(origin, idle)
  }

  #open({ protocol, hostname, port, origin }: URL, onread: OnReadOpts): Socket {
    const host = hostname.replace(/^\[|\]$/g, '')
    const isTls = protocol === 'https:'
    const place = { host, port: port === '' ? (isTls ? 443 : 80) : Number(port), noDelay: true, onread }
    if (!isTls) return connectPlain(place)
    const session = this.#sessions.get(origin)
    const name = isIP(host) === 0 ? { servername: host } : {}
    const socket: TLSSocket = connectTls({ ...place, ...name, ALPNProtocols: ['http/1.1'], ...(session !== undefined && { session }) })
    return socket.on('session', (one: Buffer) => this.#sessions.set(origin, one))
  }

  close(): void {
    for (const connection of [...this.#all]) connection.end()
  }
}

/** One connection: one request after the other. */
class Connection {
  /** When it began to rest; of a monotonic clock. */
  sinceMs = 0
  readonly #socket: Socket
  #answer: Answer | undefined
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  /**
   * @param open connects
   * @param onEnd told when it is of no use any more
   */
  constructor(open: (onread: OnReadOpts) => Socket, onEnd: () => void) {
    this.#socket = open({
      buffer: () => this.#answer?.room ?? anywhere,
      callback: (count, bytes) => this.#take(Buffer.from(bytes.buffer, bytes.byteOffset, count)),
    })
    const socket = this.#socket
    const late = setTimeout(() => this.#fail(timedOut('no connection')), limits.storeConnectMs)
    const isSecure = 'encrypted' in socket
    socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(late))
    socket.setTimeout(limits.storeIdleMs, () => this.#fail(timedOut('nothing moved')))
    socket.on('error', error => this.#fail(error))
    socket.on('end', () => this.#ended())
    socket.on('close', () => {
      clearTimeout(late)
      this.#ended()
      onEnd()
    })
    // Else it does not tell of an end.
    socket.resume()
  }

  /** @throws what the connection says */
  exchange(head: string, answer: Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answer = answer
      this.#settle = { resolve, reject }
      this.#socket.ref()
      this.#socket.write(head, 'latin1')
    })
  }

  /** @returns whether more may come */
  #take(bytes: Buffer): boolean {
    const answer = this.#answer
    try {
      const behind = answer?.take(bytes)
      if (answer !== undefined && !answer.isDone) return true
      // Nobody asked for more than one answer.
      if (behind === undefined || behind.length > 0) throw unexpected()
    } catch (error) {
      this.#fail(error as Error)
      return false
    }
    this.#done()
    return true
  }

  #done(): void {
    const [answer, settle] = [this.#answer, this.#settle]
    this.#answer = undefined
    this.#settle = undefined
    // A program may end while it waits for nothing.
    this.#socket.unref()
    if (answer !== undefined) settle?.resolve(answer)
  }

  #ended(): void {
    if (this.#answer?.end() === true) this.#done()
    this.#fail(Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' }))
  }

  #fail(error: Error): void {
    const settle = this.#settle
    this.#answer = undefined
    this.#settle = undefined
    // From here on it receives nothing.
    this.#socket.destroy()
    settle?.reject(error)
  }

  /** @param reason told to who waits for an answer */
  end(reason: Error = unexpected()): void {
    this.#fail(reason)
  }
}

function headOf(method: string, url: URL, headers: Record<string, string>): string {
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, ...(hasHost(headers) ? [] : [`host: ${url.host}`])]
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderValue(name, value)
    lines.push(`${name}: ${value}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

function hasHost(headers: Record<string, string>): boolean {
  return Object.keys(headers).some(name => name.toLowerCase() === 'host')
}

function timedOut(why: string): Error {
  return Object.assign(new Error(why), { code: 'ETIMEDOUT' })
}

function unexpected(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
