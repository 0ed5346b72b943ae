import { posix } from 'node:path'
import type { ContentsOf, FileEntry, FilePlace, FoundContent } from '../history/contents/contents-read.js'
import type { FilesBytes } from '../history/contents/file-bytes.js'
import { limits } from '../sys/index.js'
import type { Walkable } from './walk-entries.js'

/** The files of a state, as `ContentsRead` gives them, wherever the volume is. */
export interface Contents extends Walkable {
  readonly of: ContentsOf
  since(root: string | undefined): Promise<void>
  next(): Promise<FoundContent[] | undefined>
  files(inodes: Float64Array, whole: boolean): Promise<FilesBytes>
  entries(inodes: Float64Array): Promise<Array<FileEntry | undefined>>
  read(ino: number, offset: number): Promise<Uint8Array>
  places(files: ReadonlyArray<{ ino: number; content: Uint8Array }>): Promise<Array<FilePlace | undefined>>
  close(): Promise<void>
}

/** All bytes of a file. */
export async function wholeFile(contents: Contents, ino: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let part: Uint8Array
  let at = 0
  do {
    part = await contents.read(ino, at)
    parts.push(part)
    at += part.length
  } while (part.length === limits.rpcChunkBytes)
  return parts.length === 1 ? Buffer.from(parts[0].buffer, parts[0].byteOffset, parts[0].length) : Buffer.concat(parts)
}

/** A path as it is kept: from the root, which has nothing above it, and no slash behind it. */
export function normalPath(path: string | undefined): string {
  const normal = posix.normalize(`/${path ?? ''}`)
  return normal === '/' ? normal : normal.replace(/\/$/, '')
}

/** Whether a path is that folder or file, or in it. */
export function isBelow(path: string, folder: string | undefined): boolean {
  const below = normalPath(folder)
  return below === '/' || path === below || path.startsWith(`${below}/`)
}
