import { existsSync } from 'node:fs'
import { limits, systemClock } from '../sys/index.js'
import { linkAt } from './hidden-settings.js'

/** Read-only where they are there; a symbolic link stays one. */
export const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/etc', '/opt', '/nix/store', '/gnu/store']
/** Root is their owner and may write them, without any capability. Bubblewrap itself takes /proc/sys for read-only, which its folder is, and its files are not. Others, such as /proc/mtrr, take a capability. */
const KERNEL_SETTINGS = ['/proc/sys', '/proc/sysrq-trigger']

/** What a sandbox shows of this system. */
export interface SystemFolders {
  folders: readonly string[]
  links: ReadonlyArray<readonly [target: string, path: string]>
  /** In /proc; a command could write them. */
  settings: readonly string[]
}

let known: { atMs: number; system: SystemFolders } | undefined

/** What stands in the root of a system changes with its installation; to look at it for each command took a millisecond. */
export function systemFolders(): SystemFolders {
  const now = systemClock.monotonic()
  if (known === undefined || now - known.atMs >= limits.execSystemMs) known = { atMs: now, system: look() }
  return known.system
}

function look(): SystemFolders {
  const links = SYSTEM.flatMap(path => {
    const target = linkAt(path)
    return target === undefined ? [] : [[target, path] as const]
  })
  return {
    folders: SYSTEM.filter(path => existsSync(path) && !links.some(([, link]) => link === path)),
    links,
    settings: process.getuid?.() === 0 ? KERNEL_SETTINGS.filter(existsSync) : [],
  }
}
