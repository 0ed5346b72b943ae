import { constants } from 'node:os'

/** What a caller may do after an error: nothing, the same call again, or open the volume again first. */
export type Retry = 'no' | 'same-call' | 'reopen'

/**
 * Everything that is not a POSIX failure of a file operation.
 * `message` is one sentence that says what is wrong; `remedy` one that says what to do.
 */
export class CairnError extends Error {
  readonly code: string
  readonly retry: Retry
  readonly remedy: string
  /** Exit code of the command line: 2 for a mistake of usage, else 1. */
  readonly exitCode: number

  constructor(code: string, message: string, remedy: string, options: { retry?: Retry; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CairnError'
    this.code = code
    this.retry = options.retry ?? 'no'
    this.remedy = remedy
    this.exitCode = options.exitCode ?? 1
  }

  toJSON(): { code: string; message: string; remedy: string; retry: Retry } {
    return { code: this.code, message: this.message, remedy: this.remedy, retry: this.retry }
  }
}

/**
 * What an operation reads is far away, and was not waited for. It has changed nothing; whoever runs it runs it again, from its start, when what it needs has come.
 * Only where a store was told that it may (`LocalStore.mayMiss`).
 */
export class PageMiss extends Error {
  /** Begins to bring it near; `done` is called once, with false when it did not come: then the operation is to wait for itself, and hears why. */
  readonly whenHere: (done: (isHere: boolean) => void) => void

  constructor(whenHere: (done: (isHere: boolean) => void) => void) {
    super('what is needed is not here yet')
    this.name = 'PageMiss'
    this.whenHere = whenHere
  }
}

/**
 * Somebody else is changing the volume at this moment, and what each does is told apart. As a `PageMiss`: the operation has changed nothing, and is run again later.
 * Only where a session was told that it may (`LiveSession.takesTurns`).
 */
export class NotYourTurn extends Error {
  readonly waitMs: number

  constructor(waitMs: number) {
    super('somebody else is changing the volume')
    this.name = 'NotYourTurn'
    this.waitMs = waitMs
  }
}

/** What ended so has changed nothing, and is made again. */
export function isGivenUp(error: unknown): boolean {
  return error instanceof PageMiss || error instanceof NotYourTurn
}

/** Stored bytes that do not verify: reads of them fail with EIO, never return wrong data. */
export class CorruptError extends CairnError {
  /** The damaged object, such as a pack's key and the offset within it. */
  readonly object: string
  /** It is not damaged but gone. */
  readonly isGone: boolean

  constructor(
    object: string,
    what: string,
    remedy = 'Run `cairn fsck` to see the extent of it, and restore the object from a copy or the volume from a checkpoint.',
    isGone = false,
  ) {
    super('ERR_CORRUPT', `${object} is damaged: ${what}.`, remedy)
    this.object = object
    this.isGone = isGone
  }

  /** The message without the object, which lists of damage name beside it. */
  get problem(): string {
    const start = `${this.object} is damaged: `
    return this.message.startsWith(start) ? this.message.slice(start.length).replace(/\.$/, '') : this.message
  }
}

/** An operation met what is not damaged but gone from its store. @param error what it threw, or what has that for its cause */
export function isGone(error: unknown): boolean {
  const { cause } = (error ?? {}) as { cause?: unknown }
  const met = cause instanceof CorruptError ? cause : error
  return met instanceof CorruptError && met.isGone
}

/** Names of POSIX errors, as in `node:os`. */
export type PosixCode = keyof typeof constants.errno

const E = constants.errno
/** The errno values that operations return negated; numbers of the running platform. */
export const EPERM = E.EPERM
export const ENOENT = E.ENOENT
export const EINTR = E.EINTR
export const EIO = E.EIO
export const ENXIO = E.ENXIO
export const E2BIG = E.E2BIG
export const EBADF = E.EBADF
export const EAGAIN = E.EAGAIN
export const ENOMEM = E.ENOMEM
export const EACCES = E.EACCES
export const EBUSY = E.EBUSY
export const EEXIST = E.EEXIST
export const EXDEV = E.EXDEV
export const ENODEV = E.ENODEV
export const ENOTDIR = E.ENOTDIR
export const EISDIR = E.EISDIR
export const EINVAL = E.EINVAL
export const ENFILE = E.ENFILE
export const ENOTTY = E.ENOTTY
export const EFBIG = E.EFBIG
export const ENOSPC = E.ENOSPC
export const EROFS = E.EROFS
export const EMLINK = E.EMLINK
export const ERANGE = E.ERANGE
export const ENAMETOOLONG = E.ENAMETOOLONG
export const ENOSYS = E.ENOSYS
export const ENOTEMPTY = E.ENOTEMPTY
export const ELOOP = E.ELOOP
export const ENODATA = E.ENODATA
export const EOPNOTSUPP = E.EOPNOTSUPP
export const EDQUOT = E.EDQUOT
export const ESTALE = E.ESTALE
export const ENOTCONN = E.ENOTCONN
export const EOVERFLOW = E.EOVERFLOW

const names = new Map<number, string>()
for (const [name, value] of Object.entries(E)) if (!names.has(value) || name === 'EAGAIN' || name === 'ENOTSUP') names.set(value, name)

/** The name of an errno value, such as `ENOENT` for 2. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`
}

/** Messages as libuv words them, so that errors read exactly as those of node:fs. */
const messages: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EINTR: 'interrupted system call',
  EIO: 'i/o error',
  ENXIO: 'no such device or address',
  E2BIG: 'argument list too long',
  EBADF: 'bad file descriptor',
  EAGAIN: 'resource temporarily unavailable',
  ENOMEM: 'not enough memory',
  EACCES: 'permission denied',
  EBUSY: 'resource busy or locked',
  EEXIST: 'file already exists',
  EXDEV: 'cross-device link not permitted',
  ENODEV: 'no such device',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  EINVAL: 'invalid argument',
  ENFILE: 'file table overflow',
  ENOTTY: 'inappropriate ioctl for device',
  EFBIG: 'file too large',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  EMLINK: 'too many links',
  ERANGE: 'result too large',
  ENAMETOOLONG: 'name too long',
  ENOSYS: 'function not implemented',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many symbolic links encountered',
  ENODATA: 'no data available',
  ENOTSUP: 'operation not supported on socket',
  EDQUOT: 'disk quota exceeded',
  ESTALE: 'stale file handle',
  EOVERFLOW: 'value too large for defined data type',
}

/**
 * A POSIX failure with the shape that node:fs gives it.
 * @param errno positive errno value
 * @param syscall the call as libuv names it (`open`, `stat`, `rename` …)
 */
export function posixError(errno: number, syscall: string, path?: string, dest?: string): NodeJS.ErrnoException & { dest?: string } {
  const code = errnoName(errno)
  const where = path === undefined ? '' : dest === undefined ? ` '${path}'` : ` '${path}' -> '${dest}'`
  const error: NodeJS.ErrnoException & { dest?: string } = new Error(`${code}: ${messages[code] ?? code.toLowerCase()}, ${syscall}${where}`)
  error.errno = -errno
  error.code = code
  error.syscall = syscall
  if (path !== undefined) error.path = path
  if (dest !== undefined) error.dest = dest
  return error
}
