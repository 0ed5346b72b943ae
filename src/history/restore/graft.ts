import { Attr } from '../../codec/index.js'
import { isDirectory, S_IFDIR } from '../../codec/mode.js'
import { CairnError } from '../../errors.js'
import { type Entry, isDirectoryEntry, type Records } from './records.js'

export interface GraftOptions {
  /** The state that a path is taken from. */
  from: Records
  /** The state that it is put into: a private tree. */
  to: Records
  /** A number for what is in `to` already, under a name outside the path. */
  allocIno: () => number
  nowS: number
  nowNs: number
}

/**
 * Makes a path of `to` what it is in `from`: a file, or a directory with all below it. Directories above it that are missing are made as they were.
 * Names outside the path stay what they are: an inode that has one only there now comes back as another one. A file that has names inside
 * and outside is one file, and goes back as one.
 * @param path components, one char per byte each
 * @throws CairnError ERR_PATH_UNKNOWN, ERR_PATH_BLOCKED
 * Cost: what is below the path in both states.
 */
export function graft(options: GraftOptions, path: readonly string[], shown: string): void {
  const source = find(options.from, path)
  if (source === undefined)
    throw new CairnError('ERR_PATH_UNKNOWN', `${shown} was not there at that state.`, 'See `cairn log` for other states, or delete it with `cairn rm`.')
  graftEntry(options, source, path, shown)
}

/** As `graft`, of an entry of `from` wherever it is there. */
export function graftEntry(options: GraftOptions, source: Entry, path: readonly string[], shown: string): void {
  new Graft(options).run(source, parentFor(options, path, shown))
}

function find(records: Records, path: readonly string[]): Entry | undefined {
  let parent = 1
  for (const [i, name] of path.entries()) {
    const entry = records.entry(parent, name)
    if (entry === undefined || i === path.length - 1) return entry
    parent = entry.ino
  }
  return undefined
}

/** The entry that the path is to become: its directory exists afterwards. */
function parentFor(options: GraftOptions, path: readonly string[], shown: string): { parent: number; name: string } {
  const { from, to } = options
  let parent = 1
  let old = 1
  for (const name of path.slice(0, -1)) {
    const was = from.entry(old, name)
    const entry = to.entry(parent, name)
    old = was?.ino ?? 0
    if (entry === undefined && was === undefined)
      throw new CairnError(
        'ERR_PATH_BLOCKED',
        `${shown} cannot be restored: its directory '${text(name)}' is not there now.`,
        'Restore or make the directory first.',
      )
    if (entry === undefined) parent = remake(options, parent, name, old)
    else if (isDirectoryEntry(entry)) parent = entry.ino
    else
      throw new CairnError(
        'ERR_PATH_BLOCKED',
        `${shown} cannot be restored: '${text(name)}' on the way to it is no directory now.`,
        'Move that out of the way first.',
      )
  }
  return { parent, name: path[path.length - 1] }
}

/** A directory as it was, empty. */
function remake(options: GraftOptions, parent: number, name: string, was: number): number {
  const { from, to } = options
  const ino = to.attr(was) === undefined ? was : options.allocIno()
  to.copyInode(from, was, ino)
  const attr = to.attr(ino) ?? new Attr()
  attr.nlink = 2
  const entry = { parent, name, ino, type: S_IFDIR >>> 12 }
  to.nameInto(attr, entry)
  to.setAttr(ino, attr)
  to.putEntry(entry)
  touch(options, parent, 1)
  return ino
}

/** A directory got or lost entries. */
function touch({ to, nowS, nowNs }: GraftOptions, dir: number, links: number): void {
  const attr = to.attr(dir)
  if (attr === undefined) return
  attr.nlink += links
  attr.mtimeS = attr.ctimeS = nowS
  attr.mtimeNs = attr.ctimeNs = nowNs
  to.setAttr(dir, attr)
}

class Graft {
  readonly #options: GraftOptions
  /** Names that each inode had below the path in `to`, and loses. */
  readonly #lost = new Map<number, number>()
  /** Names that each inode of `from` gets below the path. */
  readonly #gained = new Map<number, number>()
  /** Numbers of `from` that stand for something else in `to`. */
  readonly #renumbered = new Map<number, number>()

  constructor(options: GraftOptions) {
    this.#options = options
  }

  run(source: Entry, place: { parent: number; name: string }): void {
    const { from, to } = this.#options
    const present = to.entry(place.parent, place.name)
    const old = present === undefined ? [] : withBelow(to, present)
    const fresh = withBelow(from, source)
    for (const { ino } of old) count(this.#lost, ino)
    for (const { ino } of fresh) count(this.#gained, ino)
    for (const entry of old) to.removeEntry(entry.parent, entry.name)
    for (const ino of this.#lost.keys()) if (!this.#gained.has(ino)) this.#drop(ino)
    for (const ino of this.#gained.keys()) this.#bring(ino)
    for (const entry of fresh) this.#name(entry, entry === fresh[0] ? place : undefined)
    // What has its name already changes nothing in its directory.
    if (present?.ino === (this.#renumbered.get(source.ino) ?? source.ino)) return
    touch(this.#options, place.parent, Number(isDirectoryEntry(source)) - Number(present !== undefined && isDirectoryEntry(present)))
  }

  /** An inode lost names below the path, and is not part of what comes. */
  #drop(ino: number): void {
    const { to } = this.#options
    const outside = this.#outside(ino)
    if (outside === 0) {
      to.removeInode(ino)
      return
    }
    const attr = to.attr(ino)
    if (attr === undefined) return
    attr.nlink = outside
    to.setAttr(ino, attr)
  }

  /** Names that an inode has in `to` outside the path. */
  #outside(ino: number): number {
    const attr = this.#options.to.attr(ino)
    if (attr === undefined) return 0
    if (isDirectory(attr.mode)) return this.#lost.has(ino) ? 0 : 1
    return attr.nlink - (this.#lost.get(ino) ?? 0)
  }

  #bring(ino: number): void {
    const { from, to } = this.#options
    const outside = this.#outside(ino)
    const isElsewhere = outside > 0 && !this.#lost.has(ino)
    const as = isElsewhere ? this.#options.allocIno() : ino
    if (isElsewhere) this.#renumbered.set(ino, as)
    else to.removeInode(ino)
    to.copyInode(from, ino, as)
    const attr = to.attr(as)
    if (attr === undefined) return
    if (!isDirectory(attr.mode)) attr.nlink = (this.#gained.get(ino) ?? 0) + (isElsewhere ? 0 : outside)
    to.setAttr(as, attr)
  }

  #name(entry: Entry, place: { parent: number; name: string } | undefined): void {
    const { to } = this.#options
    const parent = place?.parent ?? this.#renumbered.get(entry.parent) ?? entry.parent
    const named = { ...entry, parent, name: place?.name ?? entry.name, ino: this.#renumbered.get(entry.ino) ?? entry.ino }
    to.putEntry(named)
    const attr = to.attr(named.ino)
    if (attr === undefined) return
    to.nameInto(attr, named)
    to.setAttr(named.ino, attr)
  }
}

function withBelow(records: Records, entry: Entry): Entry[] {
  return isDirectoryEntry(entry) ? [entry, ...records.below(entry.ino)] : [entry]
}

function count(map: Map<number, number>, ino: number): void {
  map.set(ino, (map.get(ino) ?? 0) + 1)
}

function text(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}
