import { closeSync, openSync } from 'node:fs'
import { release } from 'node:os'
import { posixError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import { syncfs } from '../../sys/libc.js'
import { syncFolder } from '../sync-folder.js'

/** The first Linux whose syncfs(2) tells of bytes that could not be written. */
const TELLS_ERRORS = [5, 8]

/**
 * How files and folders of one filesystem are synced together: each by fsync, or all at once by syncfs(2). That waits for what everybody else has
 * written there, too, so that few are better synced one by one: a neighbour who copies gigabytes would hold up a single small file.
 */
export class SyncTogether {
  readonly #root: string
  /** Open from the start: it is told of errors since then. -1 where each is synced by itself. */
  readonly #fd: number

  /** Before the first of the files is written. @param root folder in that filesystem */
  constructor(root: string, files: number) {
    this.#root = root
    this.#fd = files >= limits.syncfsFiles && tellsErrors() ? openSync(root, 'r') : -1
  }

  /** Nothing has to be synced by itself: `sync` does it. */
  get isWhole(): boolean {
    return this.#fd >= 0
  }

  /** What was written so far is on the disk then, if this is whole. @throws a Node error */
  sync(): void {
    if (!this.isWhole) return
    const result = syncfs(this.#fd)
    if (result < 0) throw posixError(-result, 'syncfs', this.#root)
  }

  syncFolder(folder: string): void {
    if (!this.isWhole) syncFolder(folder)
  }

  close(): void {
    if (this.isWhole) closeSync(this.#fd)
  }
}

function tellsErrors(): boolean {
  if (process.platform !== 'linux') return false
  const [major, minor] = release().split('.').map(Number)
  return major > TELLS_ERRORS[0] || (major === TELLS_ERRORS[0] && minor >= TELLS_ERRORS[1])
}
