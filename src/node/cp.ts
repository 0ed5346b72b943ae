import { constants } from 'node:fs'
import { constants as os } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path/posix'
import { EEXIST, EINVAL, EISDIR, ENOTDIR } from '../errors.js'
import type { MaybePromise } from './backend.js'
import { copySteps } from './content.js'
import type { Core } from './core.js'
import { invalidArgType, systemError } from './errors.js'
import { join, shown, toText } from './paths.js'
import type { StatRecord } from './stats.js'
import { type Steps, step } from './steps.js'
import { boolean, checkPath, integer, options } from './validate.js'

const { S_IFMT, S_IFDIR, S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = constants
const PAGE_ENTRIES = 1024

type Filter = (from: string, to: string) => boolean | Promise<boolean>

interface CopyOptions {
  dereference: boolean
  errorOnExist: boolean
  filter: Filter | undefined
  force: boolean
  mode: number
  preserveTimestamps: boolean
  recursive: boolean
  verbatimSymlinks: boolean
}

function copyOptions(value: unknown): CopyOptions {
  const given = options(value)
  if (given.filter !== undefined && typeof given.filter !== 'function') throw invalidArgType('options.filter', 'of type function', given.filter)
  const result = {
    dereference: boolean(given.dereference, 'options.dereference', false),
    errorOnExist: boolean(given.errorOnExist, 'options.errorOnExist', false),
    filter: given.filter as Filter | undefined,
    force: boolean(given.force, 'options.force', true),
    mode: integer(given.mode ?? 0, 'mode', 0, 7),
    preserveTimestamps: boolean(given.preserveTimestamps, 'options.preserveTimestamps', false),
    recursive: boolean(given.recursive, 'options.recursive', false),
    verbatimSymlinks: boolean(given.verbatimSymlinks, 'options.verbatimSymlinks', false),
  }
  if (result.dereference && result.verbatimSymlinks) {
    throw Object.assign(new TypeError('Option "dereference" cannot be used in combination with option "verbatimSymlinks"'), {
      code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
    })
  }
  return result
}

const kind = (r: StatRecord): number => r.mode & S_IFMT
const same = (a: StatRecord, b: StatRecord): boolean => a.ino === b.ino && a.dev === b.dev

/** As fs.cp, within one volume: files, directories and symbolic links, by the rules and errors of node. */
export function cp(core: Core, from: unknown, to: unknown, opts?: unknown): MaybePromise<void> {
  const given = copyOptions(opts)
  const source = shown(checkPath(from, 'src'))
  const target = shown(checkPath(to, 'dest'))
  return core.run(new Copy(core, given).start(source, target))
}

class Copy {
  private readonly core: Core
  private readonly options: CopyOptions

  constructor(core: Core, given: CopyOptions) {
    this.core = core
    this.options = given
  }

  *start(from: string, to: string): Steps<void> {
    const found = yield* this.check(from, to)
    yield* this.checkParents(found.source, from, to)
    if (!(yield* this.wanted(from, to))) return
    const parent = dirname(to)
    if ((yield* step(this.core.call('statIfExists', [parent, true]))) === undefined) {
      yield* step(this.core.mkdir(parent, { recursive: true }))
    }
    yield* this.copy(found.source, found.target, from, to)
  }

  private *wanted(from: string, to: string): Steps<boolean> {
    return this.options.filter === undefined || Boolean(yield* step(this.options.filter(from, to)))
  }

  private *check(from: string, to: string): Steps<{ source: StatRecord; target: StatRecord | undefined }> {
    const follow = this.options.dereference
    const source = yield* step(this.core.call(follow ? 'stat' : 'lstat', [from]))
    const target = yield* step(this.core.call('statIfExists', [to, follow]))
    if (target === undefined) {
      if (kind(source) === S_IFDIR && isInside(from, to)) throw this.invalid(`cannot copy ${from} to a subdirectory of self ${to}`, to)
      return { source, target }
    }
    if (same(source, target)) throw this.invalid('src and dest cannot be the same', to)
    if (kind(source) === S_IFDIR && kind(target) !== S_IFDIR) {
      throw copyError(
        'ERR_FS_CP_DIR_TO_NON_DIR',
        'Cannot overwrite non-directory with directory',
        EISDIR,
        `cannot overwrite non-directory ${to} with directory ${from}`,
        to,
      )
    }
    if (kind(source) !== S_IFDIR && kind(target) === S_IFDIR) {
      throw copyError(
        'ERR_FS_CP_NON_DIR_TO_DIR',
        'Cannot overwrite directory with non-directory',
        ENOTDIR,
        `cannot overwrite directory ${to} with non-directory ${from}`,
        to,
      )
    }
    if (kind(source) === S_IFDIR && isInside(from, to)) throw this.invalid(`cannot copy ${from} to a subdirectory of self ${to}`, to)
    return { source, target }
  }

  /** A target whose parents hold the source, by another name, would never end. */
  private *checkParents(source: StatRecord, from: string, to: string): Steps<void> {
    for (let at = dirname(resolve('/', to)); at !== '/' && at !== dirname(resolve('/', from)); at = dirname(at)) {
      const above = yield* step(this.core.call('statIfExists', [at, true]))
      if (above !== undefined && same(source, above)) throw this.invalid(`cannot copy ${from} to a subdirectory of self ${to}`, to)
    }
  }

  private invalid(message: string, path: string): Error {
    return copyError('ERR_FS_CP_EINVAL', 'Invalid src or dest', EINVAL, message, path)
  }

  private *copy(source: StatRecord, target: StatRecord | undefined, from: string, to: string): Steps<void> {
    const type = kind(source)
    if (type === S_IFDIR) {
      if (!this.options.recursive) {
        throw copyError('ERR_FS_EISDIR', 'Recursive option not enabled, cannot copy a directory', EISDIR, `${from} is a directory (not copied)`, from)
      }
      yield* this.copyDirectory(source, target, from, to)
    } else if (type === S_IFREG || type === S_IFCHR || type === S_IFBLK) yield* this.copyFile(source, target, from, to)
    else if (type === S_IFLNK) yield* this.copyLink(target, from, to)
    else if (type === S_IFSOCK) throw copyError('ERR_FS_CP_SOCKET', 'Cannot copy a socket file', EINVAL, `cannot copy a socket file: ${to}`, to)
    else if (type === S_IFIFO) throw copyError('ERR_FS_CP_FIFO_PIPE', 'Cannot copy a FIFO pipe', EINVAL, `cannot copy a FIFO pipe: ${to}`, to)
    else throw copyError('ERR_FS_CP_UNKNOWN', 'Cannot copy an unknown file type', EINVAL, `cannot copy an unknown file type: ${to}`, to)
  }

  private *copyFile(source: StatRecord, target: StatRecord | undefined, from: string, to: string): Steps<void> {
    if (target !== undefined) {
      if (!this.options.force) {
        if (this.options.errorOnExist) throw copyError('ERR_FS_CP_EEXIST', 'Target already exists', EEXIST, `${to} already exists`, to)
        return
      }
      yield* step(this.core.unlink(to))
    }
    yield* copySteps(this.core, from, to, this.options.mode)
    if (!this.options.preserveTimestamps) return
    yield* step(this.core.call('utimes', [to, [source.atimeS, source.atimeNs, source.mtimeS, source.mtimeNs], true]))
  }

  private *copyDirectory(source: StatRecord, target: StatRecord | undefined, from: string, to: string): Steps<void> {
    if (target === undefined) yield* step(this.core.mkdir(to))
    let after: [number, number] | undefined
    do {
      const page = yield* step(this.core.call('readdir', [from, after, PAGE_ENTRIES]))
      for (const name of page.names) yield* this.copyEntry(join(from, toText(name)), join(to, toText(name)))
      after = page.next
    } while (after !== undefined)
    if (target === undefined) yield* step(this.core.chmod(to, source.mode & 0o7777))
  }

  private *copyEntry(from: string, to: string): Steps<void> {
    if (!(yield* this.wanted(from, to))) return
    const found = yield* this.check(from, to)
    yield* this.copy(found.source, found.target, from, to)
  }

  private *copyLink(target: StatRecord | undefined, from: string, to: string): Steps<void> {
    let link = toText(yield* step(this.core.call('readlink', [from])))
    if (!this.options.verbatimSymlinks && !isAbsolute(link)) link = resolve('/', dirname(from), link)
    if (target === undefined) {
      yield* step(this.core.symlink(link, to))
      return
    }
    if (kind(target) === S_IFLNK) yield* this.checkLinkTargets(link, to)
    else if (!this.options.force) throw copyError('ERR_FS_CP_EEXIST', 'Target already exists', EEXIST, `${to} already exists`, to)
    if (kind(target) === S_IFLNK) yield* step(this.core.unlink(to))
    yield* step(this.core.symlink(link, to))
  }

  private *checkLinkTargets(link: string, to: string): Steps<void> {
    let existing = toText(yield* step(this.core.call('readlink', [to])))
    if (!isAbsolute(existing)) existing = resolve('/', dirname(to), existing)
    const behind = yield* step(this.core.call('statIfExists', [link, true]))
    if (behind === undefined || kind(behind) !== S_IFDIR) return
    if (isInside(link, existing)) throw this.invalid(`cannot copy ${link} to a subdirectory of self ${existing}`, to)
    if (isInside(existing, link)) {
      throw copyError(
        'ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY',
        'Cannot overwrite symlink in subdirectory of self',
        EINVAL,
        `cannot overwrite ${existing} with ${link}`,
        to,
      )
    }
  }
}

/** True when `path` is `dir` or below it. */
function isInside(dir: string, path: string): boolean {
  const above = resolve('/', dir).split('/').filter(Boolean)
  const below = resolve('/', path).split('/').filter(Boolean)
  return above.every((part, i) => below[i] === part)
}

function copyError(code: string, what: string, errno: number, message: string, path: string): Error {
  const name = Object.entries(os.errno).find(([, value]) => value === errno)?.[0] ?? 'EINVAL'
  return systemError(code, `${what}: cp returned ${name} (${message})`, 'cp', errno, path)
}
