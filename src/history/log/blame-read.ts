import { Attr } from '../../codec/index.js'
import { isRegular } from '../../codec/mode.js'
import { CairnError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import type { Commit } from '../../volume/commit-log.js'
import { attrOf, type FileState, readFileBytes } from '../../volume/file-content.js'
import { inodeAt, rootedNames } from '../../volume/paths.js'
import type { Volume } from '../../volume/volume.js'
import { type LogEntry, LogRead } from './log-read.js'

/** One state that a file had, and who brought it about. */
export interface BlameState {
  /** When it was there first, as far as is known. */
  timeMs: number
  actor?: string
  /** Number of the version, where it is kept as one. */
  version?: number
  /** The commit that recorded it; absent: none yet. */
  commit?: { id: string; name?: string }
  /** There was nothing before: the file was deleted and made again. */
  fresh: boolean
}

/** A state with where its bytes are. */
interface Kept extends BlameState {
  open: () => { state: FileState; ino: number }
}

const attr = new Attr()

/** The states of one file, the oldest first: its versions, and what commits hold of it where versions are not kept any more. */
export class BlameRead {
  readonly #volume: Volume
  readonly #path: string
  readonly #untilMs: number
  readonly #log: LogRead
  readonly #commits: LogEntry[] = []
  #states: Kept[] = []

  /** @throws CairnError ERR_REF_UNKNOWN; ENOENT, EISDIR */
  constructor(volume: Volume, path: string, ref: string | undefined) {
    this.#volume = volume
    this.#path = `/${rootedNames(path).join('/')}`
    const commit = ref === undefined ? undefined : volume.history.resolve(ref)
    this.#untilMs = commit?.timeMs ?? Number.POSITIVE_INFINITY
    const state = volume.stateAt(commit)
    const ino = inodeAt(state.tree, volume.session.dirHash, latin1(this.#path))
    const found = ino === 0 ? undefined : attrOf(state, ino, attr)
    if (found === undefined) throw new CairnError('ENOENT', `There is no ${path} in this state.`, 'See `cairn log` of the path for when there was.')
    if (!isRegular(found.mode)) throw new CairnError('EISDIR', `${path} is no file.`, 'Name a file of text.')
    this.#log = new LogRead(volume, { path: this.#path, ...(ref === undefined ? {} : { until: commit?.id ?? ref }) })
    this.#states.push({ timeMs: 0, fresh: false, open: () => ({ state, ino }) })
  }

  /** False: call again. True: `states` has them all. */
  step(): boolean {
    const until = systemClock.monotonic() + limits.diffSliceMs
    for (;;) {
      const page = this.#log.next()
      if (page === undefined) break
      this.#commits.push(...page)
      if (systemClock.monotonic() > until) return false
    }
    const [now] = this.#states
    this.#states = [...this.#versions(), ...this.#committed()].sort((a, b) => a.timeMs - b.timeMs).slice(-limits.blameStates)
    for (const state of this.#states) this.#label(state)
    const last = this.#states.at(-1)
    // What the file holds now is the last state; where nothing else is known, the only one.
    if (last === undefined) this.#states.push(now)
    else last.open = now.open
    return true
  }

  get states(): BlameState[] {
    return this.#states.map(({ open: _open, ...state }) => state)
  }

  read(index: number, offset: number): Uint8Array {
    const { state, ino } = this.#states[index].open()
    const found = ino === 0 ? undefined : attrOf(state, ino, attr)
    return found === undefined ? new Uint8Array(0) : readFileBytes(state, ino, found, offset, limits.rpcChunkBytes)
  }

  #committed(): Kept[] {
    const { session, history } = this.#volume
    // A commit without it is a state too: what comes after is new, line by line.
    return this.#commits.map(entry => ({
      timeMs: entry.timeMs,
      ...(entry.actor === undefined ? {} : { actor: entry.actor }),
      fresh: false,
      open: () => {
        const state = this.#volume.stateAt(history.get(entry.id) as Commit) // the log has just told of it
        return { state, ino: inodeAt(state.tree, session.dirHash, latin1(entry.path ?? this.#path)) }
      },
    }))
  }

  #versions(): Kept[] {
    const path = latin1(this.#path)
    const kept: Kept[] = []
    let before: { endedMs?: number; endedBy?: string; ended: string } | undefined
    for (const version of this.#volume.versions.list(path)) {
      // A program may set the file's own time to anything. Commits have whole milliseconds.
      const timeMs = Math.floor(Math.min(Math.max(version.modifiedMs, before?.endedMs ?? 0), version.endedMs ?? Number.POSITIVE_INFINITY))
      if (version.type === 'file' && timeMs <= this.#untilMs) {
        kept.push({
          timeMs,
          ...(before?.endedBy === undefined ? {} : { actor: before.endedBy }),
          version: version.number,
          fresh: before?.ended === 'deleted' || before?.ended === 'unlinked',
          open: () => this.#volume.versions.open(path, version.number),
        })
      }
      before = version
    }
    return kept
  }

  /** The first commit that recorded a state, and its actor where the version does not know one. */
  #label(state: BlameState): void {
    const commit = this.#commits.findLast(entry => entry.timeMs >= state.timeMs)
    if (commit === undefined) return
    state.commit = { id: commit.id, ...(commit.name === undefined ? {} : { name: commit.name }) }
    if (state.actor === undefined && commit.actor !== undefined) state.actor = commit.actor
  }
}

const latin1 = (path: string) => Buffer.from(path, 'utf8').toString('latin1')
