import picomatch from 'picomatch'
import { isRegular } from '../codec/mode.js'
import { CairnError } from '../errors.js'
import type { FileEntry } from '../history/contents/contents-read.js'
import { type FilesBytes, FileWay } from '../history/contents/file-bytes.js'
import { limits } from '../sys/index.js'
import { type Contents, isBelow, normalPath, wholeFile } from './contents.js'
import { unpacked } from './grep-messages.js'
import type { PatternOptions } from './line-pattern.js'
import type { GrepLines, LinePattern } from './line-scan.js'
import { requiredText } from './literal.js'
import { MatchThreads } from './match-threads.js'
import { TRIGRAM } from './query.js'
import { type WalkEntry, walkEntries } from './walk-entries.js'

export interface GrepOptions extends PatternOptions {
  /** As it was at a checkpoint, commit, `~n` or time; default now. */
  ref?: string
  /** Only in this directory, or this file. */
  path?: string
  /** Only paths that match one of these; one without a slash is a name at any depth, one that begins with `!` leaves out. */
  globs?: readonly string[]
  /** Without what `.gitignore` files of the volume leave out. */
  gitignore?: boolean
  /** Whether the index of substrings tells which files need not be read. Default: when it is there already. */
  index?: boolean
}

/** The matches in one file. */
export interface GrepFile extends GrepLines {
  path: string
}

export interface GrepSkipped {
  /** Files with NUL bytes. */
  binary: number
  /** Files over 256 MiB. */
  large: number
}

/** A file that may have matches. */
interface Candidate {
  ino: number
  path: string
  size: number
}

/** Files that one thread looks at. */
interface Batch {
  paths: string[]
  inodes: number[]
  files: FilesBytes
}

/** The text by which the index of substrings can tell files apart; undefined when there is none. */
export function indexable(text: string, { fixed, invert }: GrepOptions): string | undefined {
  if (invert === true) return undefined
  const plain = fixed === true ? text : requiredText(text)
  return plain !== undefined && [...plain].length >= TRIGRAM && !plain.includes('\n') ? plain : undefined
}

/** What grep looks in, and by what. */
export interface GrepRun {
  contents: Contents
  threads: MatchThreads
  pattern: LinePattern
  options: GrepOptions
  skipped: GrepSkipped
  /** Only these files can match. */
  only?: Float64Array
}

/** Files of a state with lines that match, in the order of their paths; never more of them in memory than are matched at the moment. */
export async function* grep(run: GrepRun): AsyncGenerator<GrepFile> {
  const waiting: Array<Promise<GrepFile[]>> = []
  for await (const batch of batches(run.contents, candidates(run))) {
    const found = matched(run, batch)
    // What fails is heard of when its turn comes.
    found.catch(() => undefined)
    waiting.push(found)
    if (waiting.length > MatchThreads.width) yield* (await waiting.shift()) ?? []
  }
  for (const found of waiting) yield* await found
}

async function matched({ contents, threads, pattern, skipped }: GrepRun, batch: Batch): Promise<GrepFile[]> {
  const found: GrepFile[] = []
  const again = await match(batch)
  if (again.length === 0) return found
  // They have moved meanwhile: then the engine reads them.
  for await (const late of batches(contents, inChunks(again), true)) {
    const failed = await match(late)
    if (failed.length > 0) throw new CairnError('ERR_GREP_PATTERN', `${failed[0].path} cannot be matched with this pattern.`, 'Write it in a simpler way.')
  }
  return found.sort((a, b) => batch.paths.indexOf(a.path) - batch.paths.indexOf(b.path))

  async function match({ paths, inodes, files }: Batch): Promise<Candidate[]> {
    const answer = await threads.match(pattern, files, file => paths[file])
    skipped.binary += answer.binary
    const hasContext = (pattern.before ?? 0) + (pattern.after ?? 0) > 0
    for (const { file, ...lines } of unpacked(answer, hasContext)) found.push({ path: paths[file], ...lines })
    return answer.failed.map(file => ({ path: paths[file], ino: inodes[file], size: files.sizes[file] }))
  }
}

async function* inChunks(files: Candidate[]): AsyncGenerator<Candidate[]> {
  yield files
}

/** Few files are asked for one by one; of many all is walked through. */
const FEW = 2048

/** Files that are to be read, in lists of any length. */
async function* candidates(run: GrepRun): AsyncGenerator<Candidate[]> {
  const { contents, options, skipped } = run
  const isWanted = wantedBy(options)
  const few = await knownFiles(run)
  if (few !== undefined) {
    yield few.filter(entry => isCandidate(entry, isWanted, skipped, undefined))
    return
  }
  const only = run.only === undefined ? undefined : new Set(run.only)
  const { path, gitignore } = options
  for await (const page of walkEntries(contents, { ...(path === undefined ? {} : { path }), ...(gitignore === undefined ? {} : { gitignore }) })) {
    yield page.filter(entry => isCandidate(entry, isWanted, skipped, only))
  }
}

