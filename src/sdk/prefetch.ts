import { posix } from 'node:path'
import { CairnError } from '../errors.js'
import type { VolumeFs } from '../node/index.js'
import { limits } from '../sys/index.js'
import type { Prefetched } from '../volume/prefetch.js'
import type { Opened } from './host.js'
import { humanBytes } from './human-bytes.js'

export interface PrefetchResult {
  /** Files that are here now, and the bytes of their content. */
  files: number
  bytes: number
  /** Read from the store for that; the rest was here. */
  fetchedBytes: number
}

export interface PrefetchOptions {
  /** Called now and then with what is done. */
  onProgress?: (done: PrefetchResult) => void
}

/** See `OpenVolume.prefetch`. */
export async function prefetch(
  name: string,
  opened: Opened,
  fs: VolumeFs,
  patterns: string | readonly string[],
  { onProgress }: PrefetchOptions = {},
): Promise<PrefetchResult> {
  const done: PrefetchResult = { files: 0, bytes: 0, fetchedBytes: 0 }
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    let isFound = false
    for await (const batch of inBatches(filesOf(fs, pattern))) {
      isFound = true
      await bring(name, opened, batch, done, onProgress)
    }
    if (!isFound && (await isNothing(fs, pattern)))
      throw new CairnError('ERR_PATH_UNKNOWN', `Nothing in ${name} matches ${pattern}.`, `\`cairn ls ${name}:/\` shows what there is.`)
  }
  return done
}

async function bring(name: string, opened: Opened, batch: readonly string[], done: PrefetchResult, onProgress: PrefetchOptions['onProgress']): Promise<void> {
  let offset = 0
  for (let at = 0; at < batch.length; ) {
    const step = (await opened.ask('prefetch', batch.slice(at), offset)) as Prefetched
    at += step.files
    offset = step.offset ?? 0
    done.files += step.files
    done.bytes += step.bytes
    done.fetchedBytes += step.fetchedBytes
    onProgress?.(done)
    if (step.maxBytes !== undefined && done.bytes > step.maxBytes) throw tooMuch(name, step.maxBytes)
  }
}

/** Going on would push out what came first. */
function tooMuch(name: string, maxBytes: number): CairnError {
  return new CairnError(
    'ERR_CACHE_FULL',
    `That is more than the cache of ${name} takes, which is ${humanBytes(maxBytes)}.`,
    'Name less of it, or make the cache larger: --cache-size, or CAIRN_CACHE_SIZE.',
  )
}

/** Files that a path or glob means: of a directory all that is in it. */
async function* filesOf(fs: VolumeFs, pattern: string): AsyncGenerator<string> {
  const found = await fs.promises.lstat(pattern).catch(() => undefined)
  if (found?.isDirectory() === true) yield* filesBelow(fs, pattern)
  else if (found !== undefined) yield pattern
  else {
    for await (const entry of fs.promises.glob(pattern, { withFileTypes: true })) {
      const path = posix.join(entry.parentPath, entry.name)
      if (entry.isDirectory()) yield* filesBelow(fs, path)
      else yield path
    }
  }
}

async function* filesBelow(fs: VolumeFs, folder: string): AsyncGenerator<string> {
  for await (const entry of await fs.promises.opendir(folder)) {
    const path = posix.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(fs, path)
    else yield path
  }
}

async function* inBatches(paths: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = []
  for await (const path of paths) {
    batch.push(path)
    if (batch.length < limits.prefetchFiles) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** An empty directory matches, and has no files. */
async function isNothing(fs: VolumeFs, pattern: string): Promise<boolean> {
  return (await fs.promises.lstat(pattern).catch(() => undefined)) === undefined
}
