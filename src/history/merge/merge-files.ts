import { DT_DIR, typeOf } from '../../fs/index.js'
import type { MergeContext } from './context.js'
import type { DirectoryMerge } from './merge-directories.js'
import { mergeNode, type NodeConflict, type NodeResult } from './merge-node.js'
import { type Node, nodeAt, sameNode } from './records.js'
import { type Fate, type Side, slotKey } from './side.js'
import type { Entry, Slot } from './state.js'
import type { MergeConflict, SideState } from './types.js'

/** A name of a file in the result, and the versions that it is made of: inodes in base, ours, theirs; 0 where there is none. */
interface Item {
  base: number
  ours: number
  theirs: number
  /** Where ours has it, in the result's inodes; undefined when ours has none. */
  own: Slot | undefined
  /** Where theirs puts it, by identity; undefined: it stays where ours has it. */
  wanted: Slot | undefined
  /** Its place in the result, once it is known; undefined: it has none. */
  at: Slot | undefined
  /** Their version of a file that ours deleted: goes beside, and this is said of it. */
  conflict: NodeConflict | undefined
  /** Renamed by theirs, not new. */
  isRename: boolean
  /** A second copy, that no other name of the file follows. */
  isCopy: boolean
}

const nothing: Item = {
  base: 0,
  ours: 0,
  theirs: 0,
  own: undefined,
  wanted: undefined,
  at: undefined,
  conflict: undefined,
  isRename: false,
  isCopy: false,
}

/**
 * The files of a merge. Names first (`collect`, `place`): which of theirs go, move, come; then inodes (`settle`): which number a file
 * has in the result and which versions make its content.
 */
export class FileMerge {
  readonly #m: MergeContext
  readonly #dirs: DirectoryMerge
  readonly #items: Item[] = []
  /** Items that stay where ours has them, by place. */
  readonly #staying = new Map<string, Item>()
  /** Places of theirs that are explained by a rename of ours. */
  readonly #followed = new Set<string>()
  /** Which versions a number of the result stands for. */
  readonly #meaning = new Map<number, string>()
  readonly #numbers = new Map<string, number>()
  /** mode >> 12 of the files that were written. */
  readonly #types = new Map<number, number>()
  /** Names of an inode of ours that stay where they are and are settled here. */
  readonly #ownLinks = new Map<number, number>()

  constructor(m: MergeContext, dirs: DirectoryMerge) {
    this.#m = m
    this.#dirs = dirs
  }

  /** What became of each file of the base that theirs changed; takes away the names that go or move. */
  collect(): void {
    for (const [key, slot] of this.#basePlaces()) {
      const was = this.#m.theirs.baseFile(slot)
      if (was !== undefined) this.#collect(slot, was, ...this.#fates(key, slot))
    }
    for (const [key, slot] of this.#m.theirs.slots) {
      const now = this.#m.theirs.entry(slot)
      if (now === undefined || now.type === DT_DIR || this.#m.theirs.baseFile(slot) !== undefined) continue
      if (!this.#m.theirs.renamedFrom.has(key) && !this.#followed.has(key) && this.#m.includes(slot)) this.#add({ theirs: now.ino, wanted: slot })
    }
  }

  /**
   * What became of a file on both sides. Where one side renamed it and the other has a new file at that very place in exchange for
   * the old one, that is the same rename, saved by rename afterwards.
   */
  #fates(key: string, slot: Slot): [Fate | undefined, Fate | undefined] {
    const m = this.#m
    const ours = m.ours.fate(key, slot)
    const theirs = m.theirs.fate(key, slot)
    if (ours?.moved === true && theirs === undefined) {
      const there = m.theirPlace(ours.slot)
      const now = there && newFileAt(m.theirs, there)
      if (there === undefined || now === undefined) return [ours, theirs]
      this.#followed.add(slotKey(there))
      return [ours, { ino: now.ino, slot: there, moved: true }]
    }
    if (theirs?.moved === true && ours === undefined) {
      const there = { dir: m.common(theirs.slot.dir), name: theirs.slot.name }
      const now = newFileAt(m.ours, there)
      return [now && { ino: now.ino, slot: there, moved: true }, theirs]
    }
    return [ours, theirs]
  }

  #add(item: Partial<Item>): Item {
    const whole = { ...nothing, ...item }
    this.#items.push(whole)
    return whole
  }

