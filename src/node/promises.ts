import { constants } from 'node:fs'
import { appendFlags, copyFile, isIterable, readFile, writeFile, writeIterable } from './content.js'
import type { Core } from './core.js'
import { cp } from './cp.js'
import { type Dir, opendir } from './dir.js'
import { featureUnavailable, throwIfAborted } from './errors.js'
import { FileHandle } from './file-handle.js'
import { Glob } from './glob.js'
import { readdir } from './listing.js'
import { checkSignal, options } from './validate.js'

/** The promise forms. Each is an async function over a value that is there already when the volume is in this process. */
export function createPromises(soon: Core, now: Core) {
  const promises = {
    constants,
    access: async (path: unknown, mode?: unknown) => soon.access(path, mode),
    appendFile: async (file: unknown, data: unknown, opts?: unknown) => writeAny(soon, file, data, opts, appendFlags),
    chmod: async (path: unknown, mode: unknown) => soon.chmod(path, mode),
    chown: async (path: unknown, uid: unknown, gid: unknown) => soon.chown(path, uid, gid),
    copyFile: async (from: unknown, to: unknown, mode?: unknown) => copyFile(soon, from, to, mode),
    cp: async (from: unknown, to: unknown, opts?: unknown) => cp(soon, from, to, opts),
    lchmod: async (path: unknown, mode: unknown) => soon.lchmod(path, mode),
    lchown: async (path: unknown, uid: unknown, gid: unknown) => soon.lchown(path, uid, gid),
    link: async (existing: unknown, path: unknown) => soon.link(existing, path),
    lstat: async (path: unknown, opts?: unknown) => soon.lstat(path, opts),
    lutimes: async (path: unknown, atime: unknown, mtime: unknown) => soon.lutimes(path, atime, mtime),
    mkdir: async (path: unknown, opts?: unknown) => soon.mkdir(path, opts),
    mkdtemp: async (prefix: unknown, opts?: unknown) => soon.mkdtemp(prefix, opts),
    mkdtempDisposable: (prefix: unknown, opts?: unknown) => mkdtempDisposable(soon, prefix, opts),
    open: async (path: unknown, flags?: unknown, mode?: unknown) => new FileHandle(soon, await soon.open(path, flags, mode)),
    opendir: async (path: unknown, opts?: unknown): Promise<Dir> => opendir(soon, { soon, now }, path, opts),
    readFile: async (file: unknown, opts?: unknown) => (file instanceof FileHandle ? file.readFile(opts) : readFile(soon, file, opts)),
    readdir: async (path: unknown, opts?: unknown) => readdir(soon, path, opts),
    readlink: async (path: unknown, opts?: unknown) => soon.readlink(path, opts),
    realpath: async (path: unknown, opts?: unknown) => soon.realpath(path, opts),
    rename: async (from: unknown, to: unknown) => soon.rename(from, to),
    rm: async (path: unknown, opts?: unknown) => soon.rm(path, opts),
    rmdir: async (path: unknown, opts?: unknown) => soon.rmdir(path, opts),
    stat: async (path: unknown, opts?: unknown) => soon.stat(path, opts),
    statfs: async (path: unknown, opts?: unknown) => soon.statfs(path, opts),
    symlink: async (target: unknown, path: unknown, type?: unknown) => soon.symlink(target, path, type),
    truncate: async (path: unknown, length?: unknown) => soon.truncate(path, length),
    unlink: async (path: unknown) => soon.unlink(path),
    utimes: async (path: unknown, atime: unknown, mtime: unknown) => soon.utimes(path, atime, mtime),
    writeFile: async (file: unknown, data: unknown, opts?: unknown) => writeAny(soon, file, data, opts),
    async *glob(patterns: unknown, opts?: unknown) {
      yield* new Glob(soon, patterns, opts).each()
    },
    watch: () => {
      throw featureUnavailable('watch is not there yet for volumes', 'Look again with stat, or mount the volume and watch the mount.')
    },
  }
  return promises
}

async function writeAny(core: Core, file: unknown, data: unknown, opts: unknown, flags?: number): Promise<void> {
  if (file instanceof FileHandle) return flags === undefined ? file.writeFile(data, opts) : file.appendFile(data, opts)
  if (!isIterable(data)) return writeFile(core, file, data, opts, flags)
  const given = options(opts)
  throwIfAborted(checkSignal(given.signal))
  const handle = new FileHandle(core, await core.open(file, given.flag ?? flags ?? 'w', given.mode))
  try {
    await writeIterable(core, handle.fd, data, given)
    if (given.flush === true) await handle.sync()
  } finally {
    await handle.close()
  }
}

/** As Node 24 has it: `remove`, and disposal with `await using`, remove the directory with all that is in it. */
async function mkdtempDisposable(core: Core, prefix: unknown, opts: unknown) {
  const path = await core.mkdtemp(prefix, opts)
  const remove = async (): Promise<void> => {
    await core.rm(path, { recursive: true, force: true })
  }
  return { path, remove, [Symbol.asyncDispose]: remove }
}
