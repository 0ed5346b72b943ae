import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SyncTogether } from '../store/directory/sync-together.js'
import { syncFolder } from '../store/sync-folder.js'
import { makeFolders } from '../sys/index.js'
import { isOfStorage } from './sealing.js'

/** What this host keeps of a volume that it writes. */
const PARTS = ['journal', 'spool']

/** Makes the folders of a volume, durably with one sync. */
export function makeWorkFolders(dir: string): void {
  if (makeParts(dir)) syncFolder(dir)
}

/**
 * The same for many volumes that were just made, with one sync for all: opened one after the other, each would wait for the disk. Where that cannot be, each makes its
 * own when it is opened.
 * @param root folder in the filesystem of all of them
 */
export function makeAllWorkFolders(root: string, dirs: readonly string[]): void {
  const together = new SyncTogether(root, dirs.length)
  try {
    if (!together.isWhole) return
    for (const dir of dirs) makeParts(dir)
    together.sync()
  } catch (error) {
    if (!isOfStorage(error)) throw error
  } finally {
    together.close()
  }
}

/** True when something was made. */
function makeParts(dir: string): boolean {
  makeFolders(dir)
  return PARTS.map(part => mkdirSync(join(dir, part), { recursive: true, mode: 0o700 })).some(made => made !== undefined)
}
