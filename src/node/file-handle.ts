import { EventEmitter } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { ReadableStream } from 'node:stream/web'
import { EBADF, posixError } from '../errors.js'
import { appendFlags, isIterable, readFile, writeFile, writeIterable } from './content.js'
import type { Core } from './core.js'
import { checkViews, read, readRequest, readVector, write, writeRequest, writeVector } from './io.js'
import type { BigIntStats, Stats } from './stats.js'
import { ReadStream, WriteStream } from './streams.js'
import { checkSignal, options, position } from './validate.js'

/** As node's `FileHandle`: an open file of a volume. */
export class FileHandle extends EventEmitter {
  readonly #core: Core
  #fd: number
  #closing: Promise<void> | undefined

  constructor(core: Core, fd: number) {
    super()
    this.#core = core
    this.#fd = fd
  }

  /** The descriptor within this volume; -1 once closed. It means nothing to the native fs. */
  get fd(): number {
    return this.#fd
  }

  #open(syscall: string): number {
    if (this.#fd < 0) throw posixError(EBADF, syscall)
    return this.#fd
  }

  async read(buffer?: unknown, offset?: unknown, length?: unknown, at?: unknown): Promise<{ bytesRead: number; buffer: ArrayBufferView }> {
    const fd = this.#open('read')
    const request = readRequest(buffer, offset, length, at)
    return { bytesRead: await read(this.#core, fd, request), buffer: request.buffer }
  }

  async readv(buffers: unknown, at?: unknown): Promise<{ bytesRead: number; buffers: ArrayBufferView[] }> {
    const fd = this.#open('read')
    const views = checkViews(buffers)
    return { bytesRead: await this.#core.run(readVector(this.#core, fd, views, position(at))), buffers: views }
  }

  async write(data: unknown, second?: unknown, third?: unknown, fourth?: unknown): Promise<{ bytesWritten: number; buffer: unknown }> {
    const fd = this.#open('write')
    const request = writeRequest(data, second, third, fourth)
    const bytesWritten = request.bytes.length === 0 ? 0 : await write(this.#core, fd, request)
    const turn = this.#core.turn(bytesWritten)
    if (turn !== undefined) await turn
    return { bytesWritten, buffer: data }
  }

  async writev(buffers: unknown, at?: unknown): Promise<{ bytesWritten: number; buffers: ArrayBufferView[] }> {
    const fd = this.#open('write')
    const views = checkViews(buffers)
    const start = typeof at === 'number' || typeof at === 'bigint' ? position(at) : null
    const bytesWritten = await writeVector(this.#core, fd, views, start)
    const turn = this.#core.turn(bytesWritten)
    if (turn !== undefined) await turn
    return { bytesWritten, buffers: views }
  }

  async readFile(opts?: unknown): Promise<string | Buffer> {
    return readFile(this.#core, this.#open('read'), opts)
  }

  async writeFile(data: unknown, opts?: unknown): Promise<void> {
    const fd = this.#open('write')
    if (isIterable(data)) return writeIterable(this.#core, fd, data, options(opts))
    return writeFile(this.#core, fd, data, opts)
  }

  async appendFile(data: unknown, opts?: unknown): Promise<void> {
    const fd = this.#open('write')
    if (isIterable(data)) return writeIterable(this.#core, fd, data, options(opts))
    return writeFile(this.#core, fd, data, opts, appendFlags)
  }

  async stat(opts?: unknown): Promise<Stats | BigIntStats> {
    return this.#core.fstat(this.#open('fstat'), opts)
  }

  async chmod(mode: unknown): Promise<void> {
    return this.#core.fchmod(this.#open('fchmod'), mode)
  }

  async chown(uid: unknown, gid: unknown): Promise<void> {
    return this.#core.fchown(this.#open('fchown'), uid, gid)
  }

  async utimes(atime: unknown, mtime: unknown): Promise<void> {
    return this.#core.futimes(this.#open('futime'), atime, mtime)
  }

  async truncate(length?: unknown): Promise<void> {
    return this.#core.ftruncate(this.#open('ftruncate'), length)
  }

  /** Durable against power loss when it resolves. */
  async sync(): Promise<void> {
    return this.#core.fsync(this.#open('fsync'))
  }

  async datasync(): Promise<void> {
    return this.#core.fsync(this.#open('fdatasync'))
  }

  readLines(opts?: unknown): Interface {
    return createInterface({ input: this.createReadStream(opts), crlfDelay: Number.POSITIVE_INFINITY })
  }

  readableWebStream(_opts?: unknown): ReadableStream {
    this.#open('read')
    return new ReadableStream({
      type: 'bytes',
      autoAllocateChunkSize: 64 * 1024,
      pull: async controller => {
        const view = controller.byobRequest?.view as Uint8Array
        const { bytesRead } = await this.read(view, 0, view.byteLength, null)
        if (bytesRead === 0) controller.close()
        controller.byobRequest?.respond(bytesRead)
      },
    })
  }

  createReadStream(opts?: unknown): ReadStream {
    return new ReadStream(this.#core, undefined, { ...options(opts), fd: this, signal: checkSignal(options(opts).signal) })
  }

  createWriteStream(opts?: unknown): WriteStream {
    return new WriteStream(this.#core, undefined, { ...options(opts), fd: this, signal: checkSignal(options(opts).signal) })
  }

  /** Closes it; twice is no error. Emits `close`. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const fd = this.#fd
      this.#fd = -1
      this.#closing = this.#close(fd)
    }
    return this.#closing
  }

  async #close(fd: number): Promise<void> {
    await this.#core.close(fd)
    this.emit('close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
