import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs'

/**
 * Hands the bytes of a finished file to `put` and removes it; for stores that are no folder.
 * @param isThere whether the object is there already, so that a missing file is no error
 * @param from where the bytes begin that are wanted
 */
export function adoptFile(path: string, isThere: () => boolean, put: (bytes: Buffer) => void, from = 0): void {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && isThere()) return
    throw error
  }
  try {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, fstatSync(fd).size - from))
    let done = 0
    while (done < bytes.length) {
      const n = readSync(fd, bytes, done, bytes.length - done, from + done)
      if (n === 0) break
      done += n
    }
    put(bytes.subarray(0, done))
  } finally {
    closeSync(fd)
  }
  unlinkSync(path)
}

/** A range cut to what there is. */
export function cutRange(range: { offset: number; length: number } | undefined, size: number): { offset: number; length: number } {
  if (range === undefined) return { offset: 0, length: size }
  const offset = Math.min(range.offset, size)
  return { offset, length: Math.min(range.length, size - offset) }
}
