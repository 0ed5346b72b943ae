import { Ended } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import type { Packs } from '../../store/packs.js'
import { type Clock, limits } from '../../sys/index.js'
import { BTree, type PageCache } from '../../tree/index.js'
import type { VersionInfo } from '../api.js'
import type { LiveSession } from '../live-session.js'
import { pathOfInode } from '../paths.js'
import { SnapshotSession } from '../snapshot-session.js'
import { VolumeState } from '../state.js'
import { composeInode, longTail, putInRoot } from './compose.js'
import { type Entry, NEVER, Past } from './past.js'

const BLOCK = limits.blockBytes
const S_IFMT = 0o170000
const endings = ['modified', 'replaced', 'deleted', 'renamed', 'unlinked'] as const
const types: ReadonlyMap<number, VersionInfo['type']> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
])

/** One version of a file, as a volume of its own that holds nothing else. */
export interface OpenVersion {
  readonly info: VersionInfo
  /** Its inode, with the number that it has in the volume; the root directory names it `name`. */
  readonly ino: number
  readonly name: string
  /** Read-only. Its content is stored blocks, but for the tail of the last one, which may be an overlay. */
  readonly session: SnapshotSession
  readonly state: VolumeState
}

export interface VersionParts {
  session: LiveSession
  state: VolumeState
  clock: Clock
  packs: Packs
  pages: PageCache
  /** Folds what is not in blocks. @throws on a full or failing disk */
  foldAll: () => void
  /** Keeps what `user` reads from being collected while it lives. */
  hold: (user: object) => void
  /** @throws CairnError ERR_PURGED for a path that was */
  refusePurged: (path: string) => void
}

/** The versions of the files of an open volume. Paths are byte strings (one char per byte) from the root; `.`, `..` and links are not followed. */
export class Versions {
  readonly #parts: VersionParts

  constructor(parts: VersionParts) {
    this.#parts = parts
  }

  /** What reads them, on the volume as it is now. */
  past(): Past {
    const { state, session } = this.#parts
    return new Past(state.tree, state.history, session.dirHash)
  }

  /**
   * The versions of a path, the oldest first; the last one is the current state, if there is a file now. Also of files and directories that
   * are no longer there. Empty when nothing is known of the path. O(versions).
   */
  list(path: string): VersionInfo[] {
    const past = this.past()
    return past.list(path).map(entry => this.#info(past, entry))
  }

  /**
   * Reads a version. Costs O(its blocks and the versions behind it), and nothing is read of its content.
   * @param number as `list` gives it; default the newest one that is not current
   * @throws CairnError ERR_VERSION_UNKNOWN, ERR_PURGED
   */
  open(path: string, number?: number): OpenVersion {
    const past = this.past()
    const entries = past.list(path)
    const entry = number === undefined ? entries.findLast(one => one.sequence !== NEVER) : entries.find(one => one.number === number)
    if (entry === undefined) {
      this.#parts.refusePurged(path)
      throw unknown(path, number, entries)
    }
    return this.#compose(past, entry)
  }

  #compose(past: Past, entry: Entry): OpenVersion {
    const { packs, pages, session, clock, foldAll, hold } = this.#parts
    foldAll()
    const tree = BTree.empty(pages)
    const a = composeInode(past, entry, tree)
    putInRoot(tree, session.dirHash, entry.name, entry.ino, a)
    const state = new VolumeState(tree, BTree.empty(pages), packs)
    state.usage.inodes = 2
    state.usage.bytes = a.blocks * 512
    state.nextIno = entry.ino + 1
    const tail = longTail(tree, entry.ino, a.size)
    if (tail >= 0) state.content.overlayZeros(entry.ino, a.size, (tail + 1) * BLOCK - a.size)
    const { ino, name } = entry
    hold(state)
    return { info: this.#info(past, entry), ino, name, session: new SnapshotSession(state, session.dirHash, clock), state }
  }

  #info(past: Past, entry: Entry): VersionInfo {
    const { state, ended, actor, to } = entry
    const { size, mode, mtimeMs } = state ?? liveState(past, entry.ino)
    const isCurrent = entry.sequence === NEVER
    return {
      number: entry.number,
      ended: isCurrent ? 'current' : endings[ended],
      modifiedMs: mtimeMs,
      ...(isCurrent ? {} : { endedMs: Math.floor(entry.sequence / 1000) }),
      size,
      mode: mode & 0o7777,
      type: types.get(mode & S_IFMT) ?? 'other',
      ino: entry.ino,
      ...(actor === '' ? {} : { endedBy: actor }),
      ...(ended === Ended.renamed && to !== undefined ? { renamedTo: this.#pathTo(to) } : {}),
    }
  }

  #pathTo(to: { parent: number; name: string }): string {
    const above = pathOfInode(this.#parts.state.tree, to.parent) ?? ''
    return Buffer.from(`${above === '/' ? '' : above}/${to.name}`, 'latin1').toString('utf8')
  }
}

function liveState(past: Past, ino: number): { size: number; mode: number; mtimeMs: number } {
  const a = past.attr(ino)
  return a === undefined ? { size: 0, mode: 0, mtimeMs: 0 } : { size: a.size, mode: a.mode, mtimeMs: a.mtimeS * 1000 + a.mtimeNs / 1e6 }
}

function unknown(path: string, number: number | undefined, entries: Entry[]): CairnError {
  const shown = Buffer.from(path, 'latin1').toString('utf8')
  if (number === undefined || entries.length === 0)
    return new CairnError('ERR_VERSION_UNKNOWN', `There are no versions of ${shown}.`, 'A file has versions once it was changed, replaced or deleted.')
  return new CairnError(
    'ERR_VERSION_UNKNOWN',
    `There is no version ${number} of ${shown}.`,
    `There are versions ${entries[0].number} to ${entries[entries.length - 1].number}; \`cairn versions\` lists those that are kept.`,
  )
}
