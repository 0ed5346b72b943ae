/** The folder of one user's volumes, and what its server keeps in `run/` there. Folders are 0700, files 0600. */
import { createHash } from 'node:crypto'
import { accessSync, chmodSync, constants, readFileSync, realpathSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { limits, makeFolders } from '../sys/index.js'

/** The paths of one CAIRN_HOME. Making this object touches nothing. */
export interface HomePaths {
  home: string
  /** Holds everything below. */
  run: string
  lock: string
  /** Who serves: pid, version, since when. */
  server: string
  supervisor: string
  /** What is mounted, so that mounts that outlived their server are known as ours. */
  mounts: string
  /** Where views are mounted. */
  views: string
  /** Why the last start failed, for whoever asked for it. */
  failure: string
  log: string
}

/** `home`, else CAIRN_HOME, else `~/.cairn`; absolute. */
export function homeOf(home?: string): string {
  const chosen = home ?? process.env['CAIRN_HOME']
  if (chosen === undefined || chosen === '') return join(homedir(), '.cairn')
  return isAbsolute(chosen) ? chosen : resolve(chosen)
}

export function homePaths(home: string): HomePaths {
  const run = join(home, 'run')
  const at = (name: string) => join(run, name)
  return {
    home,
    run,
    lock: at('server.lock'),
    server: at('server.json'),
    supervisor: at('supervisor.json'),
    mounts: at('mounts.json'),
    views: at('views'),
    failure: at('failure.json'),
    log: at('server.log'),
  }
}

/**
 * Makes the folders of a home, for their owner only.
 * @throws CairnError ERR_HOME when that is impossible, with the reason
 */
export function prepareHome(home: string): HomePaths {
  const paths = homePaths(home)
  try {
    makeFolders(paths.run)
    chmodSync(home, 0o700)
    chmodSync(paths.run, 0o700)
    accessSync(paths.run, constants.W_OK | constants.X_OK)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new CairnError('ERR_HOME', `The folder ${home} cannot be used (${code ?? cause}).`, 'Make it writable for you, or choose another with CAIRN_HOME.', {
      cause,
    })
  }
  return paths
}

/** A short folder of this user's own for sockets whose path in the home would be too long. */
function socketFolder(): string {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const base = runtime !== undefined && isAbsolute(runtime) && runtime.length < 60 && isDirectory(runtime) ? runtime : shortTemporary()
  return join(base, `cairn-${process.getuid?.() ?? 0}`)
}

function shortTemporary(): string {
  return tmpdir().length < 60 ? tmpdir() : '/tmp'
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** The socket's path when it does not fit: the same for every process of this user, whatever its environment says about folders. */
function shortSocketPath(home: string): string {
  const folder = socketFolder()
  makeFolders(folder)
  const stat = statSync(folder)
  // Somebody else may have made this folder first, to listen in.
  if (stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    throw new CairnError('ERR_HOME', `The folder ${folder} is not yours alone.`, `Remove it, or choose a shorter CAIRN_HOME than ${home}.`)
  }
  return join(folder, `${createHash('sha256').update(home).digest('hex').slice(0, 20)}.sock`)
}

/** Where the server of a home listens. For the server: makes the folder and leaves a pointer when the path in the home is too long. */
export function claimSocketPath(paths: HomePaths): string {
  const direct = join(paths.run, 'server.sock')
  if (Buffer.byteLength(direct) <= limits.socketPathBytes) return direct
  const short = shortSocketPath(realpathSync(paths.home))
  writePrivate(`${direct}.path`, `${short}\n`)
  return short
}

/** Where a client finds it; the path may not exist. */
export function findSocketPath(paths: HomePaths): string {
  const direct = join(paths.run, 'server.sock')
  if (Buffer.byteLength(direct) <= limits.socketPathBytes) return direct
  return (readOptional(`${direct}.path`) ?? direct).trim()
}

/** Replaces a small file at once; 0600. */
export function writePrivate(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`
  try {
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/**
 * `writePrivate` for what helps others but nobody depends on. On a full disk it is written over what stands there, which needs no
 * room; where nothing does, it is left out.
 */
export function writeNote(path: string, text: string): void {
  try {
    writePrivate(path, text)
  } catch {
    try {
      writeFileSync(path, text, { flag: 'r+' })
      truncateSync(path, Buffer.byteLength(text))
    } catch {
      // There was no room for the first one either.
    }
  }
}

export function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
