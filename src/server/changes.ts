import type { ChangeListener } from '../fs/filesystem.js'
import { viewOfIncarnation } from '../fuse/node-id.js'
import type { TreeChanges } from '../volume/tree-changes.js'

/** One thing that the kernel may have cached of a mounted volume and must forget, or all names, or many inodes of the live view. `name` is a byte string (latin1). */
export type KernelChange =
  | { names: 'all' }
  | { inodes: Float64Array }
  | { ino: number; view: number }
  | { parent: number; name: string; ino: number; view?: number }

const FEW = 1000

/** Collects what an operation changed, each thing once. */
export class ChangeLog implements ChangeListener {
  /** Of what the volume replaced when it went to another state: the nodes under which the kernel knew it. */
  readonly #replaced: Array<{ ino: number; view: number }> = []
  readonly #incarnation: (ino: number) => number
  /** Another state is among what was collected since the last `take`. */
  #becameOther = false
  /** Names may have vanished that nobody knows. */
  #allNames = false

  /** @param incarnation of an inode at present; by default there is one only */
  constructor(incarnation: (ino: number) => number = () => 0) {
    this.#incarnation = incarnation
  }

  readonly #inodes = new Set<number>()
  readonly #entries = new Map<string, { parent: number; name: string; ino: number }>()

  inode(ino: number): void {
    this.#inodes.add(ino)
  }

  entry(parent: number, name: string, ino: number): void {
    this.#entries.set(`${parent}/${name}`, { parent, name, ino })
    // Its times and, to whoever lists it, its content.
    this.#inodes.add(parent)
  }

  /** All that going to another state changed. */
  became(changes: TreeChanges): void {
    this.#becameOther = true
    this.#allNames ||= changes.isAll
    for (const { parent, name, ino } of changes.entries) this.entry(parent, name, ino)
    for (const ino of changes.inodes) this.inode(ino)
    for (const ino of changes.stale) this.inode(ino)
    for (const [ino, incarnation] of changes.replaced) this.#replaced.push({ ino, view: viewOfIncarnation(incarnation) })
  }

  /** True once after `became`: whoever tells the kernel says so afterwards. */
  tookOther(): boolean {
    const took = this.#becameOther
    this.#becameOther = false
    return took
  }

  get isEmpty(): boolean {
    return this.#inodes.size === 0 && this.#entries.size === 0 && !this.#becameOther
  }

  /** What was collected since the last call. */
  take(): KernelChange[] {
    const present = this.#inodes.size > FEW ? this.#manyInodes() : [...this.#inodes].map(ino => this.#nodeOf(ino))
    const names: KernelChange[] = this.#allNames ? [{ names: 'all' }] : []
    const changes: KernelChange[] = [...names, ...this.#entries.values(), ...this.#replaced, ...present]
    this.clear()
    return changes
  }

  #nodeOf(ino: number): { ino: number; view: number } {
    return { ino, view: viewOfIncarnation(this.#incarnation(ino)) }
  }

  /** Between threads an array of numbers costs next to nothing. */
  #manyInodes(): KernelChange[] {
    const live = [...this.#inodes].filter(ino => this.#incarnation(ino) === 0)
    const others = [...this.#inodes].filter(ino => this.#incarnation(ino) !== 0)
    return [{ inodes: Float64Array.from(live) }, ...others.map(ino => this.#nodeOf(ino))]
  }

  clear(): void {
    this.#inodes.clear()
    this.#entries.clear()
    this.#replaced.length = 0
    this.#allNames = false
  }

  /** Adds all of another log to this one. */
  addAll(other: ChangeLog): void {
    for (const ino of other.#inodes) this.#inodes.add(ino)
    for (const [key, entry] of other.#entries) this.#entries.set(key, entry)
    this.#replaced.push(...other.#replaced)
  }
}
