import picomatch from 'picomatch'
import { S_IFMT } from '../codec/mode.js'
import { CairnError } from '../errors.js'
import type { WalkOptions, WalkPage } from '../history/contents/tree-walk.js'
import type { VolumeFs } from '../node/index.js'
import { type Walkable, walkEntries } from '../search/walk-entries.js'
import type { Opened } from './host.js'

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
  /** Without what `.gitignore` files of the volume leave out. */
  gitignore?: boolean
  /** All of these (`cairn tag`). */
  tags?: readonly string[]
}

export interface Found {
  path: string
  type: FoundType
  size: number
  mtimeMs: number
}

/**
 * What is below a path and passes every test, a directory before what is in it, names in order. Symbolic links are not followed. What changes after the first was
 * found is not seen.
 * @param tagged paths that have a tag
 * @throws CairnError ENOENT when `path` is not there
 */
export async function* find(
  opened: Opened,
  fs: VolumeFs,
  options: FindOptions,
  tagged: (tag: string) => AsyncIterable<{ path: string }>,
): AsyncGenerator<Found> {
  const passes = await testsOf(options, tagged)
  const { minDepth = 0, maxDepth, gitignore, path } = options
  const names = new Names(opened, fs)
  const asked = { ...(path === undefined ? {} : { path }), ...(maxDepth === undefined ? {} : { maxDepth }), ...(gitignore === undefined ? {} : { gitignore }) }
  try {
    for await (const page of walkEntries(names, asked)) {
      for (const entry of page) {
        if (entry.depth < minDepth) continue
        const { path, size, mtimeMs } = entry
        const found = { path, type: typeOf(entry.mode), size, mtimeMs }
        if (passes(found, entry.isEmpty)) yield found
      }
    }
  } finally {
    await names.close()
  }
}

/** The names of what is open, wherever that is. */
class Names implements Walkable {
  readonly #opened: Opened
  readonly #fs: VolumeFs
  #walk: number | undefined

  constructor(opened: Opened, fs: VolumeFs) {
    this.#opened = opened
    this.#fs = fs
  }

  async walk(path: string, options: WalkOptions): Promise<void> {
    const { ino } = await this.#fs.promises.lstat(path)
    await this.close()
    this.#walk = (await this.#opened.ask('findOpen', Number(ino), options)) as number
  }

  async walkNext(skip: readonly number[]): Promise<WalkPage | undefined> {
    return (await this.#opened.ask('findNext', this.#walk, skip)) as WalkPage | undefined
  }

  async close(): Promise<void> {
    if (this.#walk !== undefined) await this.#opened.ask('findClose', this.#walk)
    this.#walk = undefined
  }
}

const types = new Map<number, FoundType>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
  [0o060000, 'block'],
  [0o020000, 'character'],
])

function typeOf(mode: number): FoundType {
  return types.get(mode & S_IFMT) ?? 'file'
}

async function testsOf(options: FindOptions, tagged: (tag: string) => AsyncIterable<{ path: string }>): Promise<(found: Found, isEmpty: boolean) => boolean> {
  const nocase = options.ignoreCase === true
  const names = options.names === undefined ? undefined : globs(options.names, nocase)
  const paths = options.paths === undefined ? undefined : globs(options.paths, nocase)
  const withTags = options.tags === undefined ? undefined : await haveAll(options.tags, tagged)
  const { types, minSize, maxSize, newerMs, olderMs, empty } = options
  return ({ path, type, size, mtimeMs }, isEmpty) =>
    (names?.(path.slice(path.lastIndexOf('/') + 1)) ?? true) &&
    (paths?.(path) ?? true) &&
    (types?.includes(type) ?? true) &&
    ((minSize === undefined && maxSize === undefined) || (type === 'file' && size >= (minSize ?? 0) && size <= (maxSize ?? Number.POSITIVE_INFINITY))) &&
    (newerMs === undefined || mtimeMs > newerMs) &&
    (olderMs === undefined || mtimeMs < olderMs) &&
    (withTags?.has(path) ?? true) &&
    (empty !== true || (type === 'directory' ? isEmpty : type === 'file' && size === 0))
}

/** As find(1) reads them: `*` matches slashes and leading dots. */
function globs(patterns: readonly string[], nocase: boolean): (text: string) => boolean {
  const all = patterns.map(pattern => {
    if (pattern === '') throw new CairnError('ERR_FIND', 'An empty name is nothing to find.', "Write a glob: `-name '*.ts'`.", { exitCode: 2 })
    return picomatch.makeRe(pattern, { dot: true, bash: true, posix: true, nonegate: true, nocase, noextglob: true, nobrace: true })
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
