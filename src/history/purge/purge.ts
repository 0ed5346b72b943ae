import {
  commitIdBound,
  commitKey,
  type DirHash,
  decodeCommit,
  decodePastName,
  Ended,
  encodeCommit,
  encodePastName,
  MAX_KEY_BYTES,
  POINTER_BYTES,
  pastNameEnd,
  Tag,
} from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import { crashPoint } from '../../sys/index.js'
import { type BTree, forgetSeparators } from '../../tree/index.js'
import type { PageSink } from '../../tree/tree.js'
import { entriesAbout, REDACTED_AT_ONCE, rangesOf, redactionItems } from '../../volume/audit/index.js'
import { refusedByDisk } from '../../volume/collector.js'
import { putItems } from '../../volume/history.js'
import { pathOfInode } from '../../volume/paths.js'
import { inodeMark, markValue, pathMark, purgedAt } from '../../volume/purged.js'
import { openTree } from '../../volume/recovery.js'
import type { Volume } from '../../volume/volume.js'
import { allCommits } from '../bundle/bundle-source.js'
import { endOf, type StoredCommit } from '../history-records.js'
import { eachWithPrefix, inodeOf, keysWithPrefix, prefixOf } from './prefix.js'
import { SharedPages } from './shared-pages.js'
import { Targets } from './targets.js'
import { attrOf, type Purged, placeOf, purgeTree, removeInode } from './tree-purge.js'
import { besides, redactedMerge } from './waiting.js'

/** Records of the history changed in one batch. */
const BATCH_ITEMS = 512
const PAGES_AT_ONCE = 8

export interface PurgeReport {
  path: string
  /** Inode numbers of the files and directories that were removed for good. */
  inodes: number[]
  /** States of the volume, the present one counted, that held it. */
  states: number
  /** Records of versions and of names that are gone. */
  versions: number
  /** Other paths of this volume that hold the same files: they stay. `now`, or the commit that has it. */
  elsewhere: Array<{ path: string; at: string }>
}

/**
 * Removes what a path ever held from a volume: from the present state, from every commit (their ids stay), from its versions. One step after another; each
 * takes a few milliseconds but for seals. Stopped or killed on the way, the same purge again finishes it. What nothing names any more is then the collector's.
 * @param path UTF-8, from the root; symbolic links are not followed
 * @throws CairnError ERR_PATH_UNKNOWN when no state holds it, EISDIR for a directory without `recursive`; of a full disk
 */
export function* purge(volume: Volume, path: string, options: { recursive?: boolean; actor?: string } = {}): Generator<undefined, PurgeReport> {
  const run = new Purge(volume, new Targets(path, options.recursive === true), options.actor)
  yield* run.find()
  yield* run.mark()
  // First what is found by the names that a merge noted: these go last.
  for (const beside of run.besides()) {
    const more = new Purge(volume, new Targets(beside, options.recursive === true), options.actor)
    yield* more.find()
    yield* more.mark()
    yield* more.all()
    run.report.inodes.push(...more.report.inodes)
  }
  yield* run.all()
  return run.report
}

class Purge {
  readonly report: PurgeReport
  readonly #volume: Volume
  readonly #targets: Targets
  readonly #actor: string | undefined
  readonly #dirHash: DirHash
  /** Inodes that keep another name somewhere. */
  readonly #kept = new Set<number>()
  #items = 0
  /** Of a path as users see it. */
  readonly #isPurged = (path: string): boolean => path === this.#targets.shown || path.startsWith(`${this.#targets.shown}/`)

  constructor(volume: Volume, targets: Targets, actor: string | undefined) {
    this.#volume = volume
    this.#targets = targets
    this.#actor = actor
    this.#dirHash = volume.session.dirHash
    this.report = { path: targets.shown, inodes: [], states: 0, versions: 0, elsewhere: [] }
  }

