import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes the names in a folder durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Makes a folder (0700) and those above it, durably. Returns true when it was not there. */
export function makeFolder(path: string): boolean {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return false
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) syncFolder(dirname(folder))
  return true
}
