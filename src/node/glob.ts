import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import picomatch from 'picomatch'
import type { Core } from './core.js'
import { Dirent } from './dirent.js'
import { invalidArgType } from './errors.js'
import { GLOBSTAR, type GlobPattern, parsePattern, type Segment } from './glob-pattern.js'
import { namesOf } from './listing.js'
import { toByteString } from './paths.js'
import { type Steps, step } from './steps.js'

type Excluded = (path: string, name: string, type: number) => boolean

interface Wanted {
  patterns: GlobPattern[]
  cwd: string
  typed: boolean
  isExcluded: Excluded
}

/** A path that a pattern led to, and the segment that comes next. `type`: d_type, 0 when nobody has looked. */
interface Place {
  path: string
  pattern: GlobPattern
  at: number
  type: number
}

const DIRECTORY = 4

/**
 * A walk as fs.glob does it: `**` and other patterns lead into no hidden directory and through no symbolic link, names written out do. A directory that cannot be read is
 * empty. Each match once, in no particular order; memory: the directories ahead, and what was found.
 */
export class Glob {
  readonly #core: Core
  readonly #wanted: Wanted
  readonly #places: Place[] = []
  readonly #been = new Set<string>()
  readonly #found = new Set<string>()

  /** @throws TypeError ERR_INVALID_ARG_TYPE */
  constructor(core: Core, patterns: unknown, opts: unknown) {
    this.#core = core
    this.#wanted = checkArguments(patterns, opts)
    for (const pattern of this.#wanted.patterns) {
      // Nothing is matched by nothing, by `.` and by `..` alone.
      if (pattern.segments.some(segment => segment !== '..')) this.#places.push({ path: pattern.isAbsolute ? '/' : '', pattern, at: 0, type: 0 })
    }
    this.#places.reverse()
  }

