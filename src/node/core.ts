import { constants } from 'node:fs'
import { ENOTDIR, posixError } from '../errors.js'
import type { Backend, MaybePromise, OpArgs, OpName, OpResult } from './backend.js'
import { encodeName, shown } from './paths.js'
import { BigIntStats, type SpaceRecord, type StatRecord, Stats, statFs } from './stats.js'
import { andThen, isPromise, needsPromise, runNow, runSoon, type Steps, step } from './steps.js'
import { boolean, checkFd, checkPath, integer, nameEncoding, type Options, options, ownerId, type Path, parseFlags, parseMode, parseTime } from './validate.js'

const { S_IFMT, S_IFDIR } = constants
/** So much is written here by promises, which let nothing else happen, before the event loop has a turn. */
const TURN_BYTES = 4 * 1024 * 1024
/** Entries that one step of `rm` removes: a few milliseconds. */
const RM_STEP = 1000

/**
 * The functions of node:fs on names and attributes, written once for the promise, callback and synchronous forms: each checks its arguments as node does and
 * answers with a value where the backend does, else with a promise.
 */
export class Core {
  readonly backend: Backend
  /** For the synchronous forms: nothing may answer with a promise. */
  readonly blocking: boolean
  /** Written since the event loop had its last turn. */
  #written = 0

  constructor(backend: Backend, blocking: boolean) {
    this.backend = backend
    this.blocking = blocking
  }

  call<M extends OpName>(method: M, args: OpArgs<M>): MaybePromise<OpResult<M>> {
    if (!this.blocking) return this.backend.call(method, args)
    if (!this.backend.isLocal) {
      if (this.backend.callNow === undefined) throw needsPromise()
      return this.backend.callNow(method, args)
    }
    const result = this.backend.call(method, args)
    if (isPromise(result)) throw needsPromise()
    return result
  }

