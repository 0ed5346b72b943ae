import { constants } from 'node:os'
import { CairnError, EINVAL, EIO } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Asker, type Commands, help, runCommand } from './commands.js'

/** The answer to the last command of a descriptor, and where in its positions it begins. */
interface Answer {
  text: Buffer
  /** Behind what was written, since a descriptor has one position for both; 0 for who rewound it. */
  base: number
}

const NOTHING = Buffer.alloc(0)

/**
 * `.cairn/control`: what is written is a command, what is read the answer to it. A descriptor that wrote reads its own answer; any other
 * the last one of its user, as it was when it began to read.
 */
export class Control {
  readonly isReadOnly: boolean
  readonly #commands: Commands
  /** By handle; the oldest go first. */
  readonly #open = new Map<number, Answer>()
  readonly #last = new Map<number, Buffer>()
  #next: number

  /** @param firstHandle above all that a server before this one gave out */
  constructor(commands: Commands, isReadOnly: boolean, firstHandle: number) {
    this.#commands = commands
    this.isReadOnly = isReadOnly
    this.#next = firstHandle
  }

  /** Bytes that stat shows. On a read-only mount the kernel reads through its cache, up to that size. */
  get size(): number {
    return this.isReadOnly ? Buffer.byteLength(help) : 0
  }

  open(): number {
    return this.#next++
  }

  release(handle: number): void {
    this.#open.delete(handle)
  }

  read(handle: number, uid: number, offset: number, length: number): Buffer {
    if (this.isReadOnly) return Buffer.from(help).subarray(offset, offset + length)
    let answer = this.#open.get(handle)
    if (answer === undefined) {
      answer = { text: this.#last.get(uid) ?? Buffer.from(help), base: 0 }
      keep(this.#open, handle, answer)
    }
    if (offset < answer.base) answer.base = 0
    const from = offset - answer.base
    return from >= answer.text.length ? NOTHING : answer.text.subarray(from, from + length)
  }

  /**
   * Runs the lines of one write, up to one that fails. The answer can be read before this resolves.
   * @returns 0 or a negated errno
   */
  async write(handle: number, by: Asker, offset: number, written: Buffer): Promise<number> {
    const base = offset + written.length
    if (written.length > limits.controlCommandBytes) return this.#answer(handle, by.uid, base, 'Error: The command is too long.\n', -EINVAL)
    let text = ''
    try {
      for (const line of written.toString('utf8').split('\n')) {
        if (line.trim() === '') continue
        text += await runCommand(this.#commands, line, by, this.isReadOnly)
      }
      return this.#answer(handle, by.uid, base, text, 0)
    } catch (error) {
      const [errno, words] = explain(error)
      return this.#answer(handle, by.uid, base, text + words, errno)
    }
  }

  #answer(handle: number, uid: number, base: number, text: string, result: number): number {
    let bytes = Buffer.from(text)
    if (bytes.length > limits.controlAnswerBytes)
      bytes = Buffer.concat([bytes.subarray(0, limits.controlAnswerBytes), Buffer.from('\n… cut here; use `cairn`.\n')])
    keep(this.#open, handle, { text: bytes, base })
    keep(this.#last, uid, bytes)
    return result
  }
}

function keep<T>(map: Map<number, T>, key: number, value: T): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= limits.controlAnswers) break
    map.delete(oldest)
  }
}

/** An error as errno of the write, and as text. */
function explain(error: unknown): [number, string] {
  if (error instanceof CairnError) return [errnoOf(error), `Error: ${error.message} ${error.remedy}\n`]
  const { errno, message } = error as NodeJS.ErrnoException
  return [typeof errno === 'number' ? -Math.abs(errno) : -EIO, `Error: ${message}\n`]
}

function errnoOf({ code, exitCode }: CairnError): number {
  const { errno } = constants
  if (code.endsWith('_EXISTS')) return -errno.EEXIST
  if (code.endsWith('_UNKNOWN') && exitCode !== 2) return -errno.ENOENT
  if (code.endsWith('_BUSY') || code.endsWith('_CONFLICT') || code.endsWith('_WAITING')) return -errno.EBUSY
  if (code === 'ERR_READ_ONLY') return -errno.EROFS
  const posix = Object.entries(errno).find(([name]) => code === name || code === `ERR_${name}`)
  if (posix !== undefined) return -posix[1]
  return exitCode === 2 || code.endsWith('_NAME') || code.endsWith('_AMBIGUOUS') ? -EINVAL : -EIO
}
