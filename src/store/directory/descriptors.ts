import { closeSync, fstatSync, openSync } from 'node:fs'
import { limits } from '../../sys/index.js'

/** Open descriptors of objects, least recently used closed first. For objects that never change. */
export class Descriptors {
  readonly #open = new Map<string, number>()

  /** The object's descriptor; -1 when there is no such file. */
  get(key: string, path: string): number {
    const known = this.#open.get(key)
    if (known !== undefined) {
      this.#open.delete(key)
      this.#open.set(key, known)
      return known
    }
    const fd = openIfThere(path)
    if (fd < 0) return -1
    this.#open.set(key, fd)
    if (this.#open.size > limits.storeOpenFiles) {
      const oldest = this.#open.keys().next().value
      if (oldest !== undefined) this.forget(oldest)
    }
    return fd
  }

  /** After the object was replaced or removed. */
  forget(key: string): void {
    const fd = this.#open.get(key)
    if (fd === undefined) return
    this.#open.delete(key)
    closeSync(fd)
  }

  /** Closes those of files that have no name any more, whose space is free only then. */
  forgetRemoved(): void {
    for (const [key, fd] of [...this.#open]) if (fstatSync(fd).nlink === 0) this.forget(key)
  }

  close(): void {
    for (const key of [...this.#open.keys()]) this.forget(key)
  }
}

/** -1 when there is no such file. */
export function openIfThere(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ENOTDIR: a part of the key is itself an object.
    if (code === 'ENOENT' || code === 'ENOTDIR') return -1
    throw error
  }
}