  /** Places of files of the base that theirs may have changed: by name, by inode, or by what comes back. */
  #basePlaces(): Map<string, Slot> {
    const { ours, theirs } = this.#m
    const places = new Map<string, Slot>()
    const note = (key: string, slot: Slot): void => {
      if (this.#m.includes(slot, theirs.renames.get(key))) places.set(key, slot)
    }
    for (const [key, slot] of theirs.slots) note(key, slot)
    for (const ino of theirs.touched) for (const key of ours.placesOf.get(ino) ?? []) note(key, ours.slots.get(key) as Slot) // placesOf names places in slots
    for (const [key, slot] of ours.slots) if (this.#dirs.keepsTheirs(slot.dir)) note(key, slot)
    return places
  }

  #collect(slot: Slot, was: Entry, ours: Fate | undefined, theirs: Fate | undefined): void {
    if (ours !== undefined && theirs !== undefined) this.#both(was, ours, theirs)
    else if (ours !== undefined) this.#deletedByTheirs(slot, was, ours)
    else if (theirs !== undefined) this.#deletedByOurs(slot, was, theirs)
  }

  #raw(slot: Slot): Slot {
    return { dir: this.#m.ours.ino(slot.dir), name: slot.name }
  }

  #deletedByTheirs(slot: Slot, was: Entry, ours: Fate): void {
    const m = this.#m
    if (this.#dirs.keepsOurs(slot.dir)) return
    const at = this.#raw(ours.slot)
    const same = m.unchanged(m.ours, was.ino, ours.ino)
    if (same && !ours.moved) {
      m.work.delEntry(at)
      return
    }
    // A directory that they put in its place tells of both.
    const isReplaced = !ours.moved && m.theirs.entry(slot) !== undefined
    if (!isReplaced || m.resolution === 'theirs') m.report(this.#against(same, moved(m.ours.pathOf(ours.slot), ours.moved), { state: 'deleted' }), at)
    if (m.resolution === 'theirs') m.work.delEntry(at)
  }

  #against(same: boolean, ours: MergeConflict['ours'], theirs: MergeConflict['theirs']): NodeConflict {
    return { kind: same ? 'rename/delete' : 'delete/modify', ours, theirs }
  }

