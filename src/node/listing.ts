import type { MaybePromise } from './backend.js'
import type { Core } from './core.js'
import { Dirent, DT_DIRECTORY } from './dirent.js'
import { encodeName, join, type NameEncoding, shown, toText } from './paths.js'
import { isPromise, type Steps, step } from './steps.js'
import { checkPath, nameEncoding, options, type Path } from './validate.js'

/** Entries that one operation lists; a directory may have millions. */
const PAGE_ENTRIES = 4096

type Entry = string | Buffer | Dirent | Dirent<Buffer>

/** As fs.readdir: names in byte order; with `recursive` those of each directory before those of the directories below it. */
export function readdir(core: Core, path: unknown, opts?: unknown): MaybePromise<Entry[]> {
  const checked = checkPath(path)
  if (opts === undefined || opts === null) return plainNames(core, checked)
  const given = options(opts)
  const encoding = nameEncoding(opts)
  const list = new Listing(checked, encoding, Boolean(given.withFileTypes))
  return core.run(list.all(core, Boolean(given.recursive)))
}

/** The commonest form, without a generator: one page of names. */
function plainNames(core: Core, path: Path): MaybePromise<Entry[]> {
  const kept = core.backend.listed?.(path)
  if (kept !== undefined) return kept.slice()
  if (!core.backend.isLocal) return core.run(new Listing(path, 'utf8', false).all(core, false))
  const page = core.call('readdir', [path, undefined, PAGE_ENTRIES])
  if (isPromise(page) || page.next !== undefined) return core.run(new Listing(path, 'utf8', false).all(core, false))
  const names = page.names.sort()
  for (let i = 0; i < names.length; i++) names[i] = toText(names[i])
  return names
}

class Listing {
  private readonly root: Path
  private readonly encoding: NameEncoding
  private readonly typed: boolean
  private readonly entries: Entry[] = []

  constructor(root: Path, encoding: NameEncoding, typed: boolean) {
    this.root = root
    this.encoding = encoding
    this.typed = typed
  }

  *all(core: Core, recursive: boolean): Steps<Entry[]> {
    // Byte strings relative to the root of the listing; directories found are listed in turn.
    const queue = ['']
    for (let i = 0; i < queue.length; i++) {
      const below = queue[i]
      const found = yield* namesOf(core, below === '' ? this.root : this.child(below))
      for (const { name, type } of found) {
        const relative = below === '' ? name : join(below, name)
        this.entries.push(this.entry(relative, name, below, type))
        if (recursive && type === DT_DIRECTORY) queue.push(relative)
      }
    }
    return this.entries
  }

  private child(relative: string): Path {
    const root = typeof this.root === 'string' ? Buffer.from(this.root) : this.root
    return Buffer.from(join(Buffer.from(root).toString('latin1'), relative), 'latin1')
  }

  private entry(relative: string, name: string, below: string, type: number): Entry {
    if (!this.typed) return encodeName(relative, this.encoding)
    const parent = below === '' ? shown(this.root) : join(shown(this.root), toText(below))
    return new Dirent(encodeName(name, this.encoding), parent, type) as Dirent | Dirent<Buffer>
  }
}

/** All entries of a directory by name, one char per byte. */
export function* namesOf(core: Core, path: Path): Steps<Array<{ name: string; type: number }>> {
  const found: Array<{ name: string; type: number }> = []
  let after: [number, number] | undefined
  do {
    const page = yield* step(core.call('readdir', [path, after, PAGE_ENTRIES]))
    for (let i = 0; i < page.names.length; i++) found.push({ name: page.names[i], type: page.types[i] })
    after = page.next
  } while (after !== undefined)
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}
