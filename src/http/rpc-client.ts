import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { fromWire, type WireError } from '../sys/wire-error.js'
import { decodeFrame, encodeFrame } from './frame.js'
import { LinePool } from './line.js'

/** The connection failed before the request was sent: nothing happened on the other side. */
export function neverSent(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'ERR_NO_SERVER'
}

/**
 * Calls to a server behind a Unix socket. Idle connections do not keep the process alive.
 * Handles that were opened through it are closed when this process ends, however it ends.
 */
export class RpcClient {
  readonly socketPath: string
  readonly #lines: LinePool
  #session: Promise<string> | undefined
  #sessionId: string | undefined
  #sessionRequest: ClientRequest | undefined
  /** Called when the server went away while a session was open. */
  onLost: (() => void) | undefined
  readonly #silent: () => CairnError

  /**
   * @param options.session of another client of this process, to share; that one keeps it alive
   * @param options.silent says who it is that does not answer
   */
  constructor(socketPath: string, options: { session?: string; silent?: () => CairnError } = {}) {
    this.socketPath = socketPath
    this.#lines = new LinePool(socketPath, limits.rpcConnections)
    this.#silent = options.silent ?? silentServer
    const { session } = options
    if (session !== undefined) this.#session = Promise.resolve(session)
  }

  /** What the server says about itself. @throws CairnError ERR_NO_SERVER when nobody listens, ERR_SERVER_SILENT when it does not answer */
  async hello(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.#send(HELLO, [])).toString()) as Record<string, unknown>
  }

  /**
   * Runs a method there. Errors are those that it threw, built again.
   * @throws CairnError ERR_SERVER_LOST (`retry: 'reopen'`) when the server went away meanwhile: it may or may not have done it;
   * ERR_SERVER_SILENT when it does not even say hello any more. A call that only takes long is waited for
   */
  async call(method: string, args: unknown[], options: { session?: boolean } = {}): Promise<unknown> {
    const isAlone = options.session === false
    const body = await (isAlone ? this.#send(ALONE, encodeFrame({ method, args })) : this.#onLine(encodeFrame({ session: await this.session(), method, args })))
    const answer = decodeFrame(body) as { result?: unknown; error?: WireError }
    if (answer.error !== undefined) {
      if (answer.error.code === 'ERR_SESSION_UNKNOWN') this.#session = undefined
      throw fromWire(answer.error)
    }
    return answer.result
  }

  /** The id of this client's session; opened at the first call. */
  session(): Promise<string> {
    this.#session ??= this.#openSession().catch(error => {
      this.#session = undefined
      throw error
    })
    return this.#session
  }

  /** Its id when one is open. */
  get knownSession(): string | undefined {
    return this.#sessionId
  }

  #openSession(): Promise<string> {
    return new Promise((resolve, reject) => {
      const req = request({ ...NO_NAME, socketPath: this.socketPath, method: 'POST', path: '/v1/session', agent: false })
      this.#sessionRequest = req
      const answered = this.#watch(error => req.destroy(error), true)
      // A session that nobody heard of changed nothing, however its opening failed.
      req.on('error', error => {
        answered()
        reject(error instanceof CairnError ? error : noServer(error))
      })
      req.on('response', response => {
        answered()
        response.once('data', (chunk: Buffer) => {
          if (response.headers['content-type'] !== 'text/plain') {
            reject(fromWire((decodeFrame(chunk) as { error: WireError }).error))
            return
          }
          // From here on the connection only waits for one of the two to end.
          response.socket.unref()
          this.#sessionId = chunk.toString().trim()
          resolve(this.#sessionId)
        })
        response.on('error', () => undefined)
        response.on('close', () => this.#lost(req))
        response.resume()
      })
      req.end()
    })
  }

  #lost(req: ClientRequest): void {
    if (this.#sessionRequest !== req) return
    this.#session = undefined
    this.#sessionId = undefined
    this.#sessionRequest = undefined
    this.onLost?.()
  }

  #send(options: RequestOptions, parts: Uint8Array[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-length': parts.reduce((sum, part) => sum + part.length, 0) }
      const req = request({ ...options, ...NO_NAME, socketPath: this.socketPath, agent: false, headers })
      const answered = this.#watch(error => req.destroy(error), options === HELLO)
      req.on('close', answered)
      req.on('error', error => reject(connectionError(error)))
      req.on('response', (response: IncomingMessage) => {
        answered()
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
        response.on('error', error => reject(connectionError(error)))
      })
      for (const part of parts) req.write(part)
      req.end()
    })
  }

  #onLine(parts: Uint8Array[]): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let over = (): void => undefined
      const failed = (error = lost()): void => {
        over()
        reject(connectionError(error))
      }
      const giveUp = this.#lines.send(parts, { begins: () => over(), answered: resolve, failed })
      over = this.#watch(giveUp, false)
    })
  }

  /**
   * A request that is not answered for a while is given up when the server does not say hello either: it hangs, or somebody stopped it.
   * @param giveUp ends it
   * @param short it takes no time by itself
   * @returns what to call when the answer begins, or none will come
   */
  #watch(giveUp: (error: Error) => void, short: boolean): () => void {
    let timer: NodeJS.Timeout | undefined
    let over = false
    const look = async (): Promise<void> => {
      const lives = !short && (await this.#answers())
      if (over) return
      if (lives) timer = setTimeout(look, limits.answerMs).unref()
      else giveUp(this.#silent())
    }
    timer = setTimeout(look, limits.answerMs).unref()
    return () => {
      over = true
      clearTimeout(timer)
    }
  }

  /** On a connection of its own; others may be behind a long call. */
  async #answers(): Promise<boolean> {
    const other = new RpcClient(this.socketPath)
    try {
      await other.hello()
      return true
    } catch (error) {
      // One that is gone breaks the connection of the call itself.
      return (error as CairnError).code !== 'ERR_SERVER_SILENT'
    } finally {
      other.close()
    }
  }

  close(): void {
    const req = this.#sessionRequest
    this.#sessionRequest = undefined
    this.#session = undefined
    req?.destroy()
    this.#lines.close()
  }
}

/** Without it node:http finds out whether the host is an IP address, whose pattern takes 7 ms to compile. */
const NO_NAME = { servername: '' }
const HELLO: RequestOptions = { method: 'GET', path: '/v1/hello' }
/** A call that belongs to no session, which servers of other versions understand as well. */
const ALONE: RequestOptions = { method: 'POST', path: '/v1/rpc' }

/** What a connection says that ended without an error. */
function lost(): Error {
  return Object.assign(new Error('The connection ended.'), { code: 'ECONNRESET' })
}

function silentServer(): CairnError {
  return new CairnError('ERR_SERVER_SILENT', 'The cairn server does not answer.', 'Wait, or see `cairn status`.', { retry: 'same-call' })
}

function connectionError(error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code
  // EINVAL: a path too long for a socket, where no server can have been.
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED' || code === 'EINVAL') {
    return noServer(error)
  }
  if (code !== 'ECONNRESET' && code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') return error
  return new CairnError(
    'ERR_SERVER_LOST',
    'The cairn server went away during this call, which may or may not have been done.',
    'Open the volume again and look.',
    {
      retry: 'reopen',
      cause: error,
    },
  )
}

function noServer(cause: Error): Error {
  return new CairnError('ERR_NO_SERVER', 'No cairn server runs.', 'Mount a volume, which starts it.', { retry: 'same-call', cause })
}
