import { appendFlags, copyFile, readFile, writeFile } from './content.js'
import type { Core } from './core.js'
import { cp } from './cp.js'
import { opendir } from './dir.js'
import { Glob } from './glob.js'
import { checkViews, read, readRequest, readVector, write, writeRequest, writeVector } from './io.js'
import { readdir } from './listing.js'
import { checkFd, position } from './validate.js'

/** The synchronous forms: for a volume in this process. @throws CairnError ERR_FEATURE_UNAVAILABLE elsewhere */
export function createSync(soon: Core, now: Core) {
  const realpath = (path: unknown, opts?: unknown) => now.realpath(path, opts)
  return {
    accessSync: (path: unknown, mode?: unknown) => now.access(path, mode),
    appendFileSync: (file: unknown, data: unknown, opts?: unknown) => writeFile(now, file, data, opts, appendFlags),
    chmodSync: (path: unknown, mode: unknown) => now.chmod(path, mode),
    chownSync: (path: unknown, uid: unknown, gid: unknown) => now.chown(path, uid, gid),
    closeSync: (fd: unknown) => now.close(fd),
    copyFileSync: (from: unknown, to: unknown, mode?: unknown) => copyFile(now, from, to, mode),
    cpSync: (from: unknown, to: unknown, opts?: unknown) => cp(now, from, to, opts),
    existsSync: (path: unknown) => exists(now, path),
    fchmodSync: (fd: unknown, mode: unknown) => now.fchmod(fd, mode),
    fchownSync: (fd: unknown, uid: unknown, gid: unknown) => now.fchown(fd, uid, gid),
    fdatasyncSync: (fd: unknown) => now.fsync(fd),
    fstatSync: (fd: unknown, opts?: unknown) => now.fstat(fd, opts),
    fsyncSync: (fd: unknown) => now.fsync(fd),
    ftruncateSync: (fd: unknown, length?: unknown) => now.ftruncate(fd, length),
    futimesSync: (fd: unknown, atime: unknown, mtime: unknown) => now.futimes(fd, atime, mtime),
    globSync: (patterns: unknown, opts?: unknown) => now.run(new Glob(now, patterns, opts).all()),
    lchmodSync: (path: unknown, mode: unknown) => now.lchmod(path, mode),
    lchownSync: (path: unknown, uid: unknown, gid: unknown) => now.lchown(path, uid, gid),
    linkSync: (existing: unknown, path: unknown) => now.link(existing, path),
    lstatSync: (path: unknown, opts?: unknown) => now.lstat(path, opts),
    lutimesSync: (path: unknown, atime: unknown, mtime: unknown) => now.lutimes(path, atime, mtime),
    mkdirSync: (path: unknown, opts?: unknown) => now.mkdir(path, opts),
    mkdtempSync: (prefix: unknown, opts?: unknown) => now.mkdtemp(prefix, opts),
    openSync: (path: unknown, flags?: unknown, mode?: unknown) => now.open(path, flags, mode),
    opendirSync: (path: unknown, opts?: unknown) => opendir(now, { soon, now }, path, opts),
    readFileSync: (file: unknown, opts?: unknown) => readFile(now, file, opts),
    readSync: (fd: unknown, buffer: unknown, offset?: unknown, length?: unknown, at?: unknown) =>
      read(now, checkFd(fd), readRequest(buffer, offset, length, at)),
    readdirSync: (path: unknown, opts?: unknown) => readdir(now, path, opts),
    readlinkSync: (path: unknown, opts?: unknown) => now.readlink(path, opts),
    readvSync: (fd: unknown, buffers: unknown, at?: unknown) => now.run(readVector(now, checkFd(fd), checkViews(buffers), position(at))),
    realpathSync: Object.assign(realpath, { native: realpath }),
    renameSync: (from: unknown, to: unknown) => now.rename(from, to),
    rmSync: (path: unknown, opts?: unknown) => now.rm(path, opts),
    rmdirSync: (path: unknown, opts?: unknown) => now.rmdir(path, opts),
    statSync: (path: unknown, opts?: unknown) => now.stat(path, opts),
    statfsSync: (path: unknown, opts?: unknown) => now.statfs(path, opts),
    symlinkSync: (target: unknown, path: unknown, type?: unknown) => now.symlink(target, path, type),
    truncateSync: (path: unknown, length?: unknown) => now.truncate(path, length),
    unlinkSync: (path: unknown) => now.unlink(path),
    utimesSync: (path: unknown, atime: unknown, mtime: unknown) => now.utimes(path, atime, mtime),
    writeFileSync: (file: unknown, data: unknown, opts?: unknown) => writeFile(now, file, data, opts),
    writeSync: (fd: unknown, data: unknown, second?: unknown, third?: unknown, fourth?: unknown) =>
      write(now, checkFd(fd), writeRequest(data, second, third, fourth)),
    writevSync: (fd: unknown, buffers: unknown, at?: unknown) => writeVector(now, checkFd(fd), checkViews(buffers), position(at)),
  }
}

function exists(now: Core, path: unknown): boolean {
  try {
    return Boolean(now.exists(path))
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_FEATURE_UNAVAILABLE') throw error
    return false
  }
}
