/** Objects of a store are read by parts of this size: some 30 pages of a tree, or four blocks. */
export const CHUNK_BYTES = 256 * 1024

/** The key of an object, and the number of a chunk of it. */
export type ChunkPlace = readonly [key: string, chunk: number]

/** Path of a chunk in the folder of the cache. `~` is in no key. */
export function chunkFile(key: string, chunk: number): string {
  return `${key}~${chunk.toString(36)}`
}

/** Of a file of the cache that is being written: it has another name until it is whole. */
export function isUnfinished(path: string): boolean {
  return path.split('~').length > 2
}
