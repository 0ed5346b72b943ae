/** Objects of a store are read by parts of this size: some 30 pages of a tree, or four blocks. */
export const CHUNK_BYTES = 256 * 1024

/** Path of a chunk in the folder of the cache. `~` is in no key. */
export function chunkFile(key: string, chunk: number): string {
  return `${key}~${chunk.toString(36)}`
}

/** The key that a path in the folder of the cache belongs to; undefined for one that is being written. */
export function keyOfFile(path: string): string | undefined {
  const parts = path.split('~')
  return parts.length <= 2 ? parts[0] : undefined
}
