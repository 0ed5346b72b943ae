import { posix } from 'node:path'
import { isDirectory } from '../codec/mode.js'
import { NEVER, type Entry as VersionEntry } from '../volume/versions/past.js'

const LATEST_MS = 8.64e15

/** Versions that can be read: no directories, and not the current one, which is the file itself. */
export function isReadable({ sequence, state }: VersionEntry): boolean {
  return sequence !== NEVER && state !== undefined && !isDirectory(state.mode)
}

/** `0003-2026-11-20T10-00-00Z.js`: its number, when it was written, and the extension of the file. One char per byte. */
export function nameOfVersion({ number, state, sequence, name }: VersionEntry): string {
  const written = state?.mtimeMs ?? 0
  const time = new Date(Math.abs(written) <= LATEST_MS ? written : sequence / 1000).toISOString().slice(0, 19).replaceAll(':', '-')
  return `${String(number).padStart(4, '0')}-${time}Z${posix.extname(name).slice(0, 128)}`
}
