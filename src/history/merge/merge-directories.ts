import { DT_DIR } from '../../fs/index.js'
import type { MergeContext } from './context.js'
import { mergeNode } from './merge-node.js'
import { type Node, nodeAt } from './records.js'
import type { Slot } from './state.js'

const MAX_DEPTH = 4096

/**
 * The directories of a merge: which move, which go, which are made. In steps, between which the files take their turn:
 * `plan`, `detach` what moves, `removeDeleted`, then `place` and `ensure`, `mergeAttributes`.
 */
export class DirectoryMerge {
  readonly #m: MergeContext
  /** Directories that take their place of theirs. */
  readonly #moves = new Map<number, Slot>()
  readonly #attached = new Set<number>()
  readonly #removed = new Set<number>()
  /** Inodes in the result of directories that were looked for; 0: not wanted. */
  readonly #placed = new Map<number, number>()
  /** Deleted by one side and moved by the other: all that is in them stays, or comes back. */
  readonly #wholeOurs = new Set<number>()
  readonly #wholeTheirs = new Set<number>()
  readonly #made: Array<{ ours: number; theirs: number }> = []
  readonly #reportedRevived = new Set<number>()

  constructor(m: MergeContext) {
    this.#m = m
  }

  plan(): void {
    const { ours, theirs } = this.#m
    for (const [id, place] of theirs.movedDirs) if (this.#included(id, place)) this.#planMove(id, place)
    for (const [id, place] of ours.movedDirs) if (theirs.ino(id) === 0 && this.#included(id)) this.#deletedThere(id, place)
    this.#breakCycles()
  }

  #included(id: number, place?: Slot): boolean {
    const was = this.#m.base.slotOf(id)
    return was === undefined || this.#m.includes(was, place)
  }

  #planMove(id: number, place: Slot): void {
    const m = this.#m
    if (m.ours.ino(id) === 0) {
      if (m.resolution === 'ours') {
        this.#placed.set(id, 0)
        return
      }
      this.#wholeTheirs.add(id)
      return
    }
    const own = m.ours.movedDirs.get(id)
    if (own === undefined) this.#moves.set(id, place)
    else if (!m.samePlace(own, place)) {
      this.#reportTwoPlaces(id, own, place)
      if (m.resolution === 'theirs') this.#moves.set(id, place)
    }
  }

