import { constants } from 'node:fs'
import type { FileSystemApi } from '../fs/filesystem.js'
import { OpenFlag } from './protocol.js'

const { O_RDWR } = constants

/** What is open through one mount: should it end without closing it, somebody else must. */
export class OpenFiles {
  /** Numbers of handles by inode; 0 stands for each that only reads. */
  readonly #handles = new Map<number, number[]>()
  /** Handles through which files may be mapped and changed: only what is open for both reading and writing can be. */
  readonly #mappable = new Set<number>()

  /**
   * Pages of a mapped file may wait in the kernel: they are written back before the last use of a handle ends, and so before its RELEASE.
   * Nothing else is held back, because writes go through.
   */
  get mayHoldBack(): boolean {
    return this.#mappable.size > 0
  }

  add(ino: number, handle: number, flags: number): void {
    if ((flags & OpenFlag.accessMode) === O_RDWR) this.#mappable.add(handle)
    const handles = this.#handles.get(ino)
    if (handles === undefined) this.#handles.set(ino, [handle])
    else handles.push(handle)
  }

  remove(ino: number, handle: number): void {
    this.#mappable.delete(handle)
    const handles = this.#handles.get(ino)
    if (handles === undefined) return
    const at = handles.indexOf(handle)
    if (at >= 0) handles.splice(at, 1)
    if (handles.length === 0) this.#handles.delete(ino)
  }

  /** Closes all. */
  end(fs: FileSystemApi): void {
    for (const [ino, handles] of this.#handles) for (const handle of handles) fs.release(ino, handle)
    this.#handles.clear()
    this.#mappable.clear()
  }
}
