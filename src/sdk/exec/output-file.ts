import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { posix } from 'node:path'
import { CairnError, errnoName } from '../../errors.js'
import type { ExecResult } from './types.js'

const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants
const FILE_MODE = 0o644

/**
 * Both outputs of a command, whole and in the order in which they come, in a file of the volume. It is written through the view of the run: within its rules and the
 * quota, and as a change of the run.
 */
export class OutputFile {
  readonly #path: string
  readonly #fd: number
  #bytes = 0
  #problem: string | undefined

  /**
   * Replaces what was there. No symbolic link is followed: it could lead out of the volume.
   * @param path from the root of the volume
   * @throws CairnError ERR_EXEC_OUTPUT
   */
  constructor(mountpoint: string, path: string) {
    this.#path = posix.join('/', path)
    const names = this.#path.split('/').filter(Boolean)
    const last = names.pop() ?? ''
    let folder = openSync(mountpoint, O_RDONLY | O_DIRECTORY)
    try {
      for (const name of names) folder = inside(folder, name)
      this.#fd = openSync(`/proc/self/fd/${folder}/${last}`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE)
    } catch (error) {
      throw refused(path, error)
    } finally {
      closeSync(folder)
    }
  }

  /** What cannot be written, on a full disk for instance, does not end the command: the answer tells of it. */
  write(chunk: Buffer): void {
    if (this.#problem !== undefined) return
    try {
      for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd, chunk, done)
      this.#bytes += chunk.length
    } catch (error) {
      this.#problem = codeOf(error)
    }
  }

  close(): NonNullable<ExecResult['outputFile']> {
    closeSync(this.#fd)
    return { path: this.#path, bytes: this.#bytes, ...(this.#problem === undefined ? {} : { problem: this.#problem }) }
  }
}

/** Opens a folder in another one, which is closed. */
function inside(folder: number, name: string): number {
  const next = openSync(`/proc/self/fd/${folder}/${name}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  closeSync(folder)
  return next
}

function refused(path: string, error: unknown): CairnError {
  return new CairnError(
    'ERR_EXEC_OUTPUT',
    `The output of the command cannot be written to ${path}: ${codeOf(error)}.`,
    'Name a file whose directory exists, that may be written, and to which no symbolic link leads.',
    { exitCode: 125, cause: error },
  )
}

/** Node has no names for some, such as EDQUOT. */
function codeOf(error: unknown): string {
  const { code = 'EIO', errno } = error as NodeJS.ErrnoException
  return code === 'UNKNOWN' && errno !== undefined ? errnoName(-errno) : code
}
