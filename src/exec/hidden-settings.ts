import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { limits, systemClock } from '../sys/index.js'

/** A path of /etc that not everybody may read. */
export interface Hidden {
  path: string
  isFolder: boolean
}

const ALL_READ = 0o004
const ALL_READ_AND_ENTER = 0o005

/**
 * What of a folder of settings not every user of this machine may read: hashes of passwords, keys of the host. A command that root runs could, so a sandbox
 * covers it. Cost: one stat per file, some 5 ms for a usual /etc.
 */
export function hiddenSettings(folder: string): Hidden[] {
  const found: Hidden[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink()) continue
    const stats = statSync(path, { throwIfNoEntry: false })
    // Gone since the folder was listed.
    if (stats === undefined) continue
    const { mode } = stats
    if (entry.isDirectory()) {
      if ((mode & ALL_READ_AND_ENTER) !== ALL_READ_AND_ENTER) found.push({ path, isFolder: true })
      else found.push(...hiddenSettings(path))
    } else if ((mode & ALL_READ) === 0) found.push({ path, isFolder: false })
  }
  return found
}

/** A folder that changed within this may have changed once more at the same time, as its clock says it. */
const SETTLED_MS = 1000

/**
 * The same, known for `limits.execSystemMs`, or until a folder that holds some of it changes: a file that is put in the place of another, as passwords are changed, is not covered by
 * what covered that. Cost: a stat for each such folder.
 */
export class Secrets {
  readonly #folder: string
  #found: { atMs: number; hidden: Hidden[]; folders: string[]; stamp: string } | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  look(): { hidden: readonly Hidden[]; stamp: string } {
    const now = systemClock.monotonic()
    if (this.#found === undefined || now - this.#found.atMs > limits.execSystemMs || this.#found.stamp !== stampOf(this.#found.folders)) {
      const hidden = hiddenSettings(this.#folder)
      const folders = [...new Set([this.#folder, ...hidden.map(({ path }) => dirname(path))])]
      this.#found = { atMs: now, hidden, folders, stamp: stampOf(folders) }
    }
    return this.#found
  }
}

/** No two are the same that something was changed between. */
function stampOf(folders: readonly string[]): string {
  const times = folders.map(folder => statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const isSettled = times.every(time => Math.abs(systemClock.now() - time) > SETTLED_MS)
  return [...times, isSettled ? '' : systemClock.monotonic()].join(' ')
}

/** Where a symbolic link of the system's root leads; undefined of what is none. */
export function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
