import type { Head } from '../../codec/head.js'
import { type CommitRecord, commitIdText, decodeCommit, Tag } from '../../codec/index.js'
import { CorruptError } from '../../errors.js'
import type { Packs } from '../../store/packs.js'
import type { Pin } from '../../store/pins.js'
import { isHidden } from '../../volume/hidden-heads.js'
import { blockNamedBy } from '../../volume/named-blocks.js'
import { Mark, Marks, NOBODY } from './marks.js'
import type { VolumeUsage } from './report.js'
import type { RootReader, VolumeRoots } from './roots.js'
import { TreeWalk } from './walk.js'

/** A volume that is being marked. */
interface Marking {
  owner: number
  roots: VolumeRoots
  usage: VolumeUsage
}

interface CommitRoot {
  id: string
  record: CommitRecord
}

/**
 * Marks what the volumes of a store need: first what is open and what heads name, volume by volume, then history from new to old, so
 * that each state is charged with what nothing newer holds. Costs one read of each page that can name others and was not reached before.
 */
export class Marker {
  readonly marks = new Marks()
  /** The heads as they were when their roots were read. */
  readonly heads = new Map<string, Head>()
  readonly #walk: TreeWalk
  readonly #isShared: boolean
  readonly #volumes: Marking[] = []
  /** Roots that are read in any case, with who asked first. */
  readonly #extra: Array<{ owner: number; root: string; mayMiss?: boolean }> = []
  #versionBytes = 0

  /** @param isShared several hosts reach the store: what this one has beside it may be of no use any more */
  constructor(packs: Packs, isShared = false) {
    this.#isShared = isShared
    this.#walk = new TreeWalk(packs, this.marks)
  }

  get pagesRead(): number {
    return this.#walk.pagesRead
  }

  /** Usage of the volumes that were added; whole when `run` is over. */
  get usages(): VolumeUsage[] {
    return this.#volumes.map(({ usage }) => usage)
  }

  /** Reads a volume's roots and marks what its journal names. False when it is gone. */
  addVolume(reader: RootReader, id: string): boolean {
    const head = reader.head(id)
    if (head !== undefined && isHidden(head.value)) return this.#addHidden(reader, head.value)
    const owner = this.marks.addOwner()
    const roots = reader.read(id, {
      block: (b, at) => void this.marks.mark(b, at, owner, false),
      root: root => this.#extra.push({ owner, root, mayMiss: this.#isShared }),
    })
    if (roots === undefined) return false
    this.heads.set(id, roots.head.value)
    for (const root of roots.held) this.#extra.push({ owner, root, mayMiss: this.#isShared })
    const { name, deletedMs, volume } = roots.head.value
    const usage: VolumeUsage = {
      name,
      id: volume,
      ...(deletedMs === undefined ? {} : { deletedMs }),
      ...{ liveBytes: 0, sharedBytes: 0, ownBytes: 0, historyBytes: 0 },
      ...{ checkpoints: [], commits: { count: 0, bytes: 0 }, versions: { bytes: 0 } },
    }
    this.#volumes.push({ owner, roots, usage })
    return true
  }

  /** A state that somebody reads, or a volume that is being made: nobody's until it has a name. */
  #addHidden(reader: RootReader, head: Head): boolean {
    this.heads.set(head.volume, head)
    for (const root of [head.root, head.history]) this.#extra.push({ owner: NOBODY, root })
    return reader.head(head.volume) !== undefined
  }

  addPins(pins: Iterable<Pin>): void {
    for (const { roots } of pins) for (const root of roots) this.#extra.push({ owner: NOBODY, root })
  }

  *run(): Generator<void, void> {
    // What a fork shares is charged to whom it was forked from.
    this.#volumes.sort((a, b) => a.roots.head.value.createdMs - b.roots.head.value.createdMs)
    for (const { roots, owner, usage } of this.#volumes) usage.liveBytes = yield* this.#tree(roots.head.value.root, owner, false, [])
    for (const volume of this.#volumes) yield* this.#history(volume)
    for (const { owner, root, mayMiss = false } of this.#extra) yield* this.#extraRoot(root, owner, mayMiss)
    for (const { owner, usage } of this.#volumes) {
      const own = this.marks.own[owner]
      usage.ownBytes = own.live + own.history
      usage.historyBytes = own.history
      usage.sharedBytes = Math.max(0, usage.liveBytes - own.live)
    }
  }

  /** Whoever is the first to reach the record of a commit walks its tree: who comes second does not see the record. */
  *#tree(root: string, owner: number, isHistory: boolean, commits: CommitRoot[]): Generator<void, number> {
    if (root === '') return 0
    return yield* this.#walk.run(Buffer.from(root, 'hex'), owner, isHistory, (b, kp, kl, vp, vl) => {
      if (b[kp] !== Tag.commit) return this.#block(b, kp, kl, vp, vl, owner, isHistory)
      commits.push({ id: commitIdText(b.subarray(kp + 1, kp + kl)), record: decodeCommit(b, vp, vl) })
      return 0
    })
  }

  /** Marks the block that a record names; returns its bytes. */
  #block(b: Buffer, kp: number, kl: number, vp: number, vl: number, owner: number, isHistory: boolean): number {
    const at = blockNamedBy(b, kp, kl, vp, vl)
    if (at < 0) return 0
    const found = this.marks.mark(b, at, owner, isHistory)
    const length = this.marks.set.length(this.marks.slot)
    if (b[kp] === Tag.version && found === Mark.fresh) this.#versionBytes += length
    return length
  }

  *#history({ owner, roots, usage }: Marking): Generator<void, void> {
    const commits: CommitRoot[] = []
    this.#versionBytes = 0
    yield* this.#tree(roots.head.value.history, owner, true, commits)
    usage.versions.bytes = this.#versionBytes
    for (const { id, record } of commits.reverse()) {
      const before = this.marks.bytes
      yield* this.#tree(record.root, owner, true, [])
      const bytes = this.marks.bytes - before
      if (record.name !== undefined) usage.checkpoints.push({ name: record.name, id, timeMs: record.timeMs, bytes })
      else {
        usage.commits.count++
        usage.commits.bytes += bytes
      }
    }
  }

  /** Either tree of a volume, as something else than a head names it. */
  *#extraRoot(root: string, owner: number, mayMiss: boolean): Generator<void, void> {
    try {
      const commits: CommitRoot[] = []
      yield* this.#tree(root, owner, true, commits)
      for (const { record } of commits) yield* this.#tree(record.root, owner, true, [])
    } catch (error) {
      // Of a journal that another host has overtaken, or of what waits here to be published.
      if (!mayMiss || !(error instanceof CorruptError) || !error.isGone) throw error
    }
  }
}
