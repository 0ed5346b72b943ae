import { limits } from '../sys/index.js'
import type { CommitInfo } from '../volume/api.js'
import type { Volume } from '../volume/volume.js'

/** Inodes of the log begin here; the numbers below are those of the folder's other entries. */
const FIRST_INO = 2 ** 47
/** Texts that readers may still be in the middle of. */
const KEPT = 8

/**
 * `.cairn/log`. Each text of it is a file of its own, with an inode number never used before: so the kernel may keep its pages, and
 * who has it open reads one text to its end.
 */
export class LogFile {
  readonly #volume: Volume
  readonly #now: () => number
  readonly #texts = new Map<number, Buffer>()
  #ino = 0
  #seen = -1

  /** @param now milliseconds; a server after this one goes on from there */
  constructor(volume: Volume, now: () => number) {
    this.#volume = volume
    this.#now = now
  }

  static is(ino: number): boolean {
    return ino >= FIRST_INO
  }

  /** Inode of the log as it is now. */
  current(): number {
    const changes = this.#volume.state.historyChanges
    if (changes === this.#seen) return this.#ino
    this.#seen = changes
    this.#ino = Math.max(FIRST_INO + Math.floor(this.#now()), this.#ino + 1)
    this.#texts.set(this.#ino, Buffer.from(logText(this.#volume.commits({ limit: limits.viewCommits }))))
    for (const ino of this.#texts.keys()) {
      if (this.#texts.size <= KEPT) break
      this.#texts.delete(ino)
    }
    return this.#ino
  }

  /** Undefined when it was long ago, or another server's. */
  text(ino: number): Buffer | undefined {
    return this.#texts.get(ino)
  }
}

/** A line for each commit, newest first, as `cairn log` has it: id, time, kind, actor, the name where there is one, and the message. */
export function logText(commits: readonly CommitInfo[]): string {
  return commits.map(entry).join('')
}

function entry({ timeMs, id, kind, actor, name, message }: CommitInfo): string {
  const parts = [id, new Date(timeMs).toISOString(), kind, (actor ?? '-').replaceAll('\n', ' ')]
  if (name !== undefined) parts.push(`(${name})`)
  if (message !== undefined) parts.push(message.trimEnd().replaceAll('\n', '\n    '))
  return `${parts.join('  ')}\n`
}
