import { posix } from 'node:path'
import { directoryOf } from './state.js'

const SYSTEM = /^(?:\/usr(?:\/local)?)?\/s?bin\/([^/]+)$/

/** How a program is called that PATH or a folder of the system gives; undefined for others. */
export function systemName(program: string): string | undefined {
  return program.includes('/') ? SYSTEM.exec(program)?.[1] : program
}

/**
 * A program as rules name it: `git`, `/opt/x`, or `./tools/x` for one of the volume. Undefined where it cannot be told: it depends on a directory that is not
 * known, or leads through /proc.
 */
export function programOf(program: string, cwds: readonly string[] | undefined, workspace: string | undefined): string | undefined {
  if (!program.includes('/')) return program
  if (program.startsWith('/')) {
    const path = posix.normalize(program)
    if (/^\/(proc|dev)\//.test(path)) return undefined
    const inVolume = workspace === undefined ? undefined : directoryOf(path, '/', workspace)
    return inVolume === undefined ? path : `.${inVolume}`
  }
  const places = new Set((cwds ?? []).map(cwd => directoryOf(program, cwd, workspace)))
  const [only] = places
  return places.size === 1 && only !== undefined ? `.${only}` : undefined
}
