import type { IncomingHttpHeaders } from 'node:http'
import { HTTPParser } from 'http-parser-js'

/** Of its first line and its headers; as much as Node takes. */
const MOST_HEAD_BYTES = 16 * 1024

/** As it is while it calls back: what it understood, and how far it is in the bytes that it was given. */
type Parser = InstanceType<typeof HTTPParser> & {
  info: { statusCode: number; headers: string[]; shouldKeepAlive: boolean }
  offset: number
  end: number
}

/**
 * One answer of HTTP/1.1, of the bytes of its connection as they come. The body of one that says how long it is goes into the memory that was given for it:
 * what was received there already (`room`) is not copied.
 */
export class Answer {
  status = 0
  headers: IncomingHttpHeaders = {}
  /** Another request may follow on its connection. */
  keepsAlive = true
  isDone = false
  readonly #into: Uint8Array
  readonly #parser: Parser
  /** Where a body of known length goes, and how much of it is there. */
  #body: Buffer | undefined
  #at = 0
  /** Of a body whose length is not known. */
  readonly #parts: Buffer[] = []
  /** Bytes that were behind the answer. */
  #behind = 0

  /** @param into room for the body, taken where it fits */
  constructor(into: Uint8Array) {
    this.#into = into
    const parser = new HTTPParser(HTTPParser.RESPONSE) as Parser
    parser.maxHeaderSize = MOST_HEAD_BYTES
    parser[HTTPParser.kOnHeadersComplete] = () => (this.isDone ? undefined : this.#begin())
    parser[HTTPParser.kOnBody] = part => {
      if (!this.isDone) this.#add(part)
    }
    parser[HTTPParser.kOnMessageComplete] = () => {
      // What was said before the answer itself is none.
      if (!this.isDone && this.status >= 200) this.#end()
    }
    this.#parser = parser
  }

  /** Where what comes next is best received; undefined: anywhere. */
  get room(): Uint8Array | undefined {
    return this.isDone ? undefined : this.#body?.subarray(this.#at)
  }

  get body(): Buffer {
    return this.#body ?? Buffer.concat(this.#parts)
  }

  /**
   * The next bytes of the connection.
   * @returns those behind the answer
   * @throws Error that no server of HTTP answers so
   */
  take(bytes: Buffer): Buffer {
    const result = this.#parser.execute(bytes)
    // What is behind it was not asked for, and may be anything.
    if (result instanceof Error && !this.isDone) throw notHttp(result.message)
    return bytes.subarray(bytes.length - this.#behind)
  }

  /** The connection has ended. @returns whether the answer is whole */
  end(): boolean {
    if (!this.isDone && this.status >= 200) this.#parser.finish()
    return this.isDone
  }

  /** The head is there. @returns what the parser is to do with the body */
  #begin(): number | undefined {
    const { statusCode, headers, shouldKeepAlive } = this.#parser.info
    this.status = statusCode
    if (statusCode < 200) return undefined
    this.headers = joined(headers)
    this.keepsAlive = shouldKeepAlive
    if (statusCode === 204 || statusCode === 304) return WITHOUT_BODY
    const { 'transfer-encoding': encoding, 'content-length': length } = this.headers
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') throw notHttp('its transfer encoding is unknown')
    // Both may mean that somebody between us sees another end.
    if (encoding !== undefined && length !== undefined) throw notHttp('it has two lengths')
    if (length !== undefined) this.#body = this.#roomFor(length)
    return undefined
  }

  #roomFor(text: string): Buffer {
    const length = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(length)) throw notHttp('its length is no number')
    const { buffer, byteOffset } = this.#into
    return length <= this.#into.length ? Buffer.from(buffer, byteOffset, length) : Buffer.allocUnsafeSlow(length)
  }

  #add(part: Buffer): void {
    const body = this.#body
    // What is received next may be received where these are.
    if (body === undefined) this.#parts.push(Buffer.from(part))
    else if (part.buffer !== body.buffer || part.byteOffset !== body.byteOffset + this.#at) body.set(part, this.#at)
    this.#at += part.length
  }

  #end(): void {
    const { end, offset } = this.#parser
    this.#behind = end - offset
    this.isDone = true
  }
}

/** What the parser takes for an answer that has no body, whatever its headers say. */
const WITHOUT_BODY = 1

/** Those that come twice stand with a comma between, as Node joins them. */
function joined(list: readonly string[]): IncomingHttpHeaders {
  const headers = new Map<string, string>()
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at].toLowerCase()
    const known = headers.get(name)
    headers.set(name, known === undefined || name === 'content-length' ? list[at + 1] : `${known}, ${list[at + 1]}`)
  }
  return Object.fromEntries(headers)
}

function notHttp(why: string): Error {
  return Object.assign(new Error(`no answer of HTTP: ${why}`), { code: 'HPE_INVALID' })
}
