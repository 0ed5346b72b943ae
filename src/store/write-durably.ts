import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from './sync-folder.js'

/** Writes a small file (0600): after a failure of the power it has the old bytes or the new ones. */
export function writeFileDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}~`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
  syncFolder(dirname(path))
}
