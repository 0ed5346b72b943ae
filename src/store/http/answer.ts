import type { IncomingHttpHeaders } from 'node:http'

/** Of its first line and its headers; as much as Node takes. */
const MOST_HEAD_BYTES = 16 * 1024
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const END_OF_LINE = Buffer.from('\r\n')

/** How the end of a body is known (RFC 9112, section 6.3). */
type Framing = 'head' | 'length' | 'chunks' | 'close' | 'done'

/**
 * One answer of HTTP/1.1, of the bytes of its connection as they come. The body of one that says how long it is goes into the memory that was given for it:
 * what was received there already (`room`) is not copied.
 */
export class Answer {
  status = 0
  headers: IncomingHttpHeaders = {}
  /** Another request may follow on its connection. */
  keepsAlive = true
  readonly #into: Uint8Array
  #framing: Framing = 'head'
  /** Bytes of the head, or of the rest of a chunk, that are not understood yet. */
  #rest: Buffer = Buffer.alloc(0)
  #body: Buffer = Buffer.alloc(0)
  /** Bytes of the body that are there. */
  #at = 0
  #chunks: ChunkedBody | undefined
  readonly #parts: Buffer[] = []

  /** @param into room for the body, taken where it fits */
  constructor(into: Uint8Array) {
    this.#into = into
  }

  get isDone(): boolean {
    return this.#framing === 'done'
  }

  /** Where what comes next is best received; undefined: anywhere. */
  get room(): Uint8Array | undefined {
    return this.#framing === 'length' ? this.#body.subarray(this.#at) : undefined
  }

  get body(): Buffer {
    return this.#parts.length > 0 ? Buffer.concat(this.#parts) : this.#body
  }

  /**
   * The next bytes of the connection.
   * @returns those behind the answer
   * @throws Error that no server of HTTP answers so
   */
  take(bytes: Buffer): Buffer {
    let left = bytes
    if (this.#framing === 'head') left = this.#takeHead(left)
    if (this.#framing === 'length') return this.#takeLength(left)
    if (this.#framing === 'chunks') return this.#takeChunks(left)
    if (this.#framing !== 'close') return left
    this.#parts.push(Buffer.from(left))
    return left.subarray(left.length)
  }

  /** The connection has ended. @returns whether the answer is whole */
  end(): boolean {
    if (this.#framing === 'close') this.#framing = 'done'
    return this.isDone
  }

  #takeHead(bytes: Buffer): Buffer {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    this.#rest = Buffer.alloc(0)
    while (this.#framing === 'head') {
      const end = rest.indexOf(END_OF_HEAD)
      if (end < 0 || end > MOST_HEAD_BYTES) {
        if (rest.length > MOST_HEAD_BYTES) throw notHttp('its head does not end')
        this.#rest = Buffer.from(rest)
        return rest.subarray(rest.length)
      }
      this.#understand(rest.toString('latin1', 0, end))
      rest = rest.subarray(end + END_OF_HEAD.length)
    }
    return rest
  }

  #understand(head: string): void {
    const [first, ...lines] = head.split('\r\n')
    const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? []
    if (status === undefined) throw notHttp('its first line is none')
    // What is said before the answer itself.
    if (status.startsWith('1')) return
    this.status = Number(status)
    this.headers = headersOf(lines)
    const connection = (this.headers.connection ?? '').toLowerCase()
    this.keepsAlive = minor === '1' ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection)
    this.#frame()
  }

  #frame(): void {
    const { 'transfer-encoding': encoding, 'content-length': length } = this.headers
    if (this.status === 204 || this.status === 304) this.#framing = 'done'
    else if (encoding !== undefined) this.#frameEncoded(encoding)
    else if (length === undefined) this.#frameUntilClose()
    else this.#frameLength(length)
  }

  #frameEncoded(encoding: string): void {
    if (encoding.toLowerCase() !== 'chunked') throw notHttp('its transfer encoding is unknown')
    // Both may mean that somebody between us sees another end.
    if (this.headers['content-length'] !== undefined) throw notHttp('it has two lengths')
    this.#chunks = new ChunkedBody()
    this.#framing = 'chunks'
  }