  get #history(): BTree {
    return this.#volume.state.history
  }

  /** Looks through all states first: nothing is changed when it is not there, or is a directory. */
  *find(): Generator<undefined> {
    const { state, head, context } = this.#volume
    let found = this.#targets.addTree(state.tree, this.#dirHash)
    // Commits without a root are sealed by this.
    this.#volume.flush()
    for (const commit of allCommits(this.#history)) {
      found = this.#targets.addTree(openTree(context.pages, commit.record.root), this.#dirHash) || found
      yield
    }
    this.#targets.addHistory(this.#history)
    found ||= this.#targets.inodes.size > 0 || purgedAt(this.#history, head.value.dirHashKey, this.#targets.path) !== undefined
    if (!found)
      throw new CairnError(
        'ERR_PATH_UNKNOWN',
        `No state of ${head.value.name} holds ${this.#targets.shown}.`,
        'Check the path with `cairn ls` and `cairn versions`.',
      )
    this.report.inodes = [...this.#targets.inodes.keys()]
  }

  /** First of all: what is asked for after a crash on the way was purged, not unknown. */
  *mark(): Generator<undefined> {
    this.#markPath()
    for (const ino of this.#targets.inodes.keys()) {
      const key = inodeMark(ino)
      if (this.#put(key, this.#now())) yield
    }
    this.#commit()
  }

  #markPath(): void {
    const { session, head } = this.#volume
    session.look()
    this.#put(pathMark(head.value.dirHashKey, this.#targets.path), this.#now())
    this.#commit()
  }

  #now(): Buffer {
    const { nowS, nowNs } = this.#volume.session
    return markValue(nowS * 1000 + nowNs / 1e6)
  }

  #commit(): void {
    this.#items = 0
    const result = this.#volume.session.commit()
    if (result !== 0) throw refusedByDisk('The purge could not go on', result)
  }

  /** One more record of the batch; many of them are several. True when one was written. */
  #item(): boolean {
    if (++this.#items < BATCH_ITEMS) return false
    this.#commit()
    return true
  }

  #put(key: Buffer, value: Buffer): boolean {
    this.#volume.session.historyPut(key, key.length, value, value.length)
    return this.#item()
  }

  /** From the present on to the last record. */
  *all(): Generator<undefined> {
    crashPoint('purge.live.before')
    yield* this.present()
    crashPoint('purge.live.after')
    yield* this.commits()
    yield* this.versions()
    this.#redactMerge()
    yield* this.audit()
    this.finish()
  }

  /** Where else a merge that waits put it, and is still to be found. */
  besides(): string[] {
    const { state, info } = this.#volume
    return besides(state.history, info.id, this.#isPurged).filter(
      path => placeOf(state.tree, this.#dirHash, Buffer.from(path).toString('latin1')) !== undefined,
    )
  }

  /** What the audit chain tells of it. The entry that says which others were redacted comes with them. */
  *audit(): Generator<undefined> {
    let found: number[] = []
    for (const sequence of entriesAbout(() => this.#history, this.#targets.shown)) {
      if (sequence === undefined) yield
      else if (found.push(sequence) === REDACTED_AT_ONCE) {
        this.#redact(found)
        found = []
        yield
      }
    }
    this.#redact(found)
    crashPoint('purge.audit.after')
  }

  #redact(sequences: readonly number[]): void {
    const { session, audit } = this.#volume
    const redacted = rangesOf(sequences)
    const detail = { files: this.#targets.inodes.size, ...(redacted.length === 0 ? {} : { redacted }) }
    session.look()
    putItems(session, redactionItems(this.#history, sequences))
    putItems(session, audit.next([{ kind: 'purge', ...(this.#actor === undefined ? {} : { actor: this.#actor }), detail }]).items)
    this.#commit()
  }

  #redactMerge(): void {
    for (const { key, value } of redactedMerge(this.#history, this.#volume.info.id, this.#isPurged)) {
      if (value === undefined) this.#volume.session.historyDel(key, key.length)
      else this.#put(key, value)
    }
    this.#commit()
  }

  *present(): Generator<undefined> {
    const volume = this.#volume
    const place = placeOf(volume.state.tree, this.#dirHash, this.#targets.path)
    if (place !== undefined) {
      this.report.states++
      volume.commitChanges()
      const target = volume.state.tree.fork()
      purgeTree(target, this.#dirHash, place)
      const message = `purge of ${this.#targets.inodes.size} files`
      volume.become(target, { kind: 'auto', message, ...(this.#actor === undefined ? {} : { actor: this.#actor }) })
    }
    yield
    this.#removeOrphans()
    this.#noteKept(volume.state.tree, 'now')
    // Commits made on the way have their trees then.
    volume.flush()
    yield
  }

  /** Files that have no name any more but are open still. */
  #removeOrphans(): void {
    const { session, state } = this.#volume
    for (const ino of this.#targets.inodes.keys()) {
      const orphan = prefixOf(Tag.orphan, ino)
      if (!state.tree.get(orphan, orphan.length)) continue
      const attr = attrOf(state.tree, ino)
      session.look()
      session.dropBlocks(ino, 0, 2 ** 40 - 1)
      for (const tag of [Tag.attr, Tag.content, Tag.xattr, Tag.orphan])
        for (const key of keysWithPrefix(state.tree, prefixOf(tag, ino))) session.del(key, key.length)
      session.addUsage(-1, -(attr?.blocks ?? 0) * 512)
      this.#commit()
    }
  }

  #noteKept(tree: BTree, at: string): void {
    for (const ino of this.#targets.inodes.keys()) {
      const path = attrOf(tree, ino) === undefined ? undefined : pathOfInode(tree, ino)
      if (path === undefined) continue
      this.#kept.add(ino)
      const shown = Buffer.from(path, 'latin1').toString('utf8')
      if (!this.report.elsewhere.some(other => other.path === shown)) this.report.elsewhere.push({ path: shown, at })
    }
  }

  /** Every commit's tree without it, under the id that the commit has. Pages that several had in common they have in common again. */
  *commits(): Generator<undefined> {
    const stored = this.#volume.beginPages()
    const changed: Array<{ commit: StoredCommit; purged: Purged; root: string }> = []
    try {
      const shared = new SharedPages(stored.sink)
      for (const commit of allCommits(this.#history)) {
        const rewritten = this.#rewrite(commit, shared)
        if (rewritten !== undefined) changed.push({ commit, ...rewritten })
        yield
      }
      stored.publish(changed.map(({ root }) => root))
      crashPoint('purge.commits.before')
      for (const { commit, purged, root } of changed) this.#putCommit(commit, purged, root)
      this.#commit()
    } finally {
      stored.end()
    }
    crashPoint('purge.commits.after')
    yield
  }

  #rewrite(commit: StoredCommit, sink: PageSink): { purged: Purged; root: string } | undefined {
    const { pages } = this.#volume.context
    const tree = openTree(pages, commit.record.root)
    const place = placeOf(tree, this.#dirHash, this.#targets.path)
    const purged: Purged = place === undefined ? { inodes: 0, bytes: 0 } : purgeTree(tree, this.#dirHash, place)
    for (const ino of this.#targets.inodes.keys()) {
      const orphan = prefixOf(Tag.orphan, ino)
      if (tree.get(orphan, orphan.length)) removeInode(tree, ino, purged)
    }
    this.#noteKept(tree, commit.id)
    const { shown } = this.#targets
    if (purged.inodes === 0 && tree.pointer !== undefined && commit.record.message?.includes(shown) !== true) return undefined
    this.report.states++
    return { purged, root: tree.pointer === undefined ? sealed(tree, sink) : commit.record.root }
  }

  #putCommit({ id }: StoredCommit, purged: Purged, root: string): void {
    const { session } = this.#volume
    const K = Buffer.alloc(MAX_KEY_BYTES)
    const length = commitKey(K, commitIdBound(id, false) ?? Buffer.alloc(0))
    // One that was pruned meanwhile does not come back, and one whose name was taken off stays without.
    if (!this.#history.get(K, length)) return
    const record = decodeCommit(this.#history.vb, this.#history.vp, this.#history.vl)
    const message = record.message?.replaceAll(this.#targets.shown, '(purged)')
    const { inodes, bytes } = record
    const value = encodeCommit({ ...record, ...(message === undefined ? {} : { message }), root, inodes: inodes - purged.inodes, bytes: bytes - purged.bytes })
    session.look()
    session.historyPut(K, length, value, value.length)
    this.#item()
  }

  /** States of the inodes, then what the names meant: these lead a purge that was stopped to the inodes. */
  *versions(): Generator<undefined> {
    const history = this.#history
    const ends = this.#ends()
    for (const ino of this.#targets.inodes.keys()) {
      const upTo = this.#kept.has(ino) ? (ends.get(ino) ?? 0) : Number.POSITIVE_INFINITY
      const keys: Buffer[] = []
      eachWithPrefix(history, prefixOf(Tag.version, ino), key => {
        if (endOf(key) > upTo) return
        keys.push(Buffer.from(key))
      })
      eachWithPrefix(history, prefixOf(Tag.prunedState, ino), key => {
        if (endOf(key) <= upTo) keys.push(Buffer.from(key))
      })
      this.#delete(keys)
      yield
    }
    crashPoint('purge.versions.between')
    this.#unmarkKept()
    this.#forgetWhereTo()
    for (const prefix of this.#targets.namePrefixes()) this.#delete(keysWithPrefix(history, prefix))
    yield
  }

  /** What has another name is no secret there: it may come and go. */
  #unmarkKept(): void {
    const { session } = this.#volume
    for (const ino of this.#kept) {
      const key = inodeMark(ino)
      session.historyDel(key, key.length)
      this.#item()
    }
    this.#commit()
  }

  #delete(keys: readonly Buffer[]): void {
    const { session } = this.#volume
    session.look()
    for (const key of keys) {
      session.historyDel(key, key.length)
      this.#item()
    }
    this.#commit()
    this.report.versions += keys.length
  }

  /** When each inode lost one of the names last. */
  #ends(): Map<number, number> {
    const ends = new Map<number, number>()
    for (const prefix of this.#targets.namePrefixes()) {
      eachWithPrefix(this.#history, prefix, (key, value) => {
        if (pastNameEnd(key, 0, key.length) + 1 === key.length) return
        const { ino } = decodePastName(value, 0, value.length)
        ends.set(ino, Math.max(ends.get(ino) ?? 0, endOf(key)))
      })
    }
    return ends
  }

  /** Other names may say that their file went to one that is purged. */
  #forgetWhereTo(): void {
    const changed: Array<{ key: Buffer; value: Buffer }> = []
    eachWithPrefix(this.#history, Buffer.from([Tag.pastName]), (key, value) => {
      if (pastNameEnd(key, 0, key.length) + 1 === key.length) return
      const { to, ...past } = decodePastName(value, 0, value.length)
      if (to === undefined || !this.#targets.hasName(to.parent, to.name) || this.#targets.inodes.get(inodeOf(key)) === true) return
      changed.push({ key: Buffer.from(key), value: encodePastName({ ...past, ended: Ended.unlinked }) })
    })
    for (const { key, value } of changed) {
      this.#volume.session.historyPut(key, key.length, value, value.length)
      this.#item()
    }
    this.#commit()
  }

  /** Inner pages, the journal and the caches let go of it. */
  finish(): void {
    const volume = this.#volume
    for (const prefix of this.#targets.namePrefixes()) forgetSeparators(this.#history, prefix)
    // Something must be newer than the head, or nothing is sealed.
    this.#markPath()
    volume.flush()
    crashPoint('purge.sealed')
    volume.context.packs.clearCache()
  }
}

function sealed(tree: BTree, sink: PageSink): string {
  const sealing = tree.seal(sink)
  while (!sealing.step(PAGES_AT_ONCE));
  return Buffer.from(sealing.root.subarray(0, POINTER_BYTES)).toString('hex')
}
