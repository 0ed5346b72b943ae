import type { ChangeListener } from '../fs/filesystem.js'

/** One thing that the kernel may have cached of a mounted volume and must forget. `name` is a byte string (latin1). */
export type KernelChange = { ino: number } | { parent: number; name: string; ino: number }

/** Collects what an operation changed, each thing once. */
export class ChangeLog implements ChangeListener {
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

  get isEmpty(): boolean {
    return this.#inodes.size === 0 && this.#entries.size === 0
  }

  /** What was collected since the last call. */
  take(): KernelChange[] {
    const changes: KernelChange[] = [...this.#entries.values(), ...[...this.#inodes].map(ino => ({ ino }))]
    this.clear()
    return changes
  }

  clear(): void {
    this.#inodes.clear()
    this.#entries.clear()
  }

  /** Adds all of another log to this one. */
  addAll(other: ChangeLog): void {
    for (const ino of other.#inodes) this.#inodes.add(ino)
    for (const [key, entry] of other.#entries) this.#entries.set(key, entry)
  }
}
