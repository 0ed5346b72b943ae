import type { FileHandle } from 'node:fs/promises'
import { posixError } from '../errors.js'
import type { Backend } from '../node/index.js'
import type { OpenVolume } from '../sdk/types.js'

/** What node:fs has no name for, on the host or in a volume. Paths are bytes. */
export interface Extras {
  xattrs(path: Buffer): Promise<Array<readonly [name: string, value: Uint8Array]>>
  /** @throws with the POSIX code */
  setXattr(path: Buffer, name: string, value: Uint8Array): Promise<void>
  /** Of a symlink itself. Nanoseconds since the epoch. */
  setTimes(path: Buffer, atimeNs: bigint, mtimeNs: bigint): Promise<void>
  mknod(path: Buffer, mode: number, rdev: number): Promise<void>
  /** The first bytes at or after `offset` that are data, and where they end; `undefined` when only a hole follows. */
  nextData(handle: FileHandle, offset: number, size: number): Promise<{ start: number; end: number } | undefined>
  /** renameat2 with RENAME_NOREPLACE; absent where only a plain rename is there. */
  renameNew?(from: string, to: string): Promise<void>
}

const SEEK_DATA = 3
const SEEK_HOLE = 4
const NOREPLACE = 1

/** Seconds and nanoseconds, the latter never negative. */
function split(ns: bigint): [seconds: number, nanos: number] {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return [Number((ns - nanos) / 1_000_000_000n), Number(nanos)]
}

/** Of an open volume, in process or served. */
export function volumeExtras(volume: OpenVolume): Extras {
  const { backend } = volume.fs as unknown as { backend: Backend }
  return {
    async xattrs(path) {
      const names = await backend.call('listxattr', [path, false])
      return Promise.all(names.map(async name => [Buffer.from(name, 'latin1').toString(), await backend.call('getxattr', [path, name, false])] as const))
    },
    setXattr: async (path, name, value) => backend.call('setxattr', [path, name, value, 0, false]),
    setTimes: async (path, atimeNs, mtimeNs) => backend.call('utimes', [path, [...split(atimeNs), ...split(mtimeNs)], false]),
    mknod: async (path, mode, rdev) => backend.call('mknod', [path, mode, rdev]),
    renameNew: async (from, to) => backend.call('rename', [from, to, NOREPLACE]),
    nextData: async (handle, offset, size) =>
      dataAfter(offset, size, async (at, whence) => {
        try {
          return await backend.call('seek', [handle.fd, at, whence])
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENXIO') return -1
          throw error
        }
      }),
  }
}

/** Of the host, through the C library: nothing is loaded before it is asked for. */
export async function hostExtras(): Promise<Extras> {
  const libc = await import('../sys/libc.js')
  const check = (result: number, syscall: string, path: Buffer) => {
    if (result < 0) throw posixError(-result, syscall, path.toString())
  }
  return {
    async xattrs(path) {
      const names = libc.listxattr(path)
      if (typeof names === 'number') return []
      return names.flatMap(name => {
        const value = libc.getxattr(path, name)
        return typeof value === 'number' ? [] : [[name.toString(), value] as const]
      })
    },
    setXattr: async (path, name, value) => check(libc.setxattr(path, name, value), 'setxattr', path),
    setTimes: async (path, atimeNs, mtimeNs) => check(libc.utimens(path, ...split(atimeNs), ...split(mtimeNs)), 'utimensat', path),
    mknod: async (path, mode, rdev) => check(libc.mknod(path, mode, rdev), 'mknod', path),
    nextData: (handle, offset, size) => dataAfter(offset, size, async (at, whence) => libc.lseek(handle.fd, at, whence)),
  }
}

async function dataAfter(
  offset: number,
  size: number,
  seek: (at: number, whence: number) => Promise<number>,
): Promise<{ start: number; end: number } | undefined> {
  const start = await seek(offset, SEEK_DATA)
  if (start < 0 || start >= size) return undefined
  const end = await seek(start, SEEK_HOLE)
  return { start, end: end < 0 ? size : Math.min(end, size) }
}
