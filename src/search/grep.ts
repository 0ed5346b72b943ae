import picomatch from 'picomatch'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import type { GrepLines, LinePattern } from './grep-lines.js'
import { requiredText } from './literal.js'
import { Matcher } from './matcher.js'
import { parseSubstring, TRIGRAM } from './query.js'
import type { SearchIndex } from './search-index.js'
import { type Contents, isBelow, wholeFile } from './searcher.js'

export interface GrepOptions {
  /** As it was at a checkpoint, commit, `~n` or time; default now. */
  ref?: string
  /** Only in this directory, or this file. */
  path?: string
  /** Case makes no difference. */
  ignoreCase?: boolean
  /** The pattern is a text. */
  fixed?: boolean
  /** Whole words only. */
  word?: boolean
  /** Lines that do not match. */
  invert?: boolean
  /** Lines shown before and behind a match; most 1,000. */
  before?: number
  after?: number
  /** Matching lines of one file at most. */
  maxCount?: number
  /** Only paths that match one of these; one without a slash is a name at any depth, one that begins with `!` leaves out. */
  globs?: readonly string[]
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

interface Candidate {
  ino: number
  path: string
  size: number
}

/** @throws CairnError ERR_GREP_PATTERN */
export function linePattern(text: string, options: GrepOptions): LinePattern {
  const { fixed = false, word = false, ignoreCase = false, invert, maxCount } = options
  const plain = fixed ? text.replace(/[\\^$.*+?()[\]{}|/-]/g, character => (character === '-' ? '\\x2d' : `\\${character}`)) : text
  const source = word ? `(?<![\\p{L}\\p{N}_])(?:${plain})(?![\\p{L}\\p{N}_])` : plain
  const flags = ignoreCase ? 'iu' : 'u'
  try {
    new RegExp(source, flags)
  } catch (error) {
    const why = (error as Error).message.replace(/^Invalid regular expression: /, '').replace(/^\/.*\/[a-z]*: /s, '')
    throw new CairnError(
      'ERR_GREP_PATTERN',
      `${JSON.stringify(text)} is no regular expression: ${why.toLowerCase()}.`,
      'Escape what is meant as it stands with \\, or use -F.',
      {
        exitCode: 2,
      },
    )
  }
  return {
    source,
    flags,
    ...(invert === undefined ? {} : { invert }),
    ...(maxCount === undefined ? {} : { maxCount }),
    before: Math.min(options.before ?? 0, limits.grepContextLines),
    after: Math.min(options.after ?? 0, limits.grepContextLines),
  }
}

/** The text by which the index of substrings can tell files apart; undefined when there is none. */
export function indexable(text: string, { fixed, invert }: GrepOptions): string | undefined {
  if (invert === true) return undefined
  const plain = fixed === true ? text : requiredText(text)
  return plain !== undefined && [...plain].length >= TRIGRAM && !plain.includes('\n') ? plain : undefined
}

/**
 * Files of a state with lines that match, one after the other in no promised order; never more of them in memory than are matched at the moment.
 * @param index of substrings that has all of the state, with the text that each match has
 */
export async function* grep(
  contents: Contents,
  pattern: LinePattern,
  options: GrepOptions,
  skipped: GrepSkipped,
  index?: { found: SearchIndex; text: string },
): AsyncGenerator<GrepFile> {
  const isWanted = wantedBy(options)
  const matcher = new Matcher(pattern)
  const files = index === undefined ? allFiles(contents) : indexedFiles(contents, index.found, index.text)
  try {
    for await (const round of rounds(files, isWanted, skipped)) {
      const answers = await Promise.all(round.map(batch => matched(contents, matcher, batch, skipped)))
      for (const answer of answers) yield* answer
    }
  } finally {
    await matcher.close()
  }
}

async function matched(contents: Contents, matcher: Matcher, batch: readonly Candidate[], skipped: GrepSkipped): Promise<GrepFile[]> {
  const bytes = await Promise.all(batch.map(({ ino }) => wholeFile(contents, ino)))
  const answers = await matcher.match(
    bytes,
    batch.map(({ path }) => path),
  )
  return answers.flatMap((answer, at) => {
    if (answer === undefined) skipped.binary++
    return answer === undefined || answer.matches.length === 0 ? [] : [{ path: batch[at].path, ...answer }]
  })
}

/** As many batches as there are threads, each of some files and bytes. */
async function* rounds(files: AsyncIterable<Candidate>, isWanted: (path: string) => boolean, skipped: GrepSkipped): AsyncGenerator<Candidate[][]> {
  let round: Candidate[][] = []
  let batch: Candidate[] = []
  let bytes = 0
  for await (const file of files) {
    if (!isWanted(file.path)) continue
    if (file.size > limits.grepFileBytes) {
      skipped.large++
      continue
    }
    batch.push(file)
    bytes += file.size
    if (batch.length < limits.grepBatchFiles && bytes < limits.grepBatchBytes) continue
    round.push(batch)
    batch = []
    bytes = 0
    if (round.length < Matcher.width) continue
    yield round
    round = []
  }
  if (batch.length > 0) round.push(batch)
  if (round.length > 0) yield round
}

async function* allFiles(contents: Contents): AsyncGenerator<Candidate> {
  await contents.since(undefined)
  for (let page = await contents.next(); page !== undefined; page = await contents.next()) yield* named(contents, page)
}

async function* indexedFiles(contents: Contents, index: SearchIndex, text: string): AsyncGenerator<Candidate> {
  const { match } = parseSubstring(text)
  for (let offset = 0; ; offset += limits.grepBatchFiles) {
    const hits = await index.candidates(match, offset, limits.grepBatchFiles)
    yield* named(
      contents,
      hits.flatMap(({ content, inodes }) => inodes.map(ino => ({ ino, content }))),
    )
    if (hits.length < limits.grepBatchFiles) return
  }
}

async function* named(contents: Contents, files: ReadonlyArray<{ ino: number; content: Uint8Array }>): AsyncGenerator<Candidate> {
  const places = await contents.places(files.map(({ ino, content }) => ({ ino, content })))
  for (const [at, place] of places.entries()) if (place !== undefined) yield { ino: files[at].ino, ...place }
}

function wantedBy({ path, globs = [] }: GrepOptions): (path: string) => boolean {
  const anywhere = (glob: string): string => (glob.includes('/') ? glob.replace(/^\//, '') : `**/${glob}`)
  const kept = globs.filter(glob => !glob.startsWith('!')).map(anywhere)
  const left = globs.filter(glob => glob.startsWith('!')).map(glob => anywhere(glob.slice(1)))
  const keeps = kept.length === 0 ? () => true : picomatch(kept, { dot: true })
  const leaves = left.length === 0 ? () => false : picomatch(left, { dot: true })
  return file => isBelow(file, path) && keeps(file.slice(1)) && !leaves(file.slice(1))
}
