import { mkdirSync, readdirSync, realpathSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { listFuseMounts } from '../fuse/index.js'
import { limits, makeFolders } from '../sys/index.js'

/** The folders that views are mounted on: each of its own, in one that nobody else may enter. */
export class ViewFolders {
  readonly #home: string
  #isMade = false
  /** Empty, and nothing is mounted there. */
  readonly #free: string[] = []

  constructor(home: string) {
    this.#home = home
  }

  /** One that was used before, else as `make`. */
  take(id: number): string {
    return this.#free.pop() ?? this.make(id)
  }

  /** Keeps one for the next that is taken. */
  give(path: string): void {
    if (this.#free.length < limits.spareViewFolders) this.#free.push(path)
    else this.remove(path)
  }

  /** Removes those that are kept. */
  end(): void {
    for (const path of this.#free.splice(0)) this.remove(path)
  }

  /** @returns its path, as the kernel's table will have it */
  make(id: number): string {
    if (!this.#isMade) makeFolders(this.#home)
    this.#isMade = true
    const path = join(realpathSync(this.#home), String(id))
    mkdirSync(path, { mode: 0o700 })
    return path
  }

  /** Nothing is mounted there any more. What is in it else stays, and is no reason to fail. */
  remove(path: string): void {
    try {
      rmdirSync(path)
    } catch {
      // The next server clears it.
    }
  }

  /** Mounts that a server left behind which was killed before anybody else had their descriptors. @param kept folders in use */
  leftMounts(kept: readonly string[]): string[] {
    const left = new Set(this.#left(kept))
    return left.size === 0 ? [] : listFuseMounts().flatMap(({ path }) => (left.has(path) ? [path] : []))
  }

  /** Removes the folders that it left. */
  clear(kept: readonly string[]): void {
    for (const path of this.#left(kept)) this.remove(path)
  }

  #left(kept: readonly string[]): string[] {
    try {
      const home = realpathSync(this.#home)
      return readdirSync(home)
        .map(name => join(home, name))
        .filter(path => !kept.includes(path))
    } catch {
      return []
    }
  }
}
