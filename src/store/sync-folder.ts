import { closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolders } from '../sys/index.js'

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
  const first = makeFolders(path)
  if (first === undefined) return false
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) syncFolder(dirname(folder))
  return true
}
