import { createHash } from 'node:crypto'
import { CairnError } from '../errors.js'
import { type BatchAnswer, type BatchOp, contentOf, createFs, matchedPath, unmet, type VolumeFs } from '../node/index.js'
import { limits } from '../sys/index.js'
import type { CommitInfo } from '../volume/api.js'
import { BatchError } from './batch-error.js'
import { checkOp } from './batch-schema.js'
import type { Opened } from './host.js'

/** Operations sent to the server at once. */
const OPS_AT_ONCE = 256

export interface BatchOptions {
  /** Of the commit that the batch becomes. */
  message?: string
  actor?: string
  /** How often to run it again after a conflict; needs `ops` to be an array. Default 0. */
  retries?: number
}

export interface BatchResult {
  /** The commit that holds all of it, and nothing else: what `undo` takes back. Undefined when nothing changed. */
  commit: CommitInfo | undefined
  /** One for each operation, in order. */
  answers: BatchAnswer[]
}

/** A batch under way: operations go in as they come, and count only once it is committed. */
export class Batch {
  readonly answers: BatchAnswer[] = []
  readonly #transaction: Awaited<ReturnType<Opened['begin']>>
  readonly #fs: VolumeFs
  /** Checked, and not sent yet. */
  #waiting: BatchOp[] = []
  #waitingBytes = 0

  private constructor(transaction: Awaited<ReturnType<Opened['begin']>>) {
    this.#transaction = transaction
    this.#fs = createFs(transaction.backend)
  }

  static async begin(opened: Opened): Promise<Batch> {
    return new Batch(await opened.begin())
  }

  /** @throws BatchError that names the line; the batch must be dropped then */
  async add(value: unknown): Promise<void> {
    const checked = checkOp(value)
    if ('problem' in checked) {
      // An operation before it may be the one that fails.
      await this.#send()
      throw this.#malformed(checked.problem)
    }
    const { op } = checked
    if (op.op === 'put' && contentOf(op).length > limits.rpcChunkBytes) return this.#putLong(op)
    const isLong = op.op === 'copy' || op.ifMatch?.sha256 !== undefined
    if (isLong) await this.#send()
    if (op.ifMatch?.sha256 !== undefined) await this.#named(op, () => this.#checkHash(op))
    if (op.op === 'copy') return this.#named(op, () => this.#copy(op))
    this.#waiting.push(op)
    this.#waitingBytes += 'bytes' in op ? contentOf(op).length : 0
    if (isLong || this.#waiting.length >= OPS_AT_ONCE || this.#waitingBytes >= limits.rpcChunkBytes) await this.#send()
  }

  /** The line after the last one is no operation. */
  async malformed(problem: string): Promise<BatchError> {
    await this.#send()
    return this.#malformed(problem)
  }

  #malformed(problem: string): BatchError {
    return new BatchError(this.answers.length + 1, undefined, new CairnError('ERR_BATCH_LINE', `${problem}.`, 'Correct that line and send all of it again.'))
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const [first] = this.#waiting
      const answers = await this.#named(first, () => this.#transaction.batch(this.#waiting))
      this.answers.push(...answers)
      this.#waiting.splice(0, answers.length)
    }
    this.#waitingBytes = 0
  }

  async #named<T>(op: BatchOp, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw new BatchError(this.answers.length + 1, op.op, error)
    }
  }

  async #checkHash(op: BatchOp): Promise<void> {
    const path = matchedPath(op)
    const hash = createHash('sha256')
    const found = await this.#fs.promises.stat(path).catch(() => undefined)
    if (found?.isFile() !== true) throw unmet(`${path} is ${found === undefined ? 'not there' : 'not a file'}`)
    for await (const part of this.#fs.createReadStream(path)) hash.update(part as Buffer)
    const is = hash.digest('hex')
    if (is !== op.ifMatch?.sha256) throw unmet(`${path} has other content: its SHA-256 is ${is}`)
  }

  /** In pieces that a request takes: the first is the put, the others are appended to it. */
  async #putLong(op: BatchOp & { op: 'put' }): Promise<void> {
    await this.#send()
    const { text: _, base64: __, bytes: ___, mode, ...put } = op
    await this.#named(op, async () => {
      if (op.ifMatch?.sha256 !== undefined) await this.#checkHash(op)
      const bytes = contentOf(op)
      const pieces: BatchOp[] = [{ ...put, bytes: bytes.subarray(0, limits.rpcChunkBytes) }]
      for (let at = limits.rpcChunkBytes; at < bytes.length; at += limits.rpcChunkBytes)
        pieces.push({ op: 'put', path: op.path, append: true, bytes: bytes.subarray(at, at + limits.rpcChunkBytes) })
      if (mode !== undefined) pieces.push({ op: 'chmod', path: op.path, mode })
      const answers: BatchAnswer[] = []
      for (const piece of pieces) answers.push(...(await this.#transaction.batch([piece])))
      this.answers.push({ ...answers[answers.length - 1], op: 'put', result: answers[0].result })
    })
  }

  async #copy(op: BatchOp & { op: 'copy' }): Promise<void> {
    const { from, to, recursive, ifAbsent } = op
    await this.#transaction.batch([{ op: 'copy', from, to, ifAbsent, ...(op.ifMatch === undefined ? {} : { ifMatch: { ...op.ifMatch, sha256: undefined } }) }])
    await this.#fs.promises.cp(from, to, { recursive: recursive === true, verbatimSymlinks: true })
    const { size, mtimeMs } = await this.#fs.promises.lstat(to)
    this.answers.push({ op: 'copy', path: to, result: 'done', size, mtimeMs })
  }

  /** Applies all of it at once. @throws CairnError ERR_CONFLICT, and nothing is applied */
  async commit(options: { message?: string; actor?: string }): Promise<BatchResult> {
    await this.#send()
    const { message, actor } = options
    const commit = await this.#transaction.commit({ ...(message === undefined ? {} : { message }), ...(actor === undefined ? {} : { actor }) })
    return { commit, answers: this.answers }
  }

  /** After `commit`, or instead of it: then nothing is applied. */
  async close(): Promise<void> {
    await this.#transaction.close()
  }
}

/** See `OpenVolume.batch`. */
export async function runBatch(opened: Opened, ops: Iterable<BatchOp> | AsyncIterable<BatchOp>, options: BatchOptions = {}): Promise<BatchResult> {
  const retries = Array.isArray(ops) ? Math.min(options.retries ?? 0, limits.batchRetries) : 0
  for (let attempt = 0; ; attempt++) {
    const batch = await Batch.begin(opened)
    try {
      for await (const op of ops) await batch.add(op)
      return await batch.commit(options)
    } catch (error) {
      const isConflict = error instanceof CairnError && error.code === 'ERR_CONFLICT'
      if (!isConflict || attempt >= retries) throw error
    } finally {
      await batch.close()
    }
  }
}
