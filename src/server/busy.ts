import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process that keeps a mount busy. */
export interface Holder {
  pid: number
  command: string
  /** What it holds: its working directory, a file, a program. */
  path: string
}

/** Named in a message; more are counted. */
const MOST_NAMED = 20

function target(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    // It ended meanwhile, or belongs to another user.
    return undefined
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function heldBy(pid: string, isInside: (path: string) => boolean): string | undefined {
  for (const link of ['cwd', 'root', 'exe']) {
    const path = target(`/proc/${pid}/${link}`)
    if (path !== undefined && isInside(path)) return path
  }
  for (const fd of namesIn(`/proc/${pid}/fd`)) {
    const path = target(`/proc/${pid}/fd/${fd}`)
    if (path !== undefined && isInside(path)) return path
  }
  for (const line of text(`/proc/${pid}/maps`).split('\n')) {
    const at = line.indexOf('/')
    if (at > 0 && isInside(line.slice(at))) return line.slice(at)
  }
  return undefined
}

/**
 * The processes whose working directory, program, open or mapped files lie in a mount, as far as this user may see.
 * Reads /proc only and never touches the mount. Cost: every descriptor of every process.
 */
export function holdersOf(mountpoint: string): Holder[] {
  const isInside = (path: string) => path === mountpoint || path.startsWith(`${mountpoint}/`)
  const found: Holder[] = []
  for (const pid of namesIn('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const path = heldBy(pid, isInside)
    if (path !== undefined) found.push({ pid: Number(pid), command: text(`/proc/${pid}/comm`).trim(), path })
  }
  return found
}

/** `bash (pid 12, in /mnt/a)`, one after the other. */
export function describeHolders(holders: readonly Holder[]): string {
  const named = holders.slice(0, MOST_NAMED).map(holder => `${holder.command} (pid ${holder.pid}, ${holder.path})`)
  const more = holders.length - named.length
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
