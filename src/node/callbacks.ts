import type { MaybePromise } from './backend.js'
import type { Core } from './core.js'
import { invalidArgType } from './errors.js'
import { Glob } from './glob.js'
import { checkViews, read, readRequest, readVector, write, writeRequest, writeVector } from './io.js'
import type { createPromises } from './promises.js'
import { checkFd, position } from './validate.js'

type Callback = (error: unknown, ...results: unknown[]) => void
type Async = (...args: unknown[]) => MaybePromise<unknown>

/** The promise forms that have a callback form of the same name. */
const names = [
  ...['access', 'appendFile', 'chmod', 'chown', 'copyFile', 'cp', 'lchmod', 'lchown', 'link', 'lstat', 'lutimes', 'mkdir', 'mkdtemp', 'opendir'],
  ...['readFile', 'readdir', 'readlink', 'realpath', 'rename', 'rm', 'rmdir', 'stat', 'statfs', 'symlink', 'truncate', 'unlink', 'utimes', 'writeFile'],
]

function takeCallback(args: unknown[]): Callback {
  const callback = args.pop()
  if (typeof callback !== 'function') throw invalidArgType('cb', 'of type function', callback)
  return callback as Callback
}

/** Answers through `callback` on a later tick, outside of any promise, so that what it throws is not swallowed. */
function answer(work: Promise<unknown>, callback: Callback, spread: (result: unknown) => unknown[]): void {
  work.then(
    result => process.nextTick(callback, null, ...spread(result)),
    error => process.nextTick(callback, error),
  )
}

const one = (result: unknown): unknown[] => (result === undefined ? [] : [result])

function withCallback(run: Async): (...args: unknown[]) => void {
  return (...args) => {
    const callback = takeCallback(args)
    answer((async () => run(...args))(), callback, one)
  }
}

/** Forms whose callback gets a count and what was read or written. */
function withCount(run: (fd: number, args: unknown[]) => { count: MaybePromise<number>; data: unknown }): (fd: unknown, ...args: unknown[]) => void {
  return (fd, ...args) => {
    const callback = takeCallback(args)
    const work = (async () => {
      const { count, data } = run(checkFd(fd), args)
      return [await count, data]
    })()
    answer(work, callback, result => result as unknown[])
  }
}

function onDescriptors(core: Core): Record<string, Async> {
  return {
    open: (path, flags, mode) => core.open(path, flags, mode),
    close: fd => core.close(fd),
    fstat: (fd, opts) => core.fstat(fd, opts),
    fsync: fd => core.fsync(fd),
    fdatasync: fd => core.fsync(fd),
    fchmod: (fd, mode) => core.fchmod(fd, mode),
    fchown: (fd, uid, gid) => core.fchown(fd, uid, gid),
    ftruncate: (fd, length) => core.ftruncate(fd, length),
    futimes: (fd, atime, mtime) => core.futimes(fd, atime, mtime),
  }
}

/** The callback forms, made from the promise forms. */
export function createCallbacks(core: Core, promises: ReturnType<typeof createPromises>): Record<string, (...args: unknown[]) => void> {
  const result: Record<string, (...args: unknown[]) => void> = {}
  // Names come from the list above, so the index is safe.
  for (const name of names) result[name] = withCallback((promises as unknown as Record<string, Async>)[name])
  for (const [name, run] of Object.entries(onDescriptors(core))) result[name] = withCallback(run)
  Object.assign(result.realpath, { native: result.realpath })
  result.exists = (path, callback) => {
    if (typeof callback !== 'function') throw invalidArgType('cb', 'of type function', callback)
    ;(async () => core.exists(path))().then(
      found => process.nextTick(callback as Callback, found),
      () => process.nextTick(callback as Callback, false),
    )
  }
  result.glob = (patterns, ...args) => {
    const callback = takeCallback(args)
    const glob = new Glob(core, patterns, args[0])
    answer((async () => core.run(glob.all()))(), callback, one)
  }
  result.read = withCount((fd, args) => {
    const request = readRequest(args[0], args[1], args[2], args[3])
    return { count: read(core, fd, request), data: request.buffer }
  })
  result.readv = withCount((fd, args) => {
    const views = checkViews(args[0])
    return { count: core.run(readVector(core, fd, views, position(args[1]))), data: views }
  })
  result.write = withCount((fd, args) => ({ count: write(core, fd, writeRequest(args[0], args[1], args[2], args[3])), data: args[0] }))
  result.writev = withCount((fd, args) => ({ count: writeVector(core, fd, checkViews(args[0]), position(args[1])), data: args[0] }))
  return result
}
