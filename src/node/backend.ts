import { CorruptError, EIO, posixError } from '../errors.js'
import type { LocalOps } from './ops.js'
import type { Path } from './validate.js'

/** The operations that a backend carries out, here or in another process. */
export const opNames = [
  ...([
    'access',
    'chmod',
    'chown',
    'getxattr',
    'lchmod',
    'link',
    'listxattr',
    'lstat',
    'mkdir',
    'mknod',
    'opendir',
    'readdir',
    'readlink',
    'realpath',
    'removexattr',
  ] as const),
  ...(['rename', 'rmdir', 'setxattr', 'stat', 'statfs', 'statIfExists', 'symlink', 'unlink', 'utimes'] as const),
  ...(['close', 'copyRange', 'fallocate', 'fchmod', 'fchown', 'fstat', 'fsync', 'fsyncNow', 'ftruncate', 'futimes', 'open', 'read', 'seek', 'write'] as const),
  ...(['copyFile', 'mkdtemp', 'readFile', 'rm', 'truncate', 'writeFile'] as const),
] as const

export type OpName = (typeof opNames)[number]
export type OpArgs<M extends OpName> = Parameters<LocalOps[M]>
export type OpResult<M extends OpName> = Awaited<ReturnType<LocalOps[M]>>
export type MaybePromise<T> = T | Promise<T>

/** Carries out operations: the volume in this process, or a connection to the server that has it. */
export interface Backend {
  /** `call` answers at once with a value (all but fsync), so that the synchronous forms work. */
  readonly isLocal: boolean
  /** The most bytes that one `read`, `write`, `readFile` or `writeFile` should carry. */
  readonly transferBytes: number
  /** Arguments and result can be cloned to another process. Throws or rejects with errors of node:fs's shape. */
  call<M extends OpName>(method: M, args: OpArgs<M>): MaybePromise<OpResult<M>>
  /** As `call`, but blocks until the answer is there: for the synchronous forms where not `isLocal`. */
  callNow?<M extends OpName>(method: M, args: OpArgs<M>): OpResult<M>
  /** Reads straight into the caller's memory; only where `isLocal`. */
  readInto?(handle: number, into: Uint8Array, at: number, length: number, position: number | null): number
  /** The sorted names of a directory where they are kept, as text: not to be changed. Undefined: ask `readdir`. Only where `isLocal`. */
  listed?(path: Path): readonly string[] | undefined
}

const known: ReadonlySet<string> = new Set(opNames)

/** True for a name that `call` takes; names from another process are checked with it. */
export function isOpName(name: string): name is OpName {
  return known.has(name)
}

/** Operations on a volume of this process. A call costs no promise. */
export class LocalBackend implements Backend {
  readonly isLocal = true
  readonly transferBytes = Number.MAX_SAFE_INTEGER
  readonly ops: LocalOps
  readonly #as: (<T>(work: () => T) => T) | undefined

  readonly #explain: ((error: unknown) => Error | undefined) | undefined

  /**
   * @param as runs what is an operation's in the name of somebody; default: as it is
   * @param explain what is to be thrown in the place of an error
   */
  constructor(ops: LocalOps, as?: <T>(work: () => T) => T, explain?: (error: unknown) => Error | undefined) {
    this.ops = ops
    this.#as = as
    this.#explain = explain
  }

  call<M extends OpName>(method: M, args: OpArgs<M>): MaybePromise<OpResult<M>> {
    try {
      const run = this.ops[method] as (...args: unknown[]) => MaybePromise<OpResult<M>>
      return this.#as === undefined ? run.apply(this.ops, args) : this.#as(() => run.apply(this.ops, args))
    } catch (error) {
      throw this.#explain?.(error) ?? asIoError(error, method, args[0])
    }
  }

  readInto(handle: number, into: Uint8Array, at: number, length: number, position: number | null): number {
    try {
      return this.ops.readInto(handle, into, at, length, position)
    } catch (error) {
      throw this.#explain?.(error) ?? asIoError(error, 'read', undefined)
    }
  }

  listed(path: Path): readonly string[] | undefined {
    return this.ops.listed(path)
  }
}

/** Damage is EIO to whoever reads, with the damaged object named in the message and in `cause`. */
function asIoError(error: unknown, method: string, path: unknown): unknown {
  if (!(error instanceof CorruptError)) return error
  const result = posixError(EIO, method, typeof path === 'string' ? path : undefined)
  result.message += ` (${error.message})`
  result.cause = error
  return result
}