/** The files that can match, by their only name; undefined where the names have to be looked for. */
async function knownFiles({ contents, options, only }: GrepRun): Promise<FileEntry[] | undefined> {
  if (only === undefined || only.length > FEW || options.gitignore === true) return undefined
  const path = normalPath(options.path)
  await contents.walk(path, { maxDepth: 0 })
  const entries = await contents.entries(only)
  if (entries.some(entry => (entry?.nlink ?? 1) > 1)) return undefined
  return entries.flatMap(entry => (entry !== undefined && isBelow(entry.path, path) ? [entry] : [])).sort((a, b) => (a.path < b.path ? -1 : 1))
}

function isCandidate(
  entry: Pick<WalkEntry, 'mode' | 'size' | 'ino' | 'path'>,
  isWanted: (path: string) => boolean,
  skipped: GrepSkipped,
  only: ReadonlySet<number> | undefined,
): boolean {
  if (!isRegular(entry.mode) || entry.size === 0 || only?.has(entry.ino) === false || !isWanted(entry.path)) return false
  if (entry.size <= limits.grepFileBytes) return true
  skipped.large++
  return false
}

/**
 * Their bytes, or where these are, in batches for threads.
 * @param whole no places
 */
async function* batches(contents: Contents, lists: AsyncIterable<Candidate[]>, whole = false): AsyncGenerator<Batch> {
  let files: Candidate[] = []
  for await (const list of lists) {
    files.push(...list)
    for (let count = countOf(files); count < files.length; count = countOf(files)) {
      const { batch, rest } = await filled(contents, files.slice(0, count), whole)
      files = [...rest, ...files.slice(count)]
      yield batch
    }
  }
  while (files.length > 0) {
    const count = countOf(files)
    const { batch, rest } = await filled(contents, files.slice(0, count), whole)
    files = [...rest, ...files.slice(count)]
    yield batch
  }
}

/** How many of the first of them go together. */
function countOf(files: readonly Candidate[]): number {
  let bytes = 0
  for (const [at, { size }] of files.entries()) {
    bytes += size
    if (at === limits.grepBatchFiles || (bytes > limits.grepBatchBytes && at > 0)) return at
  }
  return files.length
}

async function filled(contents: Contents, asked: readonly Candidate[], whole: boolean): Promise<{ batch: Batch; rest: Candidate[] }> {
  const files = await contents.files(
    Float64Array.from(asked, ({ ino }) => ino),
    whole,
  )
  if (files.ways[0] === FileWay.pieces) return { batch: await inPieces(contents, asked[0]), rest: asked.slice(1) }
  const isLater = (way: number): boolean => way === FileWay.later || way === FileWay.pieces
  const rest = asked.filter((_, at) => isLater(files.ways[at]))
  return { batch: { paths: asked.map(({ path }) => path), inodes: asked.map(({ ino }) => ino), files }, rest }
}

async function inPieces(contents: Contents, { ino, path }: Candidate): Promise<Batch> {
  const bytes = await wholeFile(contents, ino)
  const files = { sizes: Float64Array.of(bytes.length), ways: Float64Array.of(FileWay.here), bytes, blocks: new Float64Array(0), packs: [] }
  return { paths: [path], inodes: [ino], files }
}

/** @throws CairnError ERR_GREP_GLOB */
function wantedBy({ globs = [] }: GrepOptions): (path: string) => boolean {
  if (globs.length === 0) return () => true
  for (const glob of globs) checkGlob(glob)
  const anywhere = (glob: string): string => (glob.includes('/') ? glob.replace(/^\//, '') : `**/${glob}`)
  const kept = globs.filter(glob => !glob.startsWith('!')).map(anywhere)
  const left = globs.filter(glob => glob.startsWith('!')).map(glob => anywhere(glob.slice(1)))
  const keeps = kept.length === 0 ? () => true : picomatch(kept, { dot: true, posix: true })
  const leaves = left.length === 0 ? () => false : picomatch(left, { dot: true, posix: true })
  return file => keeps(file.slice(1)) && !leaves(file.slice(1))
}

/** What would match nothing, because it is no glob. */
function checkGlob(glob: string): void {
  const plain = glob.replace(/\\./gs, '').replace(/\[[!^]?\]?[^\]]*\]/g, '')
  const why = /^!?\/?$/.test(glob) ? 'it is empty' : plain.includes('[') ? 'a [ in it is not closed' : undefined
  if (why === undefined) return
  throw new CairnError('ERR_GREP_GLOB', `${JSON.stringify(glob)} is no glob: ${why}.`, "Write a name such as '*.ts', or a path such as 'src/**'.", {
    exitCode: 2,
  })
}