  #frameUntilClose(): void {
    this.keepsAlive = false
    this.#framing = 'close'
  }

  #frameLength(text: string): void {
    const length = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(length)) throw notHttp('its length is no number')
    const { buffer, byteOffset } = this.#into
    this.#body = length <= this.#into.length ? Buffer.from(buffer, byteOffset, length) : Buffer.allocUnsafeSlow(length)
    this.#framing = length === 0 ? 'done' : 'length'
  }

  #takeLength(bytes: Buffer): Buffer {
    const body = this.#body
    const count = Math.min(bytes.length, body.length - this.#at)
    const isThere = bytes.buffer === body.buffer && bytes.byteOffset === body.byteOffset + this.#at
    if (!isThere) body.set(bytes.subarray(0, count), this.#at)
    this.#at += count
    if (this.#at === body.length) this.#framing = 'done'
    return bytes.subarray(count)
  }

  #takeChunks(bytes: Buffer): Buffer {
    const behind = this.#chunks?.take(bytes, this.#parts)
    if (behind === undefined) return bytes.subarray(bytes.length)
    this.#framing = 'done'
    return behind
  }
}

/** A body in chunks that each say how long they are (RFC 9112, section 7.1). */
class ChunkedBody {
  /** Of a line that has not ended. */
  #line: Buffer = Buffer.alloc(0)
  /** Bytes of the chunk that are to come, the end of its line included; 0 between chunks. */
  #left = 0
  #isTrailer = false

  /** @returns what is behind the last chunk; undefined when it has not come */
  take(bytes: Buffer, parts: Buffer[]): Buffer | undefined {
    let rest = bytes
    for (;;) {
      if (this.#left > 0) {
        rest = this.#takeData(rest, parts)
        if (rest.length === 0) return undefined
      }
      const joined = this.#line.length === 0 ? rest : Buffer.concat([this.#line, rest])
      const end = joined.indexOf(END_OF_LINE)
      if (end < 0) {
        if (joined.length > MOST_HEAD_BYTES) throw notHttp('a chunk has no length')
        this.#line = Buffer.from(joined)
        return undefined
      }
      this.#line = Buffer.alloc(0)
      rest = joined.subarray(end + END_OF_LINE.length)
      if (!this.#isTrailer) this.#begin(joined.toString('latin1', 0, end))
      else if (end === 0) return rest
    }
  }

  #begin(line: string): void {
    const [, digits] = /^([0-9a-f]{1,8})(?:\s*;.*)?$/i.exec(line) ?? []
    if (digits === undefined) throw notHttp('a chunk has no length')
    const length = Number.parseInt(digits, 16)
    this.#isTrailer = length === 0
    this.#left = length === 0 ? 0 : length + END_OF_LINE.length
  }

  #takeData(bytes: Buffer, parts: Buffer[]): Buffer {
    const count = Math.min(bytes.length, this.#left)
    const data = Math.min(bytes.length, Math.max(0, this.#left - END_OF_LINE.length))
    // What is received next may be received where these are.
    if (data > 0) parts.push(Buffer.from(bytes.subarray(0, data)))
    const end = bytes.toString('latin1', data, count)
    const expected = '\r\n'.slice(END_OF_LINE.length - (this.#left - data), END_OF_LINE.length - (this.#left - count))
    if (this.#left - data <= END_OF_LINE.length && end !== expected) throw notHttp('a chunk is longer than it says')
    this.#left -= count
    return bytes.subarray(count)
  }
}

/** Those that come twice stand with a comma between, as Node joins them. */
function headersOf(lines: readonly string[]): IncomingHttpHeaders {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) throw notHttp('a header is none')
    const known = headers.get(name.toLowerCase())
    if (known !== undefined && known !== value && name.toLowerCase() === 'content-length') throw notHttp('it has two lengths')
    headers.set(name.toLowerCase(), known === undefined || known === value ? value : `${known}, ${value}`)
  }
  return Object.fromEntries(headers)
}

function notHttp(why: string): Error {
  return Object.assign(new Error(`no answer of HTTP: ${why}`), { code: 'HPE_INVALID' })
}
