import { getIno, Tag } from '../../codec/index.js'
import { DT_DIR } from '../../fs/index.js'
import { diff } from '../../tree/index.js'
import { type Entry, nameOf, type Slot, type TreeState } from './state.js'

/** Inodes that a name in a directory meant until another file was renamed over them, as the versions remember. */
export type Replaced = (dir: number, name: string) => readonly number[]

/** What became of a file of the base on one side. */
export interface Fate {
  ino: number
  slot: Slot
  moved: boolean
}

export function slotKey(slot: Slot): string {
  return `${slot.dir}/${slot.name}`
}

/**
 * What one side did since the base.
 *
 * Directories have an identity (`id`) that all three states share: the inode number in the base; for a new directory that took the
 * place of one that is gone (removed and made again, a copy moved over it) that of the one it replaced; else its own number. Places
 * (`Slot`) name directories by identity, so that a moved directory keeps the places in it. A file at a place that the base has is
 * that file, whatever its inode; what vanished and appeared is explained by inode numbers, then by what was saved by rename under the
 * new name. O(changes).
 */
export class Side {
  readonly base: TreeState
  readonly state: TreeState
  /** Inodes of which attributes, content or extended attributes differ. */
  readonly touched = new Set<number>()
  /** Places whose entry differs, by `slotKey`. */
  readonly slots = new Map<string, Slot>()
  /** Changed places of files of the base, by inode in the base. */
  readonly placesOf = new Map<number, string[]>()
  /** Directories of the base that have another place now. */
  readonly movedDirs = new Map<number, Slot>()
  /** Identities of directories that are gone. */
  readonly deletedDirs: number[] = []
  /** Directories that the base does not have. */
  readonly newDirs: number[] = []
  /** Files whose place vanished, and where they appeared: key of the place in the base → place now. */
  readonly renames = new Map<string, Slot>()
  /** The inverse: key of the place now → key of the place in the base. */
  readonly renamedFrom = new Map<string, string>()
  readonly #ids = new Map<number, number>([[1, 1]])
  readonly #replaced = new Map<number, number>()
  readonly #removed: Array<Slot & Entry> = []
  readonly #added: Array<Slot & Entry> = []
  readonly #addedDirAt = new Map<number, Slot>()

