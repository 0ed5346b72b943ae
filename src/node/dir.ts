import type { MaybePromise } from './backend.js'
import type { Core } from './core.js'
import { Dirent } from './dirent.js'
import type { NamePage } from './path-ops.js'
import { encodeName, type NameEncoding, shown } from './paths.js'
import { type Steps, step } from './steps.js'
import { checkPath, integer, nameEncoding, options, type Path } from './validate.js'

type Entry = Dirent | Dirent<Buffer>
type Callback = (error: Error | null, entry?: Entry | null) => void

/** Entries fetched at once unless `bufferSize` says otherwise. */
const DEFAULT_BUFFER = 32

/** As `fs.Dir`: the entries of a directory in the order of the volume, fetched as they are asked for. */
export class Dir {
  readonly path: string
  readonly #core: Core
  readonly #now: Core
  readonly #root: Path
  readonly #encoding: NameEncoding
  readonly #bufferSize: number
  #pending: Entry[] = []
  #next: [number, number] | undefined
  #atEnd = false
  #closed = false

  constructor(cores: { soon: Core; now: Core }, path: Path, encoding: NameEncoding, bufferSize: number) {
    this.#core = cores.soon
    this.#now = cores.now
    this.#root = path
    this.path = shown(path)
    this.#encoding = encoding
    this.#bufferSize = bufferSize
  }

  read(): Promise<Entry | null>
  read(callback: Callback): void
  read(callback?: Callback): Promise<Entry | null> | undefined {
    const entry = this.#readSoon()
    if (callback === undefined) return entry
    entry.then(
      found => callback(null, found),
      error => callback(error),
    )
    return undefined
  }

  readSync(): Entry | null {
    this.#checkOpen()
    return this.#now.run(this.#steps(this.#now)) as Entry | null
  }

  async #readSoon(): Promise<Entry | null> {
    this.#checkOpen()
    return this.#core.run(this.#steps(this.#core))
  }

  *#steps(core: Core): Steps<Entry | null> {
    if (this.#pending.length === 0 && !this.#atEnd) this.#fill(yield* step(core.call('readdir', [this.#root, this.#next, this.#bufferSize])))
    return this.#pending.pop() ?? null
  }

  #fill(page: NamePage): void {
    for (let i = page.names.length - 1; i >= 0; i--) {
      this.#pending.push(new Dirent(encodeName(page.names[i], this.#encoding), this.path, page.types[i]) as Entry)
    }
    this.#next = page.next
    this.#atEnd = page.next === undefined
  }

  #checkOpen(): void {
    if (this.#closed) throw Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' })
  }

  close(): Promise<void>
  close(callback: (error: Error | null) => void): void
  close(callback?: (error: Error | null) => void): Promise<void> | undefined {
    const closing = (async () => this.closeSync())()
    if (callback === undefined) return closing
    closing.then(() => callback(null), callback)
    return undefined
  }

  closeSync(): void {
    this.#checkOpen()
    this.#closed = true
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Entry> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry
    } finally {
      if (!this.#closed) this.closeSync()
    }
  }

  entries(): AsyncGenerator<Entry> {
    return this[Symbol.asyncIterator]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.closeSync()
  }
}

/** As fs.opendir. */
export function opendir(core: Core, cores: { soon: Core; now: Core }, path: unknown, opts?: unknown): MaybePromise<Dir> {
  const given = options(opts)
  const checked = checkPath(path)
  const bufferSize = given.bufferSize === undefined ? DEFAULT_BUFFER : integer(given.bufferSize, 'options.bufferSize', 1)
  return core.run(openSteps(core, new Dir(cores, checked, nameEncoding(opts), bufferSize), checked))
}

function* openSteps(core: Core, dir: Dir, path: Path): Steps<Dir> {
  yield* step(core.call('opendir', [path]))
  return dir
}
