import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

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

/** Where a symbolic link of the system's root leads; undefined of what is none. */
export function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
