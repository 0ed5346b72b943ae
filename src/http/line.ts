import { connect, type Socket } from 'node:net'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { LINE_PATH, LINE_PROTOCOL } from './line-handler.js'
import { MessageReader, writeMessage } from './messages.js'

const ASKING = Buffer.from(`GET ${LINE_PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: ${LINE_PROTOCOL}\r\n\r\n`)
const HEAD_END = '\r\n\r\n'
const TAKEN = 'HTTP/1.1 101 '

/** A call that a line carries. */
export interface LineCall {
  /** An answer begins to come. */
  begins(): void
  answered(answer: Buffer): void
  /** @param error of the connection; undefined: it ended */
  failed(error: Error | undefined): void
}

/** A connection to a server that carries one call after the other. While it carries none it does not keep the process alive. */
export class Line {
  readonly #socket: Socket
  readonly #reader = new MessageReader(Number.POSITIVE_INFINITY)
  readonly #onFree: () => void
  /** What came before the server took the line; undefined when it has. */
  #head: Buffer | undefined = Buffer.alloc(0)
  #call: LineCall | undefined
  #isNew = true
  #error: Error | undefined

  /** @param onFree its call was answered @param onEnd it carries nothing any more */
  constructor(socketPath: string, onFree: (line: Line) => void, onEnd: (line: Line) => void) {
    this.#onFree = () => onFree(this)
    this.#socket = connect(socketPath)
    this.#socket.on('data', chunk => this.#read(chunk))
    this.#socket.on('error', error => {
      this.#error = error
    })
    this.#socket.on('close', () => {
      onEnd(this)
      this.#call?.failed(this.#error)
    })
    // Both ends are here: what comes from now on is of no call.
    this.#socket.on('end', () => onEnd(this))
  }

  send(parts: readonly Uint8Array[], call: LineCall): void {
    this.#call = call
    if (!this.#isNew) this.#socket.ref()
    writeMessage(this.#socket, parts, this.#isNew ? ASKING : undefined)
    this.#isNew = false
  }

  /** Ends it, and its call with this error. */
  destroy(error?: Error): void {
    this.#socket.destroy(error)
  }

  #read(chunk: Buffer): void {
    this.#call?.begins()
    const bytes = this.#head === undefined ? chunk : this.#behindHead(Buffer.concat([this.#head, chunk]))
    if (bytes === undefined) return
    for (const message of this.#reader.push(bytes)) {
      const call = this.#call
      if (call === undefined || message === undefined) continue
      this.#call = undefined
      this.#socket.unref()
      this.#onFree()
      call.answered(message)
    }
  }

  /** Undefined while the server has not taken the line. */
  #behindHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf(HEAD_END)
    this.#head = bytes
    if (end < 0 && bytes.length < limits.lineHeadBytes) return undefined
    if (end < 0 || bytes.toString('latin1', 0, TAKEN.length) !== TAKEN) {
      this.destroy(new CairnError('ERR_WIRE', 'The server does not take calls of this program.', 'Use the same version of cairn on both sides.'))
      return undefined
    }
    this.#head = undefined
    return bytes.subarray(end + HEAD_END.length)
  }
}

interface Waiting {
  parts: readonly Uint8Array[]
  call: LineCall
  /** What carries it, when it has had its turn. */
  line?: Line
}

/** The lines of one client: as many as there are calls at once, within a limit. */
export class LinePool {
  readonly #socketPath: string
  readonly #max: number
  readonly #all = new Set<Line>()
  readonly #free: Line[] = []
  readonly #waiting: Waiting[] = []

  constructor(socketPath: string, max: number) {
    this.#socketPath = socketPath
    this.#max = max
  }

  /** @returns gives the call up, until its answer begins */
  send(parts: readonly Uint8Array[], call: LineCall): (error: Error) => void {
    const waiting: Waiting = { parts, call }
    this.#waiting.push(waiting)
    this.#next()
    return error => {
      if (waiting.line !== undefined) {
        waiting.line.destroy(error)
        return
      }
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      call.failed(error)
    }
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const line = this.#free.pop() ?? this.#another()
      if (line === undefined) return
      const waiting = this.#waiting.shift() as Waiting
      waiting.line = line
      line.send(waiting.parts, waiting.call)
    }
  }

  #another(): Line | undefined {
    if (this.#all.size >= this.#max) return undefined
    const line = new Line(
      this.#socketPath,
      free => this.#freed(free),
      ended => this.#ended(ended),
    )
    this.#all.add(line)
    return line
  }

  #freed(line: Line): void {
    if (!this.#all.has(line)) return
    this.#free.push(line)
    this.#next()
  }

  #ended(line: Line): void {
    if (!this.#all.delete(line)) return
    const at = this.#free.indexOf(line)
    if (at >= 0) this.#free.splice(at, 1)
    this.#next()
  }

  /** Calls that are under way fail as if the server had gone. */
  close(): void {
    for (const line of [...this.#all]) line.destroy()
  }
}
