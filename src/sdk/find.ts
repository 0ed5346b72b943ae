import picomatch from 'picomatch'
import { CairnError } from '../errors.js'
import type { VolumeFs } from '../node/index.js'

export type FoundType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'block' | 'character'

export interface FindOptions {
  /** Where to begin; default `/`. */
  path?: string
  /** Globs of the last name, of which one matches. */
  names?: readonly string[]
  /** Case makes no difference to `names` and `paths`. */
  ignoreCase?: boolean
  /** Globs of the whole path, from the root, of which one matches. */
  paths?: readonly string[]
  types?: readonly FoundType[]
  /** Bytes, both included; of files alone. */
  minSize?: number
  maxSize?: number
  /** Last changed after, or before, in ms since 1970. */
  newerMs?: number
  olderMs?: number
  /** Of `path` itself it is 0. */
  minDepth?: number
  maxDepth?: number
  /** Files without a byte, directories without an entry. */
  empty?: boolean
  /** All of these (`cairn tag`). */
  tags?: readonly string[]
}

export interface Found {
  path: string
  type: FoundType
  size: number
  mtimeMs: number
}

type Stats = Awaited<ReturnType<VolumeFs['promises']['lstat']>>

/**
 * What is below a path and passes every test, a directory before what is in it, names in order. Symbolic links are not followed. What vanishes meanwhile is left out.
 * @param tagged paths that have a tag
 * @throws CairnError ENOENT when `path` is not there
 */
export async function* find(fs: VolumeFs, options: FindOptions, tagged: (tag: string) => AsyncIterable<{ path: string }>): AsyncGenerator<Found> {
  const from = `/${(options.path ?? '/').split('/').filter(Boolean).join('/')}`
  const passes = await testsOf(options, tagged)
  const first = await fs.promises.lstat(from)
  yield* below({ fs, passes, options }, from, 0, first as Stats)
}

interface Walk {
  fs: VolumeFs
  passes: (found: Found, isEmpty: () => Promise<boolean>) => Promise<boolean>
  options: FindOptions
}

async function* below(walk: Walk, path: string, depth: number, stats: Stats): AsyncGenerator<Found> {
  const { fs, passes, options } = walk
  const type = typeOf(stats)
  const found: Found = { path, type, size: Number(stats.size), mtimeMs: Number(stats.mtimeMs) }
  const isEmpty = async (): Promise<boolean> => (type === 'directory' ? (await fs.promises.readdir(path)).length === 0 : type === 'file' && found.size === 0)
  if (depth >= (options.minDepth ?? 0) && (await passes(found, isEmpty))) yield found
  if (type !== 'directory' || depth >= (options.maxDepth ?? Number.POSITIVE_INFINITY)) return
  for (const name of await ifThere(async () => ((await fs.promises.readdir(path)) as string[]).sort(), [])) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`
    const of = await ifThere<Stats | undefined>(async () => (await fs.promises.lstat(child)) as Stats, undefined)
    if (of !== undefined) yield* below(walk, child, depth + 1, of)
  }
}

async function ifThere<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise
    throw error
  }
}

function typeOf(stats: Stats): FoundType {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isFIFO()) return 'fifo'
  if (stats.isSocket()) return 'socket'
  return stats.isBlockDevice() ? 'block' : 'character'
}

async function testsOf(options: FindOptions, tagged: (tag: string) => AsyncIterable<{ path: string }>): Promise<Walk['passes']> {
  const nocase = options.ignoreCase === true
  const names = options.names === undefined ? undefined : globs(options.names, nocase)
  const paths = options.paths === undefined ? undefined : globs(options.paths, nocase)
  const withTags = options.tags === undefined ? undefined : await haveAll(options.tags, tagged)
  const { types, minSize, maxSize, newerMs, olderMs, empty } = options
  return async ({ path, type, size, mtimeMs }, isEmpty) =>
    (names?.(path.slice(path.lastIndexOf('/') + 1)) ?? true) &&
    (paths?.(path) ?? true) &&
    (types?.includes(type) ?? true) &&
    ((minSize === undefined && maxSize === undefined) || (type === 'file' && size >= (minSize ?? 0) && size <= (maxSize ?? Number.POSITIVE_INFINITY))) &&
    (newerMs === undefined || mtimeMs > newerMs) &&
    (olderMs === undefined || mtimeMs < olderMs) &&
    (withTags?.has(path) ?? true) &&
    (empty !== true || (await isEmpty()))
}

/** As find(1) reads them: `*` matches slashes and leading dots. */
function globs(patterns: readonly string[], nocase: boolean): (text: string) => boolean {
  const all = patterns.map(pattern => {
    if (pattern === '') throw new CairnError('ERR_FIND', 'An empty name is nothing to find.', "Write a glob: `-name '*.ts'`.", { exitCode: 2 })
    return picomatch.makeRe(pattern, { dot: true, bash: true, nocase, noextglob: true, nobrace: true })
  })
  return text => all.some(pattern => pattern.test(text))
}

async function haveAll(tags: readonly string[], tagged: (tag: string) => AsyncIterable<{ path: string }>): Promise<Set<string>> {
  let all: Set<string> | undefined
  for (const tag of tags) {
    const these = new Set<string>()
    for await (const { path } of tagged(tag)) if (all === undefined || all.has(path)) these.add(path)
    all = these
  }
  return all ?? new Set()
}
