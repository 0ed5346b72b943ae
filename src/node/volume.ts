import { Writable } from 'node:stream'
import { CairnError } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import type { TransactionSession } from '../volume/api.js'
import { LocalBackend } from './backend.js'
import { createFs, type FsPromises, type VolumeFs } from './fs.js'
import { LocalOps } from './ops.js'
import type { OpsOptions } from './path-ops.js'

/** Most attempts that `retries` may ask for. */
const MAX_RETRIES = 1000

/** A stream whose file appears at once and whole when it is closed, or never. */
export class StagedWrite extends Writable {
  readonly path: string
  readonly #fs: VolumeFs
  readonly #stage: string
  readonly #mode: number
  #handle: Awaited<ReturnType<FsPromises['open']>> | undefined
  #discarded = false

  constructor(fs: VolumeFs, path: string, mode: number) {
    super()
    this.path = path
    this.#fs = fs
    this.#mode = mode
    this.#stage = stageName(path)
  }

  override _construct(done: (error?: Error | null) => void): void {
    run(this.#open(), done)
  }

  async #open(): Promise<void> {
    this.#handle = await this.#fs.promises.open(this.#stage, 'wx', this.#mode)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    run(this.#handle?.writeFile(chunk) ?? Promise.resolve(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    run(this.#publish(), done)
  }

  async #publish(): Promise<void> {
    await this.#keepMode()
    await this.#handle?.close()
    this.#handle = undefined
    await this.#fs.promises.rename(this.#stage, this.path)
  }

  /** A file that is replaced keeps its mode, as one that is overwritten does. */
  async #keepMode(): Promise<void> {
    const existing = await this.#fs.backend.call('statIfExists', [this.path, true])
    if (existing !== undefined) await this.#handle?.chmod(existing.mode & 0o7777)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const visible = this.writableFinished && !this.#discarded
    run(visible ? Promise.resolve() : this.#remove(), failure => done(error ?? failure))
  }

  async #remove(): Promise<void> {
    if (this.#handle === undefined) return
    await this.#handle.close()
    this.#handle = undefined
    await this.#fs.promises.rm(this.#stage, { force: true })
  }

  /** Ends the stream without a trace: what stood at the path stays. */
  discard(): Promise<void> {
    this.#discarded = true
    return new Promise(resolve => {
      if (this.closed) resolve()
      else this.once('close', resolve)
      this.destroy()
    })
  }

  /** Ends the stream and resolves when the file is there. */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.once('error', reject)
      this.end((error?: Error | null) => (error ? reject(error) : resolve()))
    })
  }
}

function run(work: Promise<unknown>, done: (error?: Error | null) => void): void {
  work.then(
    () => done(),
    error => done(error),
  )
}

let stages = 0

/** A name beside the target, so that the rename stays in its directory. */
function stageName(path: string): string {
  const slash = path.lastIndexOf('/') + 1
  stages++
  return `${path.slice(0, slash)}.stage-${process.pid}-${stages}-${path.slice(slash, slash + 32)}`
}

/**
 * A staged writable stream: the file is visible, whole, when `close()` (or `end`) is done; until then, and after `discard()` or an error, what stood
 * there before stays. Atomic: a rename over the path.
 * @param options mode of a new file (default 0o666, less the umask)
 * @throws as fs.open, through the stream's `error`
 */
export function openWrite(fs: VolumeFs, path: string, options: { mode?: number } = {}): StagedWrite {
  return new StagedWrite(fs, path, options.mode ?? 0o666)
}

export interface TransactionOptions extends OpsOptions {
  /** How often to run the body again after a conflict; default 0. */
  retries?: number
}

/** What the body of a transaction gets: the promise forms, and the others behind `fs`. */
export type TransactionFs = FsPromises & { readonly fs: VolumeFs }

/** Where transactions begin: `VolumeApi`. */
export interface TransactionSource {
  begin(): TransactionSession
}

/**
 * Runs `body` over a private copy of the volume and applies what it did at once. It reads its own writes; nobody else sees them before. All or nothing,
 * in memory, in the journal and after a crash. Nobody waits for it: when something that it read or wrote has changed meanwhile, nothing is applied.
 * @param makeFileSystem the POSIX layer over a session (`session => new FileSystem(session)`)
 * @returns what `body` returned
 * @throws CairnError ERR_CONFLICT when the conflicts outlast `retries`; what `body` throws, and then nothing is applied
 */
export async function transaction<T>(
  volume: TransactionSource,
  makeFileSystem: (session: TransactionSession) => FileSystemApi,
  body: (tx: TransactionFs) => Promise<T> | T,
  options: TransactionOptions = {},
): Promise<T> {
  const retries = Math.min(options.retries ?? 0, MAX_RETRIES)
  for (let attempt = 0; ; attempt++) {
    const session = volume.begin()
    const ops = new LocalOps(makeFileSystem(session), options)
    try {
      const result = await runBody(ops, body)
      session.commitTransaction()
      return result
    } catch (error) {
      session.abort()
      const conflict = error instanceof CairnError && error.code === 'ERR_CONFLICT'
      if (!conflict || attempt >= retries) throw error
    }
  }
}

async function runBody<T>(ops: LocalOps, body: (tx: TransactionFs) => Promise<T> | T): Promise<T> {
  const fs = createFs(new LocalBackend(ops))
  try {
    return await body(Object.assign(fs.promises, { fs }))
  } finally {
    ops.closeAll()
  }
}
