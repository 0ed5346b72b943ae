import picomatch from 'picomatch'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'

/** What may be done with a path; the lower, the stricter. */
export const Access = { hidden: 0, readOnly: 1, writable: 2 } as const
export type Access = (typeof Access)[keyof typeof Access]

export interface RuleGlobs {
  hidden?: readonly string[]
  readOnly?: readonly string[]
  writable?: readonly string[]
}

/** Which lists have a glob that matches a path or something above it. */
const HIDDEN = 1
const READ_ONLY = 2
const WRITABLE = 4

/** A directory of a volume as the rules see it; `path` has one char per byte and is empty for the root. */
export interface Ground {
  readonly path: string
  readonly flags: number
}

const ROOT: Ground = { path: '', flags: 0 }

/**
 * The rules of a view. A glob without a slash means a name anywhere; one with a slash is read from the root of the volume. What matches a
 * directory holds for all below it, and of several that match the strictest counts.
 */
export class PathRules {
  readonly #lists: readonly (readonly [number, Globs])[]
  readonly #writableOnly: boolean
  /** The access of a name depends on the directory that it stands in. */
  readonly hasPaths: boolean

  /** @throws CairnError ERR_VIEW_RULES naming the glob */
  constructor({ hidden = [], readOnly = [], writable }: RuleGlobs) {
    const lists: [number, Globs][] = [
      [HIDDEN, new Globs('hidden', hidden)],
      [READ_ONLY, new Globs('readOnly', readOnly)],
      [WRITABLE, new Globs('writable', writable ?? [])],
    ]
    this.#lists = lists.filter(([, globs]) => !globs.isEmpty)
    this.#writableOnly = writable !== undefined
    this.hasPaths = lists.some(([, globs]) => globs.hasPaths)
  }

  /** Without effect: whoever has them needs none. */
  get isEmpty(): boolean {
    return this.#lists.length === 0 && !this.#writableOnly
  }

  get root(): Ground {
    return ROOT
  }

  /** What stands under a name in a directory. */
  below(ground: Ground, name: string): Ground {
    const path = ground.path === '' ? name : `${ground.path}/${name}`
    return { path, flags: this.#flags(ground, name, path) }
  }

  #flags(ground: Ground, name: string, path: string): number {
    let { flags } = ground
    for (const [flag, globs] of this.#lists) if ((flags & flag) === 0 && globs.match(name, path)) flags |= flag
    return flags
  }

  access({ flags }: Ground): Access {
    if (flags & HIDDEN) return Access.hidden
    if (flags & READ_ONLY) return Access.readOnly
    return this.#writableOnly && !(flags & WRITABLE) ? Access.readOnly : Access.writable
  }

  /** Whether nothing below a directory can be changed, whatever its name. */
  isClosed({ flags }: Ground): boolean {
    return (flags & (HIDDEN | READ_ONLY)) !== 0
  }

  /** Of a whole path, one char per byte, with or without a slash before it. */
  accessOf(path: string): Access {
    let ground: Ground = ROOT
    for (const name of path.split('/')) if (name !== '') ground = this.below(ground, name)
    return this.access(ground)
  }
}

/** The globs of one list. */
class Globs {
  readonly #byName: ((name: string) => boolean) | undefined
  readonly #byPath: ((path: string) => boolean) | undefined

  constructor(list: string, globs: readonly string[]) {
    if (!Array.isArray(globs) || globs.length > limits.viewGlobs) throw wrong(`'${list}' is no list of at most ${limits.viewGlobs} globs.`)
    const bare = globs.map(glob => checked(list, glob))
    const names = bare.filter(glob => !glob.includes('/'))
    const paths = bare.filter(glob => glob.includes('/')).map(glob => glob.replace(/^\/+/, ''))
    const options = { dot: true, nonegate: true, posix: true }
    if (names.length > 0) this.#byName = picomatch(names, options)
    if (paths.length > 0) this.#byPath = picomatch(paths, options)
  }

  get isEmpty(): boolean {
    return this.#byName === undefined && this.#byPath === undefined
  }

  get hasPaths(): boolean {
    return this.#byPath !== undefined
  }

  match(name: string, path: string): boolean {
    return this.#byName?.(text(name)) === true || this.#byPath?.(text(path)) === true
  }
}

/** A glob of a directory may end in a slash: it means all below it anyhow. */
function checked(list: string, glob: unknown): string {
  if (typeof glob !== 'string') throw wrong(`A glob of '${list}' is no text.`)
  const bare = glob.replace(/\/+$/, '')
  if (bare === '' || bare.includes('\0') || bare.length > limits.pathBytes) throw wrong(`'${glob.slice(0, 80)}' in '${list}' matches no path.`)
  if (bare.split('/').some(name => name === '..' || name === '.')) throw wrong(`'${glob.slice(0, 80)}' in '${list}' has '.' or '..' in it.`)
  return bare
}

function wrong(message: string): CairnError {
  return new CairnError('ERR_VIEW_RULES', message, 'Write globs of paths from the root of the volume, such as `src/**`, or of names, such as `.env`.', {
    exitCode: 2,
  })
}

/** Globs are text; names are bytes. */
function text(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) if (bytes.charCodeAt(i) > 127) return Buffer.from(bytes, 'latin1').toString('utf8')
  return bytes
}
