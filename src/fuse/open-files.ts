import type { FileSystemApi } from '../fs/filesystem.js'

/** What is open through one mount: should it end without closing it, somebody else must. */
export class OpenFiles {
  /** Numbers of handles by inode; 0 stands for each that only reads. */
  readonly #handles = new Map<number, number[]>()

  add(ino: number, handle: number): void {
    const handles = this.#handles.get(ino)
    if (handles === undefined) this.#handles.set(ino, [handle])
    else handles.push(handle)
  }

  remove(ino: number, handle: number): void {
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
  }
}
