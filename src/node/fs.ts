import { constants, type Dirent as NodeDirent } from 'node:fs'
import type { Backend } from './backend.js'
import { createCallbacks } from './callbacks.js'
import { Core } from './core.js'
import { Dir } from './dir.js'
import { Dirent } from './dirent.js'
import { featureUnavailable } from './errors.js'
import { createPromises } from './promises.js'
import { Stats } from './stats.js'
import { ReadStream, WriteStream } from './streams.js'
import { createSync } from './sync.js'
import { options } from './validate.js'

/** Members of node:fs that a volume does not have. */
type Missing = 'openAsBlob' | 'unwatchFile' | 'watchFile'

/** As Node 22 has them; types of Node 20 do not know them. */
export interface GlobOptions {
  /** Where relative patterns begin; default the root. */
  cwd?: string | URL
  /** What is neither matched nor looked into: globs, or a test of names (with `withFileTypes` of entries). */
  exclude?: readonly string[] | ((entry: never) => boolean)
  withFileTypes?: boolean
}

type Match<O> = O extends { withFileTypes: true } ? NodeDirent : string
type GlobCallback<M> = (error: NodeJS.ErrnoException | null, matches: M[]) => void

/** The shape of `node:fs/promises`. */
export type FsPromises = Omit<typeof import('node:fs/promises'), 'glob'> & {
  glob<O extends GlobOptions>(pattern: string | readonly string[], options?: O): AsyncGenerator<Match<O>, void>
}

/** The shape of `node:fs` over a volume. */
export interface VolumeFs extends Omit<typeof import('node:fs'), Missing | 'promises' | 'glob' | 'globSync'> {
  readonly promises: FsPromises
  glob(pattern: string | readonly string[], callback: GlobCallback<string>): void
  glob<O extends GlobOptions>(pattern: string | readonly string[], options: O, callback: GlobCallback<Match<O>>): void
  globSync<O extends GlobOptions>(pattern: string | readonly string[], options?: O): Match<O>[]
  /** What carries the operations out, for those that node:fs has no name for (`rename` with flags, extended attributes, holes). */
  readonly backend: Backend
}

/**
 * An object shaped like `node:fs`, over a volume. Paths are absolute in the volume; relative ones start at its root. Errors are those of node:fs: `code`, `errno`,
 * `syscall`, `path`, `dest` and message. New files get this process's umask. Descriptors mean nothing to the native fs.
 * `watch` throws ERR_FEATURE_UNAVAILABLE; so do the synchronous forms when the volume is open in another process.
 * Cost: nothing beyond the operation and, for a promise form, its one promise.
 */
export function createFs(backend: Backend): VolumeFs {
  const soon = new Core(backend, false)
  const now = new Core(backend, true)
  const promises = createPromises(soon, now)
  const fs = {
    backend,
    constants,
    F_OK: constants.F_OK,
    R_OK: constants.R_OK,
    W_OK: constants.W_OK,
    X_OK: constants.X_OK,
    promises,
    ...createCallbacks(soon, promises),
    ...createSync(soon, now),
    createReadStream: (path: unknown, opts?: unknown) => new ReadStream(soon, path, options(opts)),
    createWriteStream: (path: unknown, opts?: unknown) => new WriteStream(soon, path, options(opts)),
    watch: () => {
      throw featureUnavailable('watch is not there yet for volumes', 'Look again with stat, or mount the volume and watch the mount.')
    },
    Stats,
    Dirent,
    Dir,
    ReadStream,
    WriteStream,
  }
  // The members check their own arguments, as node's do; their types are node's overloads.
  return fs as unknown as VolumeFs
}
