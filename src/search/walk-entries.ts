import { isDirectory } from '../codec/mode.js'
import { WALK_FIELDS, WalkField, type WalkOptions, type WalkPage } from '../history/contents/tree-walk.js'
import { normalPath } from './contents.js'
import { IGNORE_FILE, IgnoreRules } from './ignore-rules.js'

export interface WalkEntry {
  ino: number
  path: string
  /** Of the path where the walk begins it is 0. */
  depth: number
  mode: number
  size: number
  mtimeMs: number
  /** Of a directory: nothing is in it. */
  isEmpty: boolean
}

export interface EntriesOptions {
  path?: string
  maxDepth?: number
  /** Without what `.gitignore` files leave out, and without `.git`. */
  gitignore?: boolean
}

/** Where names come from, page by page. */
export interface Walkable {
  /** Begins a walk, which ends the one before. @throws ENOENT */
  walk(path: string, options: WalkOptions): Promise<void>
  walkNext(skip: readonly number[]): Promise<WalkPage | undefined>
}

/**
 * What is below a path, a page at a time: a directory before what is in it, names of one directory in the order of their bytes. The next page is on its way while
 * one is looked at.
 * @throws ENOENT
 */
export async function* walkEntries(contents: Walkable, options: EntriesOptions): AsyncGenerator<WalkEntry[]> {
  const from = normalPath(options.path)
  const rules = options.gitignore === true ? await rulesAbove(contents, from) : undefined
  const { maxDepth } = options
  await contents.walk(from, { ...(maxDepth === undefined ? {} : { maxDepth }), ...(rules === undefined ? {} : { withFile: IGNORE_FILE }) })
  const reader = new PageReader(from, rules)
  let asked = contents.walkNext([])
  for (;;) {
    const page = await asked
    if (page === undefined) return
    const { entries, skip } = reader.read(page)
    asked = contents.walkNext(skip)
    // Nobody waits for it when this ends before.
    asked.catch(() => undefined)
    yield entries
  }
}

/** The rules of the directories that lead to a path. Who names what they leave out means it: then they count for nothing. */
async function rulesAbove(contents: Walkable, from: string): Promise<IgnoreRules> {
  const rules = new IgnoreRules()
  if (from === '/') return rules
  const names = from.slice(1).split('/')
  for (let depth = 0; depth < names.length; depth++) {
    const path = `/${names.slice(0, depth).join('/')}`
    await contents.walk(path, { maxDepth: 0, withFile: IGNORE_FILE })
    const file = (await contents.walkNext([]))?.files[0]
    if (file !== undefined) rules.add(path, file)
    if (rules.leavesOut(`/${names.slice(0, depth + 1).join('/')}`, true)) return new IgnoreRules()
  }
  return rules
}

/** Makes paths of the entries of pages. */
class PageReader {
  readonly #from: string
  readonly #rules: IgnoreRules | undefined
  /** Paths of the directories on the way down, by depth; that of the root is empty. */
  readonly #above: string[] = []
  /** What is deeper is left out. */
  #skipping = Number.POSITIVE_INFINITY

  constructor(from: string, rules: IgnoreRules | undefined) {
    this.#from = from
    this.#rules = rules
  }

  read({ names, numbers, files }: WalkPage): { entries: WalkEntry[]; skip: number[] } {
    const all = Buffer.from(names.buffer, names.byteOffset, names.length).toString('utf8').split('\0')
    const entries: WalkEntry[] = []
    const skip: number[] = []
    let file = 0
    for (let at = 0, n = 0; n < numbers.length; at++, n += WALK_FIELDS) {
      const entry = this.#entry(all[at], numbers, n)
      const rules = numbers[n + WalkField.hasFile] === 1 ? files[file++] : undefined
      if (entry === undefined) continue
      if (this.#rules?.leavesOut(entry.path, isDirectory(entry.mode)) === true && entry.depth > 0) {
        if (!isDirectory(entry.mode)) continue
        this.#skipping = entry.depth
        skip.push(entry.ino)
        continue
      }
      if (rules !== undefined) this.#rules?.add(entry.path, rules)
      entries.push(entry)
    }
    return { entries, skip }
  }

  #entry(name: string, numbers: Float64Array, n: number): WalkEntry | undefined {
    const depth = numbers[n + WalkField.depth]
    if (depth > this.#skipping) return undefined
    this.#skipping = Number.POSITIVE_INFINITY
    const path = depth === 0 ? this.#from : `${this.#above[depth - 1]}/${name}`
    this.#above[depth] = path === '/' ? '' : path
    return {
      ino: numbers[n + WalkField.ino],
      path,
      depth,
      mode: numbers[n + WalkField.mode],
      size: numbers[n + WalkField.size],
      mtimeMs: numbers[n + WalkField.mtimeMs],
      isEmpty: numbers[n + WalkField.isEmpty] === 1,
    }
  }
}