  /** All matches. */
  *all(): Steps<Array<string | Dirent>> {
    const matches: Array<string | Dirent> = []
    while (this.#places.length > 0) matches.push(...(yield* this.#step()))
    return matches
  }

  /** Matches as they are found. */
  async *each(): AsyncGenerator<string | Dirent> {
    while (this.#places.length > 0) yield* await this.#core.run(this.#step())
  }

  /** The matches that the next place brings; where it leads to comes next. */
  *#step(): Steps<Array<string | Dirent>> {
    const matches: Array<string | Dirent> = []
    const place = this.#places.pop()
    if (place === undefined || !this.#isNew(place)) return matches
    const segment = place.pattern.segments[place.at]
    if (segment === undefined) yield* this.#end(place, matches)
    else if (typeof segment === 'string') this.#go(place, segment, place.at + 1, 0)
    else yield* this.#search(place, segment, matches)
    return matches
  }

  #isNew({ path, pattern, at }: Place): boolean {
    const key = `${this.#wanted.patterns.indexOf(pattern)} ${at} ${path}`
    if (this.#been.has(key)) return false
    this.#been.add(key)
    return true
  }

  #go({ path, pattern }: Place, name: string, at: number, type: number): void {
    const to = posix.join(path, name)
    if (name === '..' || !this.#wanted.isExcluded(this.#absolute(to), name, type)) this.#places.push({ path: to === '.' ? '' : to, pattern, at, type })
  }

  *#end(place: Place, matches: Array<string | Dirent>): Steps<void> {
    let { type } = place
    const { directoriesOnly } = place.pattern
    if (type === 0) {
      const [lstat, stat] = [yield* this.#mode(place.path, false), directoriesOnly ? yield* this.#mode(place.path, true) : DIRECTORY]
      if (lstat === 0 || stat !== DIRECTORY) return
      type = lstat
    } else if (directoriesOnly && type !== DIRECTORY) return
    this.#match(place.path, type, matches)
  }

  /** d_type of a path; 0 when there is none. */
  *#mode(path: string, follow: boolean): Steps<number> {
    try {
      const found = yield* step(this.#core.call('statIfExists', [this.#input(path), follow]))
      return found === undefined ? 0 : found.mode >>> 12
    } catch (error) {
      if (isOfSystem(error)) return 0
      throw error
    }
  }

  *#search(place: Place, segment: Exclude<Segment, string>, matches: Array<string | Dirent>): Steps<void> {
    const isLast = place.at === place.pattern.segments.length - 1
    const next = segment === GLOBSTAR ? place.at : place.at + 1
    if (segment === GLOBSTAR) this.#places.push({ ...place, at: place.at + 1 })
    for (const { name, type } of yield* this.#entries(place)) {
      if (segment === GLOBSTAR ? name.startsWith('.') : !segment(name)) continue
      if (type === DIRECTORY) this.#go(place, name, next, type)
      else if (isLast) this.#leaf(place, name, type, matches)
    }
  }

  #leaf({ path, pattern }: Place, name: string, type: number, matches: Array<string | Dirent>): void {
    const to = posix.join(path, name)
    if (!pattern.directoriesOnly && !this.#wanted.isExcluded(this.#absolute(to), name, type)) this.#match(to, type, matches)
  }

  *#entries({ path }: Place): Steps<Array<{ name: string; type: number }>> {
    try {
      const entries = yield* namesOf(this.#core, this.#input(path))
      return entries.map(({ name, type }) => ({ name: Buffer.from(name, 'latin1').toString('utf8'), type }))
    } catch (error) {
      if (isOfSystem(error)) return []
      throw error
    }
  }

  #match(path: string, type: number, matches: Array<string | Dirent>): void {
    const shown = path === '' ? '.' : path
    if (this.#found.has(shown)) return
    this.#found.add(shown)
    const absolute = this.#absolute(path)
    matches.push(this.#wanted.typed ? new Dirent(posix.basename(absolute), posix.dirname(absolute), type) : shown)
  }

  #absolute(path: string): string {
    return posix.resolve(this.#wanted.cwd, path)
  }

  #input(path: string): Buffer {
    return Buffer.from(toByteString(this.#absolute(path)), 'latin1')
  }
}

function isOfSystem(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).errno === 'number'
}

function checkArguments(patterns: unknown, opts: unknown): Wanted {
  if (opts !== undefined && (typeof opts !== 'object' || opts === null)) throw invalidArgType('options', 'of type object', opts)
  const { cwd, exclude, withFileTypes } = (opts ?? {}) as { cwd?: unknown; exclude?: unknown; withFileTypes?: unknown }
  const root = posix.resolve('/', cwdOf(cwd))
  const typed = Boolean(withFileTypes)
  return { patterns: textsOf(patterns).flatMap(parsePattern), cwd: root, typed, isExcluded: exclusion(exclude, root, typed) }
}

function textsOf(patterns: unknown): string[] {
  if (typeof patterns === 'string') return [patterns]
  if (typeof patterns !== 'object') throw invalidArgType('patterns', 'of type string', patterns)
  if (!Array.isArray(patterns)) throw invalidArgType('patterns', 'an instance of Array', patterns)
  return patterns.map((text, i) => {
    if (typeof text !== 'string') throw invalidArgType(`patterns[${i}]`, 'of type string', text)
    return text
  })
}

function cwdOf(cwd: unknown): string {
  if (cwd === undefined || cwd === null) return '/'
  if (typeof cwd === 'string') return cwd
  if (cwd instanceof URL) return fileURLToPath(cwd)
  throw invalidArgType('options.cwd', 'of type string or an instance of URL', cwd)
}

/** What is excluded is not looked into either. */
function exclusion(exclude: unknown, cwd: string, typed: boolean): Excluded {
  if (exclude === undefined || exclude === null) return () => false
  if (typeof exclude === 'function') {
    return (path, name, type) => Boolean(exclude(typed ? new Dirent(posix.basename(path), posix.dirname(path), type) : name))
  }
  if (!Array.isArray(exclude)) throw invalidArgType('options.exclude', 'of type function or string[]', exclude)
  const globs = exclude.map((text, i) => {
    if (typeof text !== 'string') throw invalidArgType(`options.exclude[${i}]`, 'of type string', text)
    return text.replace(/^(\.\/+)+/, '').replace(/(?<=.)\/+$/, '')
  })
  if (globs.length === 0) return () => false
  const matches = picomatch(globs, { nonegate: true, posix: true })
  return path => matches(path) || matches(posix.relative(cwd, path))
}
