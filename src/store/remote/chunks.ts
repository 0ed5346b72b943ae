import { limits } from '../../sys/index.js'

/** Objects of a store are read by parts of this size: some 30 pages of a tree, or four blocks. */
export const CHUNK_BYTES = 256 * 1024

/** The key of an object, and the number of a chunk of it. */
export type ChunkPlace = readonly [key: string, chunk: number]

/** Path of a chunk in the folder of the cache. `~` is in no key. */
export function chunkFile(key: string, chunk: number): string {
  return `${key}~${chunk.toString(36)}`
}

/** Chunks from a multiple of this on that come together lie in one file: thousands of files more cost the disk more than their bytes. */
export const GROUP_CHUNKS = limits.storeRunChunks

/**
 * Path of the file that has the first chunks of a group, as many as came together. A chunk may be in it, in a file of its own, or in both; whether the file is
 * shorter than a group says nothing of the object.
 */
export function groupFile(key: string, chunk: number): string {
  return `${key}~+${Math.floor(chunk / GROUP_CHUNKS).toString(36)}`
}

/**
 * How many chunks from `first` on come with one request: those that are wanted, so that the bulk of them makes whole groups.
 * @param isWanted of a chunk behind it
 */
export function runLength(first: number, isWanted: (chunk: number) => boolean): number {
  const untilGroup = (GROUP_CHUNKS - (first % GROUP_CHUNKS)) % GROUP_CHUNKS
  let count = 1
  while (count < untilGroup + GROUP_CHUNKS && isWanted(first + count)) count++
  if (untilGroup > 0 && count >= untilGroup + GROUP_CHUNKS / 2) return untilGroup
  return Math.min(count, GROUP_CHUNKS)
}

/** Where a chunk begins in the file of its group. */
export function inGroup(chunk: number): number {
  return (chunk % GROUP_CHUNKS) * CHUNK_BYTES
}

/** Of a file of the cache that is being written: it has another name until it is whole. */
export function isUnfinished(path: string): boolean {
  return path.split('~').length > 2
}
