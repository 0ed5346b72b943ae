import { existsSync, realpathSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { CairnError } from '../../errors.js'
import { WORKSPACE } from '../../exec/index.js'

/** Where a workspace is, for this program and for the command. */
export interface Place {
  mountpoint: string
  isSandboxed: boolean
}

/**
 * The directory to run in, as the command sees it.
 * @throws CairnError ERR_EXEC_CWD of what is no directory of the volume
 */
export function workingDirectory({ mountpoint, isSandboxed }: Place, cwd: string): string {
  const inside = posix.join('/', cwd)
  const wrong = (what: string): CairnError =>
    new CairnError('ERR_EXEC_CWD', `${cwd} ${what}.`, 'Name a directory of the volume, from its root.', { exitCode: 125 })
  if (cwd.split('/').includes('..') && !posix.join('/x', cwd).startsWith('/x')) throw wrong('lies outside of the volume')
  // The mount itself, by the path that the kernel knows.
  if (inside === '/') return isSandboxed ? WORKSPACE : mountpoint
  let real: string
  try {
    real = realpathSync(join(mountpoint, inside))
  } catch {
    throw wrong('does not exist in the volume')
  }
  if (real !== mountpoint && !real.startsWith(`${mountpoint}/`)) throw wrong('leads out of the volume')
  if (!statSync(real).isDirectory()) throw wrong('is not a directory')
  return isSandboxed ? posix.join(WORKSPACE, real.slice(mountpoint.length)) : real
}

/**
 * Looks for a program as the command's shell would, so that a mistake is told before anything runs.
 * @param cwd as the command sees it
 * @throws CairnError ERR_EXEC_PROGRAM
 */
export function checkProgram(place: Place, program: string, cwd: string, path: string): void {
  const candidates = program.includes('/') ? [posix.resolve(cwd, program)] : path.split(':').map(folder => posix.resolve(cwd, folder, program))
  if (candidates.some(candidate => existsSync(onHost(place, candidate)))) return
  const shown = place.isSandboxed ? ' in the sandbox, which shows the system, not the home of anybody' : ''
  const remedy = /\s/.test(program)
    ? 'A whole command line is given as text for a shell: behind --shell, or as { shell } in the SDK.'
    : 'Check its name, or install it for all users.'
  throw new CairnError('ERR_EXEC_PROGRAM', `There is no program ${program}${shown}.`, remedy, { exitCode: 127 })
}

function onHost({ mountpoint, isSandboxed }: Place, path: string): string {
  if (!isSandboxed || (path !== WORKSPACE && !path.startsWith(`${WORKSPACE}/`))) return path
  return join(mountpoint, path.slice(WORKSPACE.length))
}