  #deletedByOurs(slot: Slot, was: Entry, theirs: Fate): void {
    const m = this.#m
    if (this.#dirs.keepsTheirs(slot.dir)) {
      this.#add({ theirs: theirs.ino, wanted: theirs.slot, isRename: true })
      return
    }
    const same = m.unchanged(m.theirs, was.ino, theirs.ino)
    if ((same && !theirs.moved) || m.resolution === 'ours') {
      if (!same || theirs.moved) this.#reportLost(slot, same, theirs)
      return
    }
    const isReplaced = !theirs.moved && m.ours.entry(slot) !== undefined
    const conflict = isReplaced ? undefined : this.#against(same, { state: 'deleted' }, moved(m.theirs.pathOf(theirs.slot), theirs.moved))
    this.#add({ theirs: theirs.ino, wanted: theirs.slot, conflict })
  }

  /** Their change of a file that ours deleted is not taken. */
  #reportLost(slot: Slot, same: boolean, theirs: Fate): void {
    const m = this.#m
    const dir = m.ours.ino(slot.dir)
    m.report(
      this.#against(same, { state: 'deleted' }, moved(m.theirs.pathOf(theirs.slot), theirs.moved)),
      dir === 0 ? { dir: 1, name: slot.name } : this.#raw(slot),
    )
  }

  #both(was: Entry, ours: Fate, theirs: Fate): void {
    const m = this.#m
    const own = this.#raw(ours.slot)
    const item = this.#add({ base: was.ino, ours: ours.ino, theirs: theirs.ino, own, isRename: theirs.moved })
    const disagree = ours.moved && theirs.moved && !m.samePlace(ours.slot, theirs.slot)
    if (disagree) {
      const [a, b] = [moved(m.ours.pathOf(ours.slot), true), moved(m.theirs.pathOf(theirs.slot), true)]
      m.report({ kind: 'rename/rename', ours: a, theirs: b }, own)
      if (m.resolution === 'keep-both') this.#add({ theirs: theirs.ino, wanted: theirs.slot, isRename: true, isCopy: true })
    }
    if (theirs.moved && (!ours.moved || (disagree && m.resolution === 'theirs'))) {
      item.wanted = theirs.slot
      m.work.delEntry(own)
    } else this.#stay(item, own)
  }

  #stay(item: Item, own: Slot): void {
    item.at = own
    this.#staying.set(slotKey(own), item)
  }

  /** Gives moved and new files their places. */
  place(): void {
    for (const item of this.#items) if (item.at === undefined && item.wanted !== undefined) this.#place(item, item.wanted)
  }

  #place(item: Item, slot: Slot): void {
    const m = this.#m
    const dir = this.#dirs.ensure(slot.dir)
    if (dir === 0) {
      item.at = item.own
      return
    }
    const wanted = { dir, name: slot.name }
    if (item.conflict !== undefined) this.#placeBeside(item, wanted, item.conflict)
    else {
      if (item.ours === 0 && !item.isRename) this.#dirs.reviving(slot.dir)
      const there = m.work.entry(dir, slot.name)
      if (there === undefined) item.at = wanted
      else this.#collide(item, wanted, there)
    }
    // The name is taken from now on; which number it leads to is settled later.
    if (item.at !== undefined && m.work.entry(item.at.dir, item.at.name) === undefined) this.#reserve(item, item.at)
  }

  #reserve(item: Item, at: Slot): void {
    this.#m.work.reserve(at)
    this.#staying.set(slotKey(at), item)
  }

  /** Their version of what ours deleted. */
  #placeBeside(item: Item, wanted: Slot, conflict: NodeConflict): void {
    const m = this.#m
    const isFree = m.work.entry(wanted.dir, wanted.name) === undefined
    item.at = m.resolution === 'theirs' && isFree ? wanted : m.besideOf(wanted)
    m.report(conflict, wanted, item.at === wanted ? undefined : item.at)
  }

  /** Something else of ours stands at the place. */
  #collide(item: Item, wanted: Slot, there: Entry): void {
    const m = this.#m
    const other = this.#staying.get(slotKey(wanted))
    const isDirectory = there.type === DT_DIR
    const isPlain = !isDirectory && other === undefined
    const wasRenamed = isPlain && this.#isRenamedThere(wanted)
    if (isPlain && !item.isRename && !wasRenamed) {
      // Both made a file of this name: it is one file.
      item.ours = there.ino
      item.own = wanted
      this.#stay(item, wanted)
      return
    }
    const [one, two] = [nodeAt(m.ours.state, other?.ours ?? there.ino), nodeAt(m.theirs.state, item.theirs)]
    if (!isDirectory && one !== undefined && two !== undefined && sameNode(one, two)) return
    const ours: SideState = wasRenamed || other !== undefined ? 'renamed' : 'added'
    const kind = isDirectory ? 'directory/file' : item.isRename && ours === 'renamed' ? 'rename/rename' : 'add/add'
    const conflict: NodeConflict = { kind, ours: { state: ours }, theirs: { state: item.isRename ? 'renamed' : item.base === 0 ? 'added' : 'modified' } }
    if (m.resolution === 'ours') {
      item.at = item.own
      m.report(conflict, wanted)
    } else if (m.resolution === 'theirs' && isPlain && !wasRenamed) {
      m.work.delEntry(wanted)
      item.at = wanted
      m.report(conflict, wanted)
    } else {
      item.at = m.besideOf(wanted)
      m.report(conflict, wanted, item.at)
    }
  }

  #isRenamedThere(at: Slot): boolean {
    const { ours } = this.#m
    return ours.renamedFrom.has(slotKey({ dir: ours.id(at.dir), name: at.name }))
  }

  /** Numbers and content of all files concerned. */
  settle(): void {
    const placed = this.#items.filter(item => item.at !== undefined)
    this.#shareLinks(placed)
    const inPlace = this.#inPlace()
    for (const item of inPlace) this.#meaning.set(item.ours, meaningOf(item))
    for (const { own, at, ours } of placed) if (own !== undefined && at === own) this.#ownLinks.set(ours, (this.#ownLinks.get(ours) ?? 0) + 1)
    // All numbers first: what else a number stands for is told by names that are still as ours has them.
    const numbers = placed.map(item => this.#numberFor(item))
    for (const item of inPlace) this.#merge(item, item.ours)
    placed.forEach((item, i) => {
      const type = this.#merge(item, numbers[i])
      this.#m.work.putEntry(item.at as Slot, numbers[i], type) // filtered above
    })
  }

  /** Another name that theirs made for a file follows what becomes of that file. */
  #shareLinks(placed: Item[]): void {
    for (const item of placed) if (this.#isLinkedElsewhere(item)) item.base = item.ours = 0
    const known = new Map<number, Item>()
    for (const item of placed) if (item.ours !== 0 && item.base !== 0 && !known.has(item.theirs)) known.set(item.theirs, item)
    for (const item of placed) if (item.ours !== 0 && !known.has(item.theirs)) known.set(item.theirs, item)
    for (const item of placed) {
      if (item.ours !== 0 || item.conflict !== undefined || item.isCopy) continue
      const like = known.get(item.theirs)
      if (like !== undefined) {
        item.base = like.base
        item.ours = like.ours
      } else if (this.#m.base.links(item.theirs) > 0 && this.#m.ours.state.links(item.theirs) > 0 && this.#m.untouchedNames(item.theirs) > 0)
        item.base = item.ours = item.theirs
    }
  }

  /** Theirs put a file with several names in the place of one that ours left as it was: it is that file, with none of this one's past. */
  #isLinkedElsewhere({ base, ours, theirs }: Item): boolean {
    const m = this.#m
    return base !== 0 && theirs !== base && m.theirs.state.links(theirs) > 1 && m.unchanged(m.ours, base, ours)
  }

  /** Files that theirs changed in place and whose name no side touched. */
  #inPlace(): Item[] {
    const { base, ours, theirs } = this.#m
    const found: Item[] = []
    for (const ino of theirs.touched) {
      const node = nodeAt(theirs.state, ino)
      if (node === undefined || node.attr.mode >>> 12 === DT_DIR || base.links(ino) === 0 || ours.state.links(ino) === 0) continue
      if (this.#m.untouchedNames(ino) <= 0) continue
      const place = theirs.state.slotOf(ino)
      if (place !== undefined && !this.#m.includes({ dir: theirs.id(place.dir), name: place.name })) continue
      found.push({ ...nothing, base: ino, ours: ino, theirs: ino, at: this.#placeInPlace(ino, place) })
    }
    return found
  }

  #placeInPlace(ino: number, theirs: Slot | undefined): Slot {
    const m = this.#m
    const own = m.work.slotOf(ino)
    if (own !== undefined) return own
    const dir = theirs === undefined ? 0 : m.ours.ino(m.common(m.theirs.id(theirs.dir)))
    return theirs === undefined || dir === 0 ? { dir: 1, name: `inode-${ino}` } : { dir, name: theirs.name }
  }

  /** The inode number of a file: ours where there is one, unless that still stands for something else. */
  #numberFor(item: Item): number {
    const m = this.#m
    const meaning = meaningOf(item)
    const isSplit = item.base !== 0 && item.ours === item.base && item.theirs !== item.base && m.theirs.state.links(item.base) > 0
    const wanted = item.ours === 0 || isSplit ? item.theirs : item.ours
    const key = `${wanted}:${meaning}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#isFree(wanted, item, meaning) ? wanted : this.#otherNumber(item)
    this.#meaning.set(number, meaning)
    this.#numbers.set(key, number)
    return number
  }

  #isFree(wanted: number, item: Item, meaning: string): boolean {
    const m = this.#m
    const taken = this.#meaning.get(wanted)
    if (taken !== undefined) return taken === meaning
    const others = m.work.linksNow(wanted) - (this.#ownLinks.get(wanted) ?? 0)
    if (others <= 0) return true
    // Names that only ours made for this file go with it; not when it becomes another kind of file.
    return item.ours === wanted && item.base === wanted && this.#sameType(item)
  }

  #sameType({ ours, theirs }: Item): boolean {
    const [a, b] = [nodeAt(this.#m.ours.state, ours), nodeAt(this.#m.theirs.state, theirs)]
    return a !== undefined && b !== undefined && typeOf(a.attr.mode) === typeOf(b.attr.mode)
  }

  #otherNumber({ theirs }: Item): number {
    const isUsed = this.#meaning.has(theirs) || this.#m.work.linksNow(theirs) > 0
    return isUsed ? this.#m.allocIno() : theirs
  }

  /** Writes the file under its number, once; what kind of file it is. */
  #merge(item: Item, number: number): number {
    const known = this.#types.get(number)
    if (known !== undefined) return known
    const m = this.#m
    const theirs = nodeAt(m.theirs.state, item.theirs)
    const ours = nodeAt(m.ours.state, item.ours)
    let result: NodeResult = { conflicts: [], beside: false }
    if (ours !== undefined && theirs !== undefined) result = mergeNode(m.node, { base: nodeAt(m.base, item.base), ours, theirs }, number)
    else if (theirs !== undefined) m.work.copyFrom(theirs, number)
    const type = m.work.typeOf(number)
    this.#types.set(number, type)
    if (theirs !== undefined) this.#tell(item, result, theirs)
    return type
  }

  #tell(item: Item, { conflicts, beside }: NodeResult, theirs: Node): void {
    if (item.at === undefined) return
    const place = beside ? this.#m.besideOf(item.at) : undefined
    for (const conflict of conflicts) this.#m.report(conflict, item.at, isOfContent(conflict) ? place : undefined)
    if (place === undefined) return
    const number = this.#otherNumber(item)
    this.#meaning.set(number, `0,0,${item.theirs}`)
    this.#m.work.copyFrom(theirs, number)
    this.#m.work.putEntry(place, number, typeOf(theirs.attr.mode))
  }
}

/** A file at a place that the base does not have, and that no rename explains. */
function newFileAt(side: Side, slot: Slot): Entry | undefined {
  const now = side.entry(slot)
  const isNew = now !== undefined && now.type !== DT_DIR && side.baseFile(slot) === undefined && !side.renamedFrom.has(slotKey(slot))
  return isNew ? now : undefined
}

function meaningOf({ base, ours, theirs }: Item): string {
  return `${base},${ours},${theirs}`
}

function moved(path: string | undefined, isMoved: boolean): { state: SideState; path?: string } {
  if (!isMoved) return { state: 'modified' }
  return { state: 'renamed', ...(path === undefined ? {} : { path: Buffer.from(path, 'latin1').toString('utf8') }) }
}

function isOfContent({ kind }: NodeConflict): boolean {
  return kind === 'text' || kind === 'binary' || kind === 'add/add' || kind === 'type'
}
