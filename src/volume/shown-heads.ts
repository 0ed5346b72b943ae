import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHead, encodeHead, type Head } from '../codec/head.js'

/**
 * The heads of the states that a mount has shown and its kernel may know something of, oldest first, in a file: the mount outlives a server that is killed, and the
 * next one tells the kernel what changed since any of them. A state is added before it is shown, and those before it are dropped when the kernel was told.
 */
export class ShownHeads {
  readonly #path: string
  #heads: Head[] = []

  /** @param dir this host's folder for reading the volume */
  constructor(dir: string) {
    this.#path = join(dir, 'shown')
  }

  /** Of the server before this one; undefined where that cannot be told. @param volume whose heads they must be */
  read(volume: string): Head[] | undefined {
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n')
      const heads = lines.filter(line => line !== '').map(line => decodeHead(Buffer.from(`${line}\n`), this.#path))
      if (heads.length === 0 || heads.some(head => head.volume !== volume)) return undefined
      this.#heads = heads
      return heads
    } catch {
      // Missing, damaged, or of a newer version: then nobody knows what the kernel does.
      return undefined
    }
  }

  /** A mount that nobody has seen yet shows this. @throws what the disk says */
  begin(head: Head): void {
    this.#write([head])
  }

  /** A mount goes on to this. Where the disk is full nothing is told any more, which the next server takes for everything. @throws when it refuses that too */
  add(head: Head): void {
    try {
      this.#write([...this.#heads, head])
    } catch {
      this.end()
    }
  }

  /** The kernel has heard of all up to the state with this sequence. @param present when it is that */
  told(sequence: number, present: Head | undefined): void {
    // A head that only renewed a lease is not among them.
    const at = present === undefined ? this.#heads.findLastIndex(head => head.sequence <= sequence) : this.#heads.length - 1
    const left = at > 0 ? this.#heads.slice(at) : this.#heads.length === 0 && present !== undefined ? [present] : undefined
    if (left === undefined) return
    try {
      this.#write(left)
    } catch {
      // A full disk: it is told more than it need be the next time.
    }
  }

  /** States whose differences the kernel has not heard of yet. */
  get untold(): number {
    return Math.max(0, this.#heads.length - 1)
  }

  /** The mount is gone. */
  end(): void {
    this.#heads = []
    rmSync(this.#path, { force: true })
  }

  /** Not synced: with the power the mount is gone too. */
  #write(heads: Head[]): void {
    writeFileSync(`${this.#path}~`, Buffer.concat(heads.map(encodeHead)), { mode: 0o600 })
    renameSync(`${this.#path}~`, this.#path)
    this.#heads = heads
  }
}