  /** To be waited for after so many bytes were written: what was written is on its way to where it belongs meanwhile, and timers of the program run. */
  turn(bytes: number): Promise<void> | undefined {
    this.#written += bytes
    if (!this.backend.isLocal || this.#written < TURN_BYTES) return undefined
    this.#written = 0
    return new Promise(resolve => setImmediate(resolve))
  }

  run<T>(steps: Steps<T>): MaybePromise<T> {
    return this.blocking ? runNow(steps) : runSoon(steps)
  }

  /** Mode of something new, less the umask of this process. */
  newMode(mode: unknown, otherwise: number): number {
    return parseMode(mode, 'mode', otherwise) & ~process.umask()
  }

  access(path: unknown, mode?: unknown): MaybePromise<void> {
    return this.call('access', [checkPath(path), mode === undefined || mode === null ? 0 : integer(mode, 'mode', 0, 7)])
  }

  exists(path: unknown): MaybePromise<boolean> {
    let found: MaybePromise<unknown>
    try {
      found = this.call('statIfExists', [checkPath(path), true])
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_FEATURE_UNAVAILABLE') throw error
      return false
    }
    return isPromise(found) ? found.then(Boolean, () => false) : Boolean(found)
  }

  stat(path: unknown, opts?: unknown): MaybePromise<Stats | BigIntStats | undefined> {
    if (opts === undefined || opts === null) return andThen(this.call('stat', [checkPath(path)]), toStats)
    return this.statWith(checkPath(path), options(opts), true)
  }

  lstat(path: unknown, opts?: unknown): MaybePromise<Stats | BigIntStats | undefined> {
    if (opts === undefined || opts === null) return andThen(this.call('lstat', [checkPath(path)]), toStats)
    return this.statWith(checkPath(path), options(opts), false)
  }

  private statWith(path: Path, opts: Options, follow: boolean): MaybePromise<Stats | BigIntStats | undefined> {
    const convert: Convert = opts.bigint ? toBigIntStats : toStats
    if (opts.throwIfNoEntry !== false || !this.blocking) return andThen(this.call(follow ? 'stat' : 'lstat', [path]), convert)
    return andThen(this.call('statIfExists', [path, follow]), r => r && convert(r))
  }

  fstat(fd: unknown, opts?: unknown): MaybePromise<Stats | BigIntStats> {
    const convert: Convert = options(opts).bigint ? toBigIntStats : toStats
    return andThen(this.call('fstat', [checkFd(fd)]), convert)
  }

  statfs(path: unknown, opts?: unknown): MaybePromise<SpaceRecord | Record<string, bigint>> {
    return andThen(this.call('statfs', [checkPath(path)]), r => statFs(r, Boolean(options(opts).bigint)))
  }

  chmod(path: unknown, mode: unknown): MaybePromise<void> {
    return this.call('chmod', [checkPath(path), parseMode(mode, 'mode')])
  }

  lchmod(path: unknown, mode: unknown): MaybePromise<void> {
    return this.call('lchmod', [checkPath(path), parseMode(mode, 'mode')])
  }

  fchmod(fd: unknown, mode: unknown): MaybePromise<void> {
    return this.call('fchmod', [checkFd(fd), parseMode(mode, 'mode')])
  }

  chown(path: unknown, uid: unknown, gid: unknown): MaybePromise<void> {
    return this.call('chown', [checkPath(path), ownerId(uid, 'uid'), ownerId(gid, 'gid'), true])
  }

  lchown(path: unknown, uid: unknown, gid: unknown): MaybePromise<void> {
    return this.call('chown', [checkPath(path), ownerId(uid, 'uid'), ownerId(gid, 'gid'), false])
  }

  fchown(fd: unknown, uid: unknown, gid: unknown): MaybePromise<void> {
    return this.call('fchown', [checkFd(fd), ownerId(uid, 'uid'), ownerId(gid, 'gid')])
  }

  utimes(path: unknown, atime: unknown, mtime: unknown): MaybePromise<void> {
    return this.call('utimes', [checkPath(path), times(atime, mtime), true])
  }

  lutimes(path: unknown, atime: unknown, mtime: unknown): MaybePromise<void> {
    return this.call('utimes', [checkPath(path), times(atime, mtime), false])
  }

  futimes(fd: unknown, atime: unknown, mtime: unknown): MaybePromise<void> {
    return this.call('futimes', [checkFd(fd), times(atime, mtime)])
  }

  mkdir(path: unknown, opts?: unknown): MaybePromise<string | undefined> {
    const given: Options = typeof opts === 'number' || typeof opts === 'string' ? { mode: opts } : options(opts)
    const recursive = boolean(given.recursive, 'options.recursive', false)
    const made = this.call('mkdir', [checkPath(path), this.newMode(given.mode, 0o777), recursive])
    return andThen(made, first => (first === undefined ? undefined : (encodeName(first, 'utf8') as string)))
  }

  mkdtemp(prefix: unknown, opts?: unknown): MaybePromise<string | Buffer> {
    const encoding = nameEncoding(opts)
    return andThen(this.call('mkdtemp', [checkPath(prefix, 'prefix'), 0o700 & ~process.umask()]), path => encodeName(path, encoding))
  }

  unlink(path: unknown): MaybePromise<void> {
    return this.call('unlink', [checkPath(path)])
  }

  rmdir(path: unknown, opts?: unknown): MaybePromise<void> {
    const checked = checkPath(path)
    if (!boolean(options(opts).recursive, 'options.recursive', false)) return this.call('rmdir', [checked])
    return this.run(this.removeDirectory(checked))
  }

  private *removeDirectory(path: Path): Steps<void> {
    const found = yield* step(this.call('stat', [path]))
    if ((found.mode & S_IFMT) !== S_IFDIR) throw posixError(ENOTDIR, 'rmdir', shown(path))
    yield* this.removeAll(path, true, false)
  }

  rm(path: unknown, opts?: unknown): MaybePromise<void> {
    const checked = checkPath(path)
    const given = options(opts)
    const recursive = boolean(given.recursive, 'options.recursive', false)
    return this.run(this.removeAll(checked, recursive, boolean(given.force, 'options.force', false)))
  }

  private *removeAll(path: Path, recursive: boolean, force: boolean): Steps<void> {
    // A step that was interrupted after the root went may not fail for its absence.
    let started = false
    while (!(yield* step(this.call('rm', [path, recursive, force || started, RM_STEP])))) started = true
  }

  rename(from: unknown, to: unknown, flags = 0): MaybePromise<void> {
    return this.call('rename', [checkPath(from, 'oldPath'), checkPath(to, 'newPath'), flags])
  }

  link(existing: unknown, path: unknown): MaybePromise<void> {
    return this.call('link', [checkPath(existing, 'existingPath'), checkPath(path, 'newPath')])
  }

  symlink(target: unknown, path: unknown, _type?: unknown): MaybePromise<void> {
    return this.call('symlink', [checkPath(target, 'target'), checkPath(path)])
  }

  readlink(path: unknown, opts?: unknown): MaybePromise<string | Buffer> {
    const encoding = nameEncoding(opts)
    return andThen(this.call('readlink', [checkPath(path, 'oldPath')]), target => encodeName(target, encoding))
  }

  realpath(path: unknown, opts?: unknown): MaybePromise<string | Buffer> {
    const encoding = nameEncoding(opts)
    return andThen(this.call('realpath', [checkPath(path)]), real => encodeName(real, encoding))
  }

  open(path: unknown, flags?: unknown, mode?: unknown): MaybePromise<number> {
    return this.call('open', [checkPath(path), parseFlags(flags), this.newMode(mode, 0o666)])
  }

  close(fd: unknown): MaybePromise<void> {
    return this.call('close', [checkFd(fd)])
  }

  fsync(fd: unknown): MaybePromise<void> {
    return this.call(this.blocking ? 'fsyncNow' : 'fsync', [checkFd(fd)])
  }

  truncate(path: unknown, length?: unknown): MaybePromise<void> {
    return this.call('truncate', [checkPath(path), Math.max(0, length === undefined || length === null ? 0 : integer(length, 'len'))])
  }

  ftruncate(fd: unknown, length?: unknown): MaybePromise<void> {
    return this.call('ftruncate', [checkFd(fd), Math.max(0, length === undefined || length === null ? 0 : integer(length, 'len'))])
  }
}

type Convert = (record: StatRecord) => Stats | BigIntStats

function times(atime: unknown, mtime: unknown): [number, number, number, number] {
  const a = parseTime(atime, 'atime')
  const m = parseTime(mtime, 'mtime')
  return [a.s, a.ns, m.s, m.ns]
}

function toStats(record: StatRecord): Stats {
  return new Stats(record)
}

function toBigIntStats(record: StatRecord): BigIntStats {
  return new BigIntStats(record)
}
