import { limits } from '../../sys/index.js'
import type { MergeNodeContext, NodeConflict } from './merge-node.js'
import { nodeAt, sameNode } from './records.js'
import type { Side } from './side.js'
import { type Slot, shown, type TreeState } from './state.js'
import type { MergeConflict, MergeLabels, Resolution } from './types.js'
import type { WorkTree } from './work-tree.js'

export interface MergeParts {
  base: TreeState
  ours: Side
  theirs: Side
  work: WorkTree
  node: MergeNodeContext
  /** Which of their changes are taken, by path (one char per byte); default all. */
  include: ((path: string) => boolean) | undefined
  allocIno: () => number
}

/** What the steps of one merge share: the three states, the result, and the conflicts found so far. */
export class MergeContext {
  readonly base: TreeState
  readonly ours: Side
  readonly theirs: Side
  readonly work: WorkTree
  readonly node: MergeNodeContext
  readonly allocIno: () => number
  readonly #include: ((path: string) => boolean) | undefined
  readonly #found: Array<{ conflict: NodeConflict; at: Slot; beside: Slot | undefined }> = []
  readonly #common = new Map<number, number>()

  constructor(parts: MergeParts) {
    this.base = parts.base
    this.ours = parts.ours
    this.theirs = parts.theirs
    this.work = parts.work
    this.node = parts.node
    this.allocIno = parts.allocIno
    this.#include = parts.include
  }

  get resolution(): Resolution | undefined {
    return this.node.resolution
  }

  get labels(): MergeLabels {
    return this.node.labels
  }

  /** The identity of one of their directories in ours: of two that both made in one place it is one. */
  common(id: number): number {
    const known = this.#common.get(id)
    if (known !== undefined) return known
    const common = this.#findCommon(id)
    this.#common.set(id, common)
    return common
  }

  #findCommon(id: number): number {
    if (this.base.isDirectory(id) || this.ours.ino(id) !== 0) return id
    const place = this.theirs.placeOfDir(id)
    if (place === undefined) return id
    const dir = this.ours.ino(this.common(place.dir))
    const there = dir === 0 ? undefined : this.ours.state.entry(dir, place.name)
    if (there === undefined || !this.ours.state.isDirectory(there.ino)) return id
    const other = this.ours.id(there.ino)
    return this.base.isDirectory(other) ? id : other
  }

  /** A place of ours as theirs names it; undefined when they do not have its directory. */
  theirPlace(ours: Slot): Slot | undefined {
    if (this.theirs.ino(ours.dir) !== 0) return ours
    const dir = this.theirs.newDirs.find(id => this.common(id) === ours.dir)
    return dir === undefined ? undefined : { dir, name: ours.name }
  }

  samePlace(ours: Slot, theirs: Slot): boolean {
    return ours.name === theirs.name && ours.dir === this.common(theirs.dir)
  }

  /** Whether a change of theirs is wanted, by any of its paths. */
  includes(slot: Slot, more?: Slot): boolean {
    const include = this.#include
    if (include === undefined) return true
    const paths = [this.base.pathOf(slot), this.theirs.pathOf(slot), more && this.theirs.pathOf(more)]
    return paths.some(path => path !== undefined && include(path))
  }

  /** Whether a file of the base is unchanged on a side, but for times and names. */
  unchanged(side: Side, baseIno: number, ino: number): boolean {
    if (ino === baseIno && !side.touched.has(ino)) return true
    const before = nodeAt(this.base, baseIno)
    const now = nodeAt(side.state, ino)
    return before !== undefined && now !== undefined && sameNode(before, now)
  }

  /** How many names of an inode of the base neither side touched. */
  untouchedNames(ino: number): number {
    const places = this.ours.placesOf.get(ino) ?? []
    const others = this.theirs.placesOf.get(ino) ?? []
    return this.base.links(ino) - new Set([...places, ...others]).size
  }

  /** @param at where it stands in the result; @param beside where their version was put */
  report(conflict: NodeConflict, at: Slot, beside?: Slot): void {
    const { resolution } = this
    this.#found.push({ conflict: resolution === undefined ? conflict : { ...conflict, resolved: resolution }, at, beside })
  }

  /** The conflicts by path, once all is in its place. */
  conflicts(): MergeConflict[] {
    const found = this.#found.map(({ conflict, at, beside }) => {
      const path = this.#pathOf(at)
      return { ...conflict, path, ...(beside === undefined ? {} : { beside: this.#pathOf(beside) }) }
    })
    return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  }

  #pathOf(slot: Slot): string {
    return shown(this.work.pathOf(slot) ?? `/${slot.name}`)
  }

  /** A free name for their version of what stands at a place of the result. */
  besideOf(slot: Slot): Slot {
    for (let n = 1; ; n++) {
      const end = `.theirs-${this.labels.theirs}${n === 1 ? '' : `-${n}`}`
      const name = slot.name.slice(0, limits.nameBytes - end.length) + end
      if (this.work.entry(slot.dir, name) === undefined) return { dir: slot.dir, name }
    }
  }
}
