import { posix } from 'node:path'
import { CairnError } from '../errors.js'
import type { VolumeFs } from '../node/index.js'
import { limits } from '../sys/index.js'
import type { CachedStep } from '../volume/cached-content.js'
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

/** How much of files is on this host. */
export interface CachedResult {
  files: number
  bytes: number
  /** Of these bytes so many need not be read from the store. */
  cachedBytes: number
}

/** What was deleted of the cache. */
export interface UncachedResult {
  files: number
  bytes: number
  /** Of these bytes so many were in the cache. */
  deletedBytes: number
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
  const steps = stepsOf<Prefetched>(name, fs, patterns, (paths, offset) => opened.ask('prefetch', paths, offset))
  for await (const { files, bytes, fetchedBytes, maxBytes } of steps) {
    done.files += files
    done.bytes += bytes
    done.fetchedBytes += fetchedBytes
    onProgress?.(done)
    if (maxBytes !== undefined && done.bytes > maxBytes) throw tooMuch(name, maxBytes)
  }
  return done
}

/** See `OpenVolume.cached`. */
export async function cached(name: string, opened: Opened, fs: VolumeFs, patterns: string | readonly string[]): Promise<CachedResult> {
  const { files, bytes, cachedBytes } = await lookedAt(name, opened, fs, patterns, false)
  return { files, bytes, cachedBytes }
}

/** See `OpenVolume.uncache`. Counted before: what one step deletes may be a part of what the next one looks at. */
export async function uncache(name: string, opened: Opened, fs: VolumeFs, patterns: string | readonly string[]): Promise<UncachedResult> {
  const { files, bytes, deletableBytes } = await lookedAt(name, opened, fs, patterns, false)
  await lookedAt(name, opened, fs, patterns, true)
  return { files, bytes, deletedBytes: deletableBytes }
}

async function lookedAt(name: string, opened: Opened, fs: VolumeFs, patterns: string | readonly string[], isDeleted: boolean): Promise<CachedStep> {
  const found: CachedStep = { files: 0, bytes: 0, cachedBytes: 0, deletableBytes: 0 }
  const steps = stepsOf<CachedStep>(name, fs, patterns, (paths, offset) => opened.ask('cachedFiles', paths, offset, isDeleted))
  for await (const { files, bytes, cachedBytes, deletableBytes } of steps) {
    found.files += files
    found.bytes += bytes
    found.cachedBytes += cachedBytes
    found.deletableBytes += deletableBytes
  }
  return found
}

/** Asks about the files that patterns mean, as many at a time as each answer says. */
async function* stepsOf<Step extends { files: number; offset?: number }>(
  name: string,
  fs: VolumeFs,
  patterns: string | readonly string[],
  ask: (paths: readonly string[], offset: number) => Promise<unknown>,
): AsyncGenerator<Step> {
  if (typeof patterns !== 'string' && !Array.isArray(patterns))
    throw new CairnError(
      'ERR_INVALID_ARG_VALUE',
      `${String(patterns)} is neither a path nor a glob.`,
      "Give one such as '/data/**/*.parquet', or an array of them.",
    )
  const taken = new Taken()
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    taken.met = false
    for await (const batch of inBatches(filesOf(fs, pattern, taken))) yield* stepsThrough<Step>(batch, ask)
    if (!taken.met && (await isNothing(fs, pattern)))
      throw new CairnError('ERR_PATH_UNKNOWN', `Nothing in ${name} matches ${pattern}.`, `\`cairn ls ${name}:/\` shows what there is.`)
  }
}

async function* stepsThrough<Step extends { files: number; offset?: number }>(
  batch: readonly string[],
  ask: (paths: readonly string[], offset: number) => Promise<unknown>,
): AsyncGenerator<Step> {
  let offset = 0
  for (let at = 0; at < batch.length; ) {
    const step = (await ask(batch.slice(at), offset)) as Step
    at += step.files
    offset = step.offset ?? 0
    yield step
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

/** What matched, directories with all that is in them: a glob such as `/**` matches that as well, and it counts once. */
class Taken {
  readonly #paths = new Set<string>()
  /** Something matched, whether it was taken before or not. */
  met = false

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  /** True the first time, and not below a directory that was. */
  isNew(path: string): boolean {
    this.met = true
    for (let at = path; ; at = posix.dirname(at)) {
      if (this.has(at)) return false
      if (at === posix.dirname(at)) break
    }
    this.#paths.add(path)
    return true
  }
}

/** Files that a path or glob means: of a directory all that is in it. */
async function* filesOf(fs: VolumeFs, pattern: string, taken: Taken): AsyncGenerator<string> {
  const found = await fs.promises.lstat(pattern).catch(() => undefined)
  if (found !== undefined) yield* filesAt(fs, posix.resolve('/', pattern), found.isDirectory(), taken)
  else {
    for await (const entry of fs.promises.glob(pattern, { withFileTypes: true }))
      yield* filesAt(fs, posix.join(entry.parentPath, entry.name), entry.isDirectory(), taken)
  }
}

async function* filesAt(fs: VolumeFs, path: string, isDirectory: boolean, taken: Taken): AsyncGenerator<string> {
  if (!taken.isNew(path)) return
  if (isDirectory) yield* filesBelow(fs, path, taken)
  else yield path
}

async function* filesBelow(fs: VolumeFs, folder: string, taken: Taken): AsyncGenerator<string> {
  for await (const entry of await fs.promises.opendir(folder)) {
    const path = posix.join(folder, entry.name)
    if (taken.has(path)) continue
    if (entry.isDirectory()) yield* filesBelow(fs, path, taken)
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
