import { constants } from 'node:fs'
import { finished, Readable, Writable } from 'node:stream'
import { EBADF, posixError } from '../errors.js'
import type { Core } from './core.js'
import { invalidArgType, outOfRange } from './errors.js'
import { read, write } from './io.js'
import { checkEncoding, checkPath, checkSignal, integer, type Options, type Path, parseFlags } from './validate.js'

const READ_CHUNK_BYTES = 64 * 1024
const writeFlags = constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY

/** An open file that somebody else closes, or that the stream closes with `autoClose`. */
interface Handle {
  readonly fd: number
  close(): Promise<void>
}

type Done = (error?: Error | null) => void

/** The file under a stream: opened by path, or a descriptor or FileHandle that was given. */
class Source {
  readonly path: Path | undefined
  readonly core: Core
  readonly autoClose: boolean
  private readonly handle: Handle | undefined
  private readonly flags: number
  private readonly mode: number
  fd: number | null

  constructor(core: Core, path: unknown, given: Options, otherwise: number) {
    this.core = core
    this.autoClose = given.autoClose !== false
    this.handle = typeof given.fd === 'object' && given.fd !== null ? (given.fd as Handle) : undefined
    this.fd = this.handle?.fd ?? (typeof given.fd === 'number' ? integer(given.fd, 'fd', 0, 2147483647) : null)
    this.path = path === undefined || path === null ? undefined : checkPath(path)
    if (this.path === undefined && this.fd === null) throw invalidArgType('path', 'of type string or an instance of Buffer or URL', path)
    this.flags = parseFlags(given.flags, otherwise)
    this.mode = core.newMode(given.mode, 0o666)
  }

  async open(): Promise<boolean> {
    if (this.fd !== null || this.path === undefined) return false
    this.fd = await this.core.call('open', [this.path, this.flags, this.mode])
    return true
  }

  async close(): Promise<void> {
    const fd = this.fd
    this.fd = null
    if (fd === null) return
    if (this.handle !== undefined) await this.handle.close()
    else await this.core.close(fd)
  }

  /** The descriptor, which must be open. */
  get openFd(): number {
    if (this.fd === null) throw posixError(EBADF, 'close')
    return this.fd
  }
}

function optionalOffset(value: unknown, name: string): number | undefined {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return undefined
  return integer(value, name, 0)
}

/** Stream options that node's streams know by themselves. */
function streamOptions(given: Options, highWaterMark: number): Record<string, unknown> {
  const size = given.highWaterMark === undefined ? highWaterMark : integer(given.highWaterMark, 'highWaterMark', 0)
  return { highWaterMark: size, emitClose: given.emitClose !== false, autoDestroy: given.autoClose !== false, signal: checkSignal(given.signal) }
}

/** As `fs.ReadStream`. */
export class ReadStream extends Readable {
  bytesRead = 0
  readonly path: string | Buffer | undefined
  readonly #source: Source
  #position: number | undefined
  readonly #end: number

  constructor(core: Core, path: unknown, given: Options) {
    super(streamOptions(given, READ_CHUNK_BYTES))
    this.#source = new Source(core, path, given, constants.O_RDONLY)
    this.path = shownPath(this.#source.path)
    const start = optionalOffset(given.start, 'start')
    this.#end = optionalOffset(given.end, 'end') ?? Number.POSITIVE_INFINITY
    if (start !== undefined && start > this.#end) throw outOfRange('start', `<= "end" (here: ${this.#end})`, start)
    // Only with `start` does a stream read at positions of its own; else it moves the descriptor's.
    this.#position = start ?? (this.#end === Number.POSITIVE_INFINITY ? undefined : 0)
    const encoding = checkEncoding(given.encoding)
    if (encoding !== undefined && encoding !== 'buffer') this.setEncoding(encoding)
  }

  get fd(): number | null {
    return this.#source.fd
  }

  get pending(): boolean {
    return this.#source.fd === null
  }

  override _construct(done: Done): void {
    opened(this, this.#source, done)
  }

  override _read(size: number): void {
    const want = this.#position === undefined ? size : Math.min(size, this.#end - this.#position + 1)
    if (want <= 0) {
      this.push(null)
      return
    }
    void this.#readSome(want)
  }

  async #readSome(length: number): Promise<void> {
    try {
      const buffer = Buffer.allocUnsafeSlow(length)
      const got = await read(this.#source.core, this.#source.openFd, { buffer, offset: 0, length, position: this.#position ?? null })
      this.bytesRead += got
      if (this.#position !== undefined) this.#position += got
      this.push(got === 0 ? null : got === length ? buffer : Buffer.from(buffer.subarray(0, got)))
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  override _destroy(error: Error | null, done: Done): void {
    closed(this.#source, error, done)
  }

  close(done?: Done): void {
    if (done) finished(this, done)
    this.destroy()
  }
}

/** As `fs.WriteStream`. */
export class WriteStream extends Writable {
  bytesWritten = 0
  readonly path: string | Buffer | undefined
  readonly #source: Source
  #position: number | undefined
  readonly #flush: boolean

  constructor(core: Core, path: unknown, given: Options) {
    super({ ...streamOptions(given, 16 * 1024), decodeStrings: true })
    const start = optionalOffset(given.start, 'start')
    this.#source = new Source(core, path, given, writeFlags)
    this.path = shownPath(this.#source.path)
    this.#position = start
    this.#flush = given.flush === true
    const encoding = checkEncoding(given.encoding)
    if (encoding !== undefined && encoding !== 'buffer') this.setDefaultEncoding(encoding)
  }

  get fd(): number | null {
    return this.#source.fd
  }

  get pending(): boolean {
    return this.#source.fd === null
  }

  override _construct(done: Done): void {
    opened(this, this.#source, done)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    settle(this.#writeAll(chunk), done)
  }

  override _writev(chunks: Array<{ chunk: Buffer }>, done: Done): void {
    settle(this.#writeAll(Buffer.concat(chunks.map(c => c.chunk))), done)
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      const written = await write(this.#source.core, this.#source.openFd, { bytes: rest, position: this.#position ?? null })
      this.bytesWritten += written
      if (this.#position !== undefined) this.#position += written
      rest = rest.subarray(written)
    }
  }

  override _final(done: Done): void {
    settle(this.#flush ? (async () => this.#source.core.fsync(this.#source.openFd))() : Promise.resolve(), done)
  }

  override _destroy(error: Error | null, done: Done): void {
    closed(this.#source, error, done)
  }

  close(done?: Done): void {
    if (done) finished(this, done)
    if (!this.#source.autoClose) this.once('finish', () => this.destroy())
    this.end()
  }
}

function shownPath(path: Path | undefined): string | Buffer | undefined {
  return path === undefined || typeof path === 'string' ? path : Buffer.from(path)
}

function settle(work: Promise<void>, done: Done): void {
  work.then(
    () => done(),
    error => done(error),
  )
}

function opened(stream: Readable | Writable, source: Source, done: Done): void {
  source.open().then(
    byPath => {
      done()
      if (byPath) stream.emit('open', source.fd)
      stream.emit('ready')
    },
    error => done(error),
  )
}

function closed(source: Source, error: Error | null, done: Done): void {
  if (!source.autoClose && error === null) {
    done(error)
    return
  }
  source.close().then(
    () => done(error),
    failure => done(error ?? failure),
  )
}