  constructor(base: TreeState, state: TreeState, replaced: Replaced = () => []) {
    this.base = base
    this.state = state
    diff(base.tree, state.tree, (key, before, after) => this.#note(key, before, after))
    this.#directories()
    this.#places()
    this.#pairRenames()
    this.#pairSaved(replaced)
  }

  #note(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    switch (key[0]) {
      case Tag.dirent: {
        const dir = getIno(key, 1)
        const name = nameOf(key)
        if (before !== undefined) this.#removed.push({ dir, name, ino: getIno(before, 0), type: before[7] })
        if (after !== undefined) this.#added.push({ dir, name, ino: getIno(after, 0), type: after[7] })
        break
      }
      case Tag.attr:
      case Tag.content:
      case Tag.extent:
      case Tag.xattr:
        this.touched.add(getIno(key, 1))
    }
  }

  #directories(): void {
    for (const added of this.#added) if (added.type === DT_DIR) this.#addedDirAt.set(added.ino, { dir: added.dir, name: added.name })
    for (const ino of this.#addedDirAt.keys()) {
      const id = this.id(ino)
      if (id === ino && !this.base.isDirectory(ino)) this.newDirs.push(ino)
    }
    for (const removed of this.#removed) {
      if (removed.type !== DT_DIR) continue
      const now = this.ino(removed.ino)
      if (now === 0) this.deletedDirs.push(removed.ino)
      else {
        const at = this.placeOfDir(removed.ino)
        if (at !== undefined && (at.dir !== removed.dir || at.name !== removed.name)) this.movedDirs.set(removed.ino, at)
      }
    }
  }

  #places(): void {
    for (const { dir, name } of this.#removed) this.#changed({ dir, name })
    for (const { dir, name } of this.#added) this.#changed({ dir: this.id(dir), name })
  }

  #changed(slot: Slot): void {
    const key = slotKey(slot)
    if (this.slots.has(key)) return
    this.slots.set(key, slot)
    const was = this.baseFile(slot)
    if (was === undefined) return
    const places = this.placesOf.get(was.ino)
    if (places === undefined) this.placesOf.set(was.ino, [key])
    else places.push(key)
  }

  #pairRenames(): void {
    const appeared = new Map<number, Slot[]>()
    for (const slot of this.slots.values()) {
      const now = this.entry(slot)
      if (now === undefined || now.type === DT_DIR || this.baseFile(slot) !== undefined || !this.placesOf.has(now.ino)) continue
      const list = appeared.get(now.ino)
      if (list === undefined) appeared.set(now.ino, [slot])
      else list.push(slot)
    }
    for (const [ino, targets] of appeared) this.#pair(this.placesOf.get(ino) ?? [], targets)
  }

  #pair(places: readonly string[], targets: Slot[]): void {
    for (const key of places.filter(place => this.#hasVanished(place)).sort()) {
      const from = this.slots.get(key) as Slot // placesOf names changed places only
      const best = targets.find(to => to.name === from.name) ?? targets.find(to => to.dir === from.dir) ?? targets[0]
      if (best === undefined) return
      targets.splice(targets.indexOf(best), 1)
      this.explain(key, best)
    }
  }

  /** No file is any more where the base had one; `key` is that of a changed place. */
  #hasVanished(key: string): boolean {
    const now = this.entry(this.slots.get(key) as Slot)
    return now === undefined || now.type === DT_DIR
  }

  /**
   * A file that was renamed and then saved by rename has a new inode under the new name: the versions know which one it had there before.
   * In a state that is older than the base it is the other way round.
   */
  #pairSaved(replaced: Replaced): void {
    const vanished = new Map([...this.vanished()].map(([key, slot, was]) => [was.ino, { key, slot }]))
    if (vanished.size === 0) return
    for (const [slot] of this.appeared()) {
      const before = replaced(this.ino(slot.dir), slot.name).findLast(old => vanished.has(old))
      const from = before === undefined ? undefined : vanished.get(before)
      if (before === undefined || from === undefined) continue
      this.explain(from.key, slot)
      vanished.delete(before)
    }
    const appeared = new Map([...this.appeared()].map(([slot, now]) => [now.ino, slot]))
    for (const { key, slot } of vanished.values()) {
      const after = replaced(slot.dir, slot.name).findLast(old => appeared.has(old))
      const to = after === undefined ? undefined : appeared.get(after)
      if (after === undefined || to === undefined) continue
      this.explain(key, to)
      appeared.delete(after)
    }
  }

  /** Places of files of the base where there is none any more, and that no rename explains; in one order whatever came first. */
  *vanished(): Generator<[key: string, slot: Slot, was: Entry]> {
    for (const [key, slot] of [...this.slots].sort(byKey)) {
      const was = this.baseFile(slot)
      if (was !== undefined && !this.renames.has(key) && this.#hasVanished(key)) yield [key, slot, was]
    }
  }

  /** Places of files that the base has nowhere, and that no rename explains. */
  *appeared(): Generator<[slot: Slot, now: Entry]> {
    for (const [key, slot] of [...this.slots].sort(byKey)) {
      const now = this.entry(slot)
      const isNew = now !== undefined && now.type !== DT_DIR && this.baseFile(slot) === undefined && !this.renamedFrom.has(key)
      if (isNew && this.base.links(now.ino) === 0) yield [slot, now]
    }
  }

  /** The file of a vanished place is the one that appeared at `to`. */
  explain(key: string, to: Slot): void {
    this.renames.set(key, to)
    this.renamedFrom.set(slotKey(to), key)
  }

  /** The identity of a directory of this state. */
  id(ino: number): number {
    const known = this.#ids.get(ino)
    if (known !== undefined) return known
    const id = this.#findId(ino)
    this.#ids.set(ino, id)
    if (id !== ino) this.#replaced.set(id, ino)
    return id
  }

  #findId(ino: number): number {
    if (this.base.isDirectory(ino)) return ino
    const at = this.#addedDirAt.get(ino) ?? this.state.slotOf(ino)
    if (at === undefined) return ino
    const was = this.base.entry(this.id(at.dir), at.name)
    return was !== undefined && was.type === DT_DIR && !this.state.isDirectory(was.ino) ? was.ino : ino
  }

  /** The inode of a directory here; 0 when it is gone or never was. */
  ino(id: number): number {
    return this.#replaced.get(id) ?? (this.state.isDirectory(id) ? id : 0)
  }

  /** Where a directory is here. */
  placeOfDir(id: number): Slot | undefined {
    const ino = this.ino(id)
    if (ino === 0) return undefined
    const at = this.#addedDirAt.get(ino) ?? this.state.slotOf(ino)
    return at === undefined ? undefined : { dir: this.id(at.dir), name: at.name }
  }

  entry(slot: Slot): Entry | undefined {
    const dir = this.ino(slot.dir)
    return dir === 0 ? undefined : this.state.entry(dir, slot.name)
  }

  /** The file of the base at a place; undefined when it has none, or a directory. */
  baseFile(slot: Slot): Entry | undefined {
    const was = this.base.entry(slot.dir, slot.name)
    return was === undefined || was.type === DT_DIR ? undefined : was
  }

  /** What became of a file of the base; undefined when it is gone. */
  fate(key: string, slot: Slot): Fate | undefined {
    const now = this.entry(slot)
    if (now !== undefined && now.type !== DT_DIR) return { ino: now.ino, slot, moved: false }
    const to = this.renames.get(key)
    const there = to && this.entry(to)
    return to === undefined || there === undefined ? undefined : { ino: there.ino, slot: to, moved: true }
  }

  /** The path here of a place, one char per byte; undefined when its directory is gone. */
  pathOf(slot: Slot): string | undefined {
    const dir = this.ino(slot.dir)
    return dir === 0 ? undefined : this.state.pathOf({ dir, name: slot.name })
  }
}

function byKey([a]: [string, Slot], [b]: [string, Slot]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
