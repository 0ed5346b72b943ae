import type { Dirent } from 'node:fs'
import type { Context } from './context.js'
import { humanSize, inColumns, listTime, printable, table } from './format.js'
import { modeString } from './mode.js'
import { defaultOperand } from './operands.js'
import { groupName, userName } from './owners.js'
import { byName, joinPath } from './paths.js'
import type { Files, Place } from './places.js'
import type { Options, Run } from './spec.js'

/** One listed file, as --json prints it. */
interface Entry {
  name: string
  path: string
  type: string
  mode: number
  nlink: number
  uid: number
  gid: number
  size: number
  mtimeMs: number
  ino: number
  rdev: number
  target?: string
}

export const run: Run = async (context, args, options) => {
  const operands = args.length > 0 ? args : [defaultOperand()]
  const listing = new Listing(context, options, operands.length > 1)
  const code = await context.each(operands, {}, place => listing.operand(place))
  if (context.json) await context.out.write(`${JSON.stringify(listing.found, null, 2)}\n`)
  return code
}

class Listing {
  readonly found: Entry[] = []
  private readonly context: Context
  private readonly options: Options
  private titled: boolean
  private first = true

  constructor(context: Context, options: Options, titled: boolean) {
    this.context = context
    this.options = options
    this.titled = titled || options['recursive'] === true
  }

  async operand(place: Place): Promise<void> {
    const stat = await place.files.lstat(place.path)
    const followed = stat.isSymbolicLink() && this.options['long'] !== true ? await place.files.stat(place.path).catch(() => stat) : stat
    if (followed.isDirectory() && this.options['directory'] !== true) return this.directory(place.files, place.path, place.prefix)
    const one = await this.entry(place.files, place.path, place.shown, place.prefix)
    if (one !== undefined) await this.print([one])
  }

  private async directory(files: Files, path: string, prefix: string): Promise<void> {
    const names = (await files.readdir(path, { withFileTypes: true })).filter(one => this.options['all'] === true || !one.name.startsWith('.'))
    names.sort((a, b) => byName(a.name, b.name))
    if (this.titled && !this.context.json) await this.context.out.lines([...(this.first ? [] : ['']), `${prefix}${path}:`])
    this.first = false
    if (this.plain()) await this.printNames(names)
    else await this.print(await this.entries(files, path, prefix, names))
    if (this.options['recursive'] !== true) return
    for (const one of names) if (one.isDirectory()) await this.directory(files, joinPath(path, one.name), prefix)
  }

  /** Names and types are enough, so no file is looked at. */
  private plain(): boolean {
    return this.options['long'] !== true && !this.context.json
  }

  private async entries(files: Files, path: string, prefix: string, names: readonly Dirent[]): Promise<Entry[]> {
    const own = this.options['all'] === true && !this.context.json ? ['.', '..'] : []
    const all = await Promise.all([...own, ...names.map(one => one.name)].map(name => this.entry(files, joinPath(path, name), name, prefix)))
    return all.filter(one => one !== undefined)
  }

  /** `undefined` when it vanished meanwhile. */
  private async entry(files: Files, path: string, name: string, prefix: string): Promise<Entry | undefined> {
    const stat = await files.lstat(path).catch(() => undefined)
    if (stat === undefined) return undefined
    const { mode, nlink, uid, gid, size, mtimeMs, ino, rdev } = stat
    const target = stat.isSymbolicLink() ? await files.readlink(path, 'utf8').catch(() => '?') : undefined
    return { name, path: `${prefix}${path}`, type: typeOf(stat), mode, nlink, uid, gid, size, mtimeMs, ino, rdev, ...(target !== undefined && { target }) }
  }

  private async print(entries: Entry[]): Promise<void> {
    if (this.context.json) this.found.push(...entries)
    else if (this.options['long'] === true) await this.context.out.lines(this.long(entries))
    else await this.context.out.lines(entries.map(one => this.shown(one.name)))
  }

  private async printNames(names: readonly Dirent[]): Promise<void> {
    const { out } = this.context
    const types = new Map(names.map(one => [this.shown(one.name), one]))
    const shown = [...(this.options['all'] === true ? ['.', '..'] : []), ...names.map(one => this.shown(one.name))]
    const paint = (name: string) => this.paint(name, types.get(name))
    if (out.terminal && this.options['one'] !== true) await out.lines(inColumns(shown, out.columns, paint))
    else await out.lines(shown.map(paint))
  }

  private paint(name: string, entry: Dirent | undefined): string {
    if (entry === undefined || entry.isDirectory()) return this.context.out.blue(name)
    return entry.isSymbolicLink() ? this.context.out.cyan(name) : name
  }

  private long(entries: Entry[]): string[] {
    const now = Date.now()
    const rows = entries.map(one => {
      const size =
        one.type === 'device' ? `${one.rdev >> 8}, ${one.rdev & 255}` : this.options['humanReadable'] === true ? humanSize(one.size) : String(one.size)
      const name = one.target === undefined ? this.shown(one.name) : `${this.shown(one.name)} -> ${this.shown(one.target)}`
      return [modeString(one.mode), String(one.nlink), userName(one.uid), groupName(one.gid), size, listTime(one.mtimeMs, now), name]
    })
    return table(rows, new Set([1, 4])).map(line => line.replace(/ {2}/g, ' '))
  }

  private shown(name: string): string {
    return this.context.out.terminal ? printable(name) : name
  }
}

function typeOf(stat: import('node:fs').Stats): string {
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isFile()) return 'file'
  return stat.isFIFO() ? 'fifo' : stat.isSocket() ? 'socket' : 'device'
}