  #reportTwoPlaces(id: number, own: Slot, place: Slot): void {
    const { ours, theirs } = this.#m
    this.#report(id, {
      kind: 'rename/rename',
      ours: { state: 'renamed', path: shownPath(ours.pathOf(own)) },
      theirs: { state: 'renamed', path: shownPath(theirs.pathOf(place)) },
    })
  }

  #deletedThere(id: number, place: Slot): void {
    const { ours, resolution } = this.#m
    this.#report(id, { kind: 'rename/delete', ours: { state: 'renamed', path: shownPath(ours.pathOf(place)) }, theirs: { state: 'deleted' } })
    if (resolution !== 'theirs') this.#wholeOurs.add(id)
  }

  #report(id: number, conflict: Parameters<MergeContext['report']>[0]): void {
    const ino = this.#m.ours.ino(id)
    const at = this.#m.ours.state.slotOf(ino)
    // The place is looked up again at the end, when all have theirs.
    if (at !== undefined) this.#m.report(conflict, at)
  }

  /** Directories that would lie in each other: there our move stands. */
  #breakCycles(): void {
    for (;;) {
      const cycle = this.#findCycle()
      if (cycle === undefined) return
      this.#breakCycle(cycle)
    }
  }

  #findCycle(): number[] | undefined {
    for (const start of this.#moves.keys()) {
      const path: number[] = []
      for (let id: number | undefined = start; id !== undefined && id !== 1 && path.length < MAX_DEPTH; id = this.#finalParent(id)) {
        const at = path.indexOf(id)
        if (at >= 0) return path.slice(at)
        path.push(id)
      }
    }
    return undefined
  }

  #finalParent(id: number): number | undefined {
    const m = this.#m
    const move = this.#moves.get(id)
    if (move !== undefined) return m.common(move.dir)
    if (m.ours.ino(id) !== 0) return m.ours.placeOfDir(id)?.dir
    const place = m.theirs.placeOfDir(id)
    return place === undefined ? undefined : m.common(place.dir)
  }

  #breakCycle(cycle: number[]): void {
    const m = this.#m
    const theirs = cycle.find(id => this.#moves.has(id) && !m.ours.movedDirs.has(id)) ?? cycle.find(id => this.#moves.has(id))
    const ours = cycle.find(id => m.ours.movedDirs.has(id) && !this.#moves.has(id))
    if (theirs === undefined) return
    const [own, place] = [ours === undefined ? undefined : m.ours.movedDirs.get(ours), this.#moves.get(theirs)]
    this.#report(theirs, {
      kind: 'rename/rename',
      ours: { state: 'renamed', ...(own === undefined ? {} : { path: shownPath(m.ours.pathOf(own)) }) },
      theirs: { state: 'renamed', ...(place === undefined ? {} : { path: shownPath(m.theirs.pathOf(place)) }) },
    })
    const back = m.resolution === 'theirs' && ours !== undefined ? m.theirs.placeOfDir(ours) : undefined
    if (ours !== undefined && back !== undefined) this.#moves.set(ours, back)
    else this.#moves.delete(theirs)
  }

  detach(): void {
    const { ours, work } = this.#m
    for (const id of this.#moves.keys()) {
      const at = ours.state.slotOf(ours.ino(id))
      if (at !== undefined) work.delEntry(at)
    }
  }

  /** Whether a place lies in a directory that our side moved and theirs deleted: their deletions there do not count. */
  keepsOurs(dir: number): boolean {
    return this.#wholeOurs.size > 0 && this.#isUnder(dir, this.#wholeOurs)
  }

  /** The same the other way round: what we deleted there comes back. */
  keepsTheirs(dir: number): boolean {
    return this.#wholeTheirs.size > 0 && this.#isUnder(dir, this.#wholeTheirs)
  }

  #isUnder(dir: number, roots: ReadonlySet<number>): boolean {
    for (let depth = 0; depth < MAX_DEPTH && dir !== 1; depth++) {
      if (roots.has(dir)) return true
      const up = this.#m.base.slotOf(dir)
      if (up === undefined) return false
      dir = up.dir
    }
    return false
  }

  /** Takes away what they deleted and nothing of ours is left in. */
  removeDeleted(): void {
    const m = this.#m
    const depths = new Map(m.theirs.deletedDirs.map(id => [id, m.base.depthOf(id)]))
    const added = this.#additions()
    for (const id of [...depths.keys()].sort((a, b) => (depths.get(b) ?? 0) - (depths.get(a) ?? 0))) {
      const ino = m.ours.ino(id)
      if (ino === 0 || this.keepsOurs(id) || !this.#included(id)) continue
      const own = added.get(id) ?? []
      if (own.length > 0) {
        this.#report(id, { kind: 'delete/modify', ours: { state: 'modified' }, theirs: { state: 'deleted' } })
        if (m.resolution === 'theirs') for (const slot of own) this.#dropAdded(slot)
      }
      const at = m.ours.state.slotOf(ino)
      if (at === undefined || !m.work.isEmpty(ino)) continue
      m.work.removeDirectory(at, ino)
      this.#removed.add(id)
    }
  }

  /** What our side put into directories that they deleted, by directory. */
  #additions(): Map<number, Slot[]> {
    const { base, ours, theirs } = this.#m
    const found = new Map<number, Slot[]>()
    const deleted = new Set(theirs.deletedDirs)
    for (const slot of ours.slots.values()) {
      if (!deleted.has(slot.dir) || ours.entry(slot) === undefined || base.entry(slot.dir, slot.name) !== undefined) continue
      const list = found.get(slot.dir)
      if (list === undefined) found.set(slot.dir, [slot])
      else list.push(slot)
    }
    return found
  }

  /** A new file of ours; what was moved there from elsewhere stays. */
  #dropAdded(slot: Slot): void {
    const { ours, work } = this.#m
    const now = ours.entry(slot)
    const at = { dir: ours.ino(slot.dir), name: slot.name }
    if (now === undefined || now.type === DT_DIR || this.#m.base.links(now.ino) > 0) return
    if (work.entry(at.dir, at.name)?.ino === now.ino) work.delEntry(at)
  }

  /** Puts moved and new directories where they belong. */
  place(): void {
    const { theirs, ours } = this.#m
    for (const id of this.#moves.keys()) this.ensure(id)
    for (const id of this.#wholeTheirs) this.ensure(id)
    for (const id of ours.deletedDirs) if (theirs.ino(id) !== 0 && this.keepsTheirs(id)) this.ensure(id)
    for (const id of theirs.newDirs) {
      const place = theirs.placeOfDir(id)
      if (place !== undefined && this.#m.includes(place) && this.ensure(id) !== 0) this.reviving(place.dir)
    }
  }

  /** The inode in the result of a directory that something of theirs belongs into, made or brought back when needed; 0 when it is not wanted. */
  ensure(theirId: number): number {
    const id = this.#m.common(theirId)
    const known = this.#placed.get(id)
    if (known !== undefined) return known
    // Marked first: directories in each other would never end.
    this.#placed.set(id, 0)
    const ino = this.#ensure(id)
    this.#placed.set(id, ino)
    return ino
  }

  #ensure(id: number): number {
    const m = this.#m
    if (this.#moves.has(id) && !this.#attached.has(id)) return this.#attach(id)
    const own = m.ours.ino(id)
    if (own !== 0 && !this.#removed.has(id)) return own
    const node = nodeAt(m.theirs.state, m.theirs.ino(id))
    const place = m.theirs.placeOfDir(id)
    if (node === undefined || place === undefined) return 0
    const isBack = m.base.isDirectory(id)
    if (isBack && m.resolution === 'ours') return 0
    const dir = this.ensure(place.dir)
    return dir === 0 ? 0 : this.#make(id, node, { dir, name: place.name }, isBack)
  }

  #make(id: number, node: Node, wanted: Slot, isBack: boolean): number {
    const m = this.#m
    const isWhole = this.#wholeTheirs.has(id)
    const there = m.work.entry(wanted.dir, wanted.name)
    if (there !== undefined && there.type === DT_DIR && !isBack) {
      this.#made.push({ ours: there.ino, theirs: node.ino })
      return there.ino
    }
    const goesBeside = isWhole && m.resolution !== 'theirs'
    const free = goesBeside ? m.besideOf(wanted) : this.#free(wanted, isWhole)
    if (free === undefined) return 0
    if (isWhole)
      m.report(
        { kind: 'rename/delete', ours: { state: 'deleted' }, theirs: { state: 'renamed', path: shownPath(m.theirs.pathOf(this.#theirPlace(id))) } },
        goesBeside ? wanted : free,
        goesBeside ? free : undefined,
      )
    m.work.makeDirectory(free, node)
    return node.ino
  }

  #theirPlace(id: number): Slot {
    return this.#m.theirs.placeOfDir(id) ?? { dir: 1, name: '' }
  }

  #attach(id: number): number {
    const m = this.#m
    this.#attached.add(id)
    const move = this.#moves.get(id) as Slot // the caller has looked
    const ino = m.ours.ino(id)
    const dir = this.ensure(move.dir)
    const own = m.ours.state.slotOf(ino)
    const wanted = dir === 0 ? own : { dir, name: move.name }
    const free = wanted && (this.#free(wanted, true) ?? own)
    if (free !== undefined) m.work.putEntry(m.work.entry(free.dir, free.name) === undefined ? free : m.besideOf(free), ino, DT_DIR)
    return ino
  }

  /** The place for a directory of theirs when it is free, else one beside; undefined when ours is to win. */
  #free(wanted: Slot, isMove: boolean): Slot | undefined {
    const m = this.#m
    const there = m.work.entry(wanted.dir, wanted.name)
    if (there === undefined) return wanted
    const isFile = there.type !== DT_DIR
    const theirs = { state: isMove ? ('renamed' as const) : ('added' as const) }
    const conflict = { kind: isFile ? ('directory/file' as const) : ('rename/rename' as const), ours: { state: 'added' as const }, theirs }
    if (m.resolution === 'ours') {
      m.report(conflict, wanted)
      return undefined
    }
    if (m.resolution === 'theirs' && isFile) {
      m.work.delEntry(wanted)
      m.report(conflict, wanted)
      return wanted
    }
    const beside = m.besideOf(wanted)
    m.report(conflict, wanted, beside)
    return beside
  }

  /** Something new of theirs came into a directory: when ours had deleted that, it is a conflict, told once. */
  reviving(theirId: number): void {
    const m = this.#m
    const id = m.common(theirId)
    if (m.ours.ino(id) !== 0 || !m.base.isDirectory(id) || this.#reportedRevived.has(id) || this.keepsTheirs(id)) return
    this.#reportedRevived.add(id)
    const at = m.work.slotOf(this.#placed.get(id) ?? 0)
    if (at !== undefined) m.report({ kind: 'delete/modify', ours: { state: 'deleted' }, theirs: { state: 'modified' } }, at)
  }

  /** Mode, owner, times and extended attributes of directories that both have. */
  mergeAttributes(): void {
    const m = this.#m
    for (const ino of m.theirs.touched) {
      const theirs = nodeAt(m.theirs.state, ino)
      if (theirs === undefined || theirs.attr.mode >>> 12 !== DT_DIR) continue
      const id = m.common(m.theirs.id(ino))
      const own = m.ours.ino(id)
      const place = m.theirs.placeOfDir(id)
      if (own === 0 || this.#removed.has(id) || !(place === undefined || m.includes(place))) continue
      this.#merge(nodeAt(m.base, id), own, theirs)
    }
    for (const { ours, theirs } of this.#made) {
      const node = nodeAt(m.theirs.state, theirs)
      if (node !== undefined) this.#merge(undefined, ours, node)
    }
  }

  #merge(base: Node | undefined, ino: number, theirs: Node): void {
    const m = this.#m
    const ours = nodeAt(m.ours.state, ino)
    if (ours === undefined || m.work.links(ino) === 0) return
    const { conflicts } = mergeNode(m.node, { base, ours, theirs }, ino)
    const at = m.work.slotOf(ino) ?? { dir: 1, name: '' }
    for (const conflict of conflicts) m.report(conflict, at)
  }
}

function shownPath(path: string | undefined): string {
  return Buffer.from(path ?? '', 'latin1').toString('utf8')
}
