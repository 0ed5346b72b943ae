import { CairnError } from '../errors.js'
import { HISTORY_NAME } from '../fs/entries.js'

/** What a user is told about a failure. */
export interface Told {
  code: string
  message: string
  remedy: string
  exitCode: number
}

/** A mistake in how a command was written; exits 2. */
export function usageError(message: string, remedy: string): CairnError {
  return new CairnError('ERR_USAGE', message, remedy, { exitCode: 2 })
}

/** Exit code of commands that run others, where nothing was run. */
export const NOT_RUN = 125

/** POSIX codes as sentences: what is wrong with the file, and what to do. */
const sentences: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  E2BIG: ['takes no value of that length', 'Write a shorter one, or keep it in a file.'],
  ENOENT: ['does not exist', 'Check the path with `cairn ls`.'],
  EEXIST: ['exists already', 'Choose another name, or remove it first.'],
  ENOTDIR: ['is not a directory, or a part of the path before it is not one', 'Check the path with `cairn ls`.'],
  EISDIR: ['is a directory', 'Name a file, or use -r where the command has it.'],
  ENOTEMPTY: ['is a directory that is not empty', 'Use `cairn rm -r` to remove it with all that is in it.'],
  EACCES: ['may not be used by you', 'Check its mode and owner with `cairn stat`.'],
  EPERM: ['may not be changed by you', 'Check its mode, owner and flags with `cairn stat`.'],
  ELOOP: ['leads through too many symbolic links', 'Look for a link that points at itself with `cairn ls -l`.'],
  ENAMETOOLONG: ['is too long', 'A name has at most 255 bytes and a path 4096.'],
  ENOSPC: ['could not be written: the disk of CAIRN_HOME is full', 'Make room, then try again; everything acknowledged is kept.'],
  EDQUOT: ['could not be written: the disk quota is used up', 'Make room, then try again; everything acknowledged is kept.'],
  EROFS: ['is read-only here', 'Use an address without @REF, or a mount without --read-only.'],
  EIO: ['could not be read or written', 'Run `cairn fsck` on the volume, and `cairn doctor`.'],
  EBUSY: ['is in use', 'Close the programs that use it.'],
  EXDEV: ['and its target are not in one volume', 'Copy with `cairn cp -a`, then remove the source.'],
  EINVAL: ['was refused: an argument is not valid for it', 'Check the values given.'],
  EFBIG: ['would become too large', 'A file has at most 2^53 - 1 bytes.'],
  EMLINK: ['has too many links', 'Copy the file in place of linking it.'],
  ENOTCONN: ['lies in a mount whose server died', 'Mount it again with `cairn mount`, or clear it with `cairn unmount --force`.'],
  ESTALE: ['is not there any more', 'Run the command again.'],
  EMFILE: ['could not be opened: too many files are open', 'Raise the limit with `ulimit -n`.'],
  EOPNOTSUPP: ['does not support this', 'Check what kind of file it is with `cairn stat`.'],
  ENOTSUP: ['does not support this', 'Check what kind of file it is with `cairn stat`.'],
}

function errnoOf(error: unknown): (NodeJS.ErrnoException & { dest?: string; shown?: string }) | undefined {
  if (!(error instanceof Error)) return undefined
  const errno = error as NodeJS.ErrnoException
  return typeof errno.code === 'string' && errno.syscall !== undefined ? errno : undefined
}

/** True for `ENOENT` and its like when `error` is a POSIX failure with one of `codes`. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Operations that make what they name: when that is not there, its directory is what is missing. */
const making = new Set(['mkdir', 'symlink', 'mknod'])

/**
 * Says which address a failure is about: the paths in it are those within a volume.
 * @param creates opening makes the file
 */
export function about(error: unknown, prefix: string, path: string, creates = false): unknown {
  const errno = errnoOf(error) as { path?: string; dest?: string; shown?: string; code?: string; syscall?: string } | undefined
  if (errno === undefined || errno.shown !== undefined) return error
  // What a symbolic link says is no path that was looked for.
  const isDest = errno.dest !== undefined && (errno.code === 'EEXIST' || errno.syscall === 'symlink')
  const blamed = isDest ? errno.dest : errno.path
  errno.shown = `${prefix}${blamed ?? path}`
  if (errno.code === 'ENOENT' && errno.shown.includes('\uFFFD')) {
    const remedy = 'Name the directory it is in, with -r, or go through a mount, where any name works.'
    return new CairnError('ENOENT', `${errno.shown} is not UTF-8, and such a name cannot be given to this command.`, remedy, { cause: error })
  }
  if (errno.code === 'EPERM' && prefix !== '' && blamed === `/${HISTORY_NAME}`) {
    return new CairnError('EPERM', `${errno.shown} stands for the history of the volume in its mounts; nothing can have that name.`, 'Choose another name.', {
      cause: error,
    })
  }
  if (errno.code === 'ENOENT') {
    if (making.has(errno.syscall ?? '') || (creates && errno.syscall === 'open')) return missing(`The directory of ${errno.shown}`, error)
    if (errno.dest !== undefined) return missing(`${errno.shown}, or the directory of ${prefix}${errno.dest},`, error)
  }
  if (errno.code === 'EBUSY' && blamed === '/') {
    return new CairnError('EBUSY', `${errno.shown} is the root of the volume, which stays where it is.`, 'Name what is in it.', { cause: error })
  }
  return error
}

function missing(what: string, cause: unknown): CairnError {
  return new CairnError('ENOENT', `${what} does not exist.`, 'Check the path with `cairn ls`; `cairn mkdir -p` makes directories.', { cause })
}

/** One sentence that says what is wrong and one that says what to do, for any failure. */
export function tell(error: unknown): Told {
  if (error instanceof CairnError) return { code: error.code, message: error.message, remedy: error.remedy, exitCode: error.exitCode }
  const errno = errnoOf(error)
  if (errno !== undefined) {
    const [what, remedy] = sentences[errno.code ?? ''] ?? [`failed with ${errno.code}`, 'Run `cairn doctor`.']
    return {
      code: errno.code ?? 'EIO',
      message: `${errno.shown ?? errno.path ?? (errno.syscall === 'write' ? 'A change' : errno.syscall)} ${what}.`,
      remedy,
      exitCode: 1,
    }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'ERR_INTERNAL', message: `Something unexpected happened: ${message}`, remedy: 'Set CAIRN_DEBUG=1 to see where, and report it.', exitCode: 1 }
}
