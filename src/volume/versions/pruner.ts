import {
  Attr,
  decodePastName,
  decodeVersion,
  Ended,
  encodePrunedName,
  encodeVersion,
  getIno,
  inodeKey,
  isVersionBlock,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  pastNameEnd,
  pastNameKey,
  pointerLength,
  putPastName,
  Tag,
  VERSION_KEY_BYTES,
  versionBlock,
  versionBlockKey,
  versionKey,
  versionSequence,
  withSequence,
} from '../../codec/index.js'
import { limits } from '../../sys/index.js'
import type { Cursor } from '../../tree/tree.js'
import { refusedByDisk } from '../collector.js'
import type { LiveSession } from '../live-session.js'
import { hintedName } from '../paths.js'
import type { VolumeState } from '../state.js'
import { holesBehind, type NewestVersion, versionBefore } from './newest.js'
import { type Entry, NEVER, Past } from './past.js'
import { dropped, type PruneRule } from './retention.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(MAX_KEY_BYTES)
const P = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)
const attr = new Attr()

export interface PruneReport {
  /** Lines of versions that were looked at: one for each name of files that have any. */
  paths: number
  /** Versions there were, and those of them that were dropped. */
  versions: number
  dropped: number
  /** Records and blocks that nothing in the volume's history needs any more; their space is free once it is collected. */
  bytes: number
}

/** What a batch changes of one record that stays. */
interface Amendment {
  skipped: number
  gap: boolean
  holesFrom: number
}

/**
 * Drops versions, in small batches: after each the history is whole, and the numbers of all other versions are what they were. A block that
 * an older version needs moves to it.
 */
export class Pruner {
  readonly report: PruneReport = { paths: 0, versions: 0, dropped: 0, bytes: 0 }
  readonly #session: LiveSession
  readonly #state: VolumeState
  readonly #rule: PruneRule
  readonly #nowMs: number
  readonly #dryRun: boolean
  #past: Past
  readonly #amended = new Map<string, Amendment>()

  constructor(session: LiveSession, state: VolumeState, rule: PruneRule, nowMs: number, dryRun: boolean) {
    this.#session = session
    this.#state = state
    this.#rule = rule
    this.#nowMs = nowMs
    this.#dryRun = dryRun
    this.#past = this.#look()
  }

  #look(): Past {
    return new Past(this.#state.tree, this.#state.history, this.#session.dirHash)
  }

  /** Yields after each piece of a few milliseconds at most. The volume may change between two. @throws CairnError of a full disk */
  *run(): Generator<void, PruneReport> {
    yield* this.#names()
    yield* this.#inodes()
    return this.report
  }

  /** Lines of names that meant something else before. */
  *#names(): Generator<void> {
    let from: Buffer = Buffer.from([Tag.pastName])
    for (;;) {
      this.#past = this.#look()
      const cursor = this.#state.history.cursor()
      if (!cursor.seek(from, from.length) || cursor.buf[cursor.kp] !== Tag.pastName) return
      const end = pastNameEnd(cursor.buf, cursor.kp, cursor.kl)
      const name = Buffer.from(cursor.buf.subarray(cursor.kp + PREFIX_BYTES, end)).toString('latin1')
      const parent = getIno(cursor.buf, cursor.kp + 1)
      // Behind all keys of this name: 01 comes after the 00 that ends it.
      from = Buffer.from(cursor.buf.subarray(cursor.kp, end + 1))
      from[from.length - 1] = 1
      yield* this.#line(parent, name)
      yield
    }
  }

  /** Lines of files whose name never meant anything else, and states that no name leads to. */
  *#inodes(): Generator<void> {
    let ino = 0
    for (;;) {
      this.#past = this.#look()
      const cursor = this.#state.history.cursor()
      if (!cursor.seek(K, inodeKey(K, Tag.version, ino + 1)) || cursor.buf[cursor.kp] !== Tag.version) return
      ino = getIno(cursor.buf, cursor.kp + 1)
      const home = this.#homeOf(ino)
      if (home === undefined) yield* this.#lost(ino)
      else if (!this.#hasPast(home.parent, home.name)) yield* this.#line(home.parent, home.name)
      yield
    }
  }

  /** The name whose line an inode's states belong to, if it is there now. */
  #homeOf(ino: number): { parent: number; name: string } | undefined {
    const a = this.#past.attr(ino)
    if (a === undefined) return undefined
    const { parent } = a
    const name = hintedName(this.#state.tree, ino, parent, a.nameHigh, a.nameLow)
    return name === undefined ? undefined : { parent, name }
  }

  #hasPast(parent: number, name: string): boolean {
    const length = pastNameKey(K, parent, name)
    const prefix = Buffer.from(K.subarray(0, length))
    const cursor = this.#state.history.cursor()
    return cursor.seek(prefix, length) && cursor.kl >= length && prefix.compare(cursor.buf, cursor.kp, cursor.kp + length) === 0
  }

  *#line(parent: number, name: string): Generator<void> {
    const entries = this.#past.line(parent, name)
    const past = entries.filter(entry => entry.sequence !== NEVER)
    this.report.paths++
    this.report.versions += past.length
    const gone = dropped(past, this.#rule, this.#nowMs)
    const endedHere = new Set(past.filter(entry => isOwn(entry) && isLast(entry.ended)).map(entry => entry.ino))
    // What belongs to the line of another name goes with that one.
    const goes = (entry: Entry): boolean => gone.has(entry) && (!isOwn(entry) || this.#isHome(entry, endedHere))
    yield* this.#dropAll(entries, goes)
  }

  #isHome({ ino, parent, name }: Entry, endedHere: ReadonlySet<number>): boolean {
    const home = this.#homeOf(ino)
    return home === undefined ? endedHere.has(ino) : home.parent === parent && home.name === name
  }

  /** States of an inode that has no name: those that ended with one were in its line. */
  *#lost(ino: number): Generator<void> {
    const states = this.#past.states(ino, 0, NEVER)
    if (states.some(({ record }) => isLast(record.ended))) return
    const entries = states.map((state, i): Entry => {
      const { ended, actor, skipped } = state.record
      return { number: i, ino, sequence: state.sequence, state, isLost: false, skipped, ended, actor, end: undefined, parent: 0, name: '' }
    })
    this.report.versions += entries.length
    const gone = dropped(entries, this.#rule, this.#nowMs)
    yield* this.#dropAll(entries, entry => gone.has(entry))
  }

  *#dropAll(entries: Entry[], goes: (entry: Entry) => boolean): Generator<void> {
    for (let i = 0; i < entries.length; ) {
      if (!goes(entries[i])) {
        i++
        continue
      }
      const run: Entry[] = []
      while (i < entries.length && run.length < limits.pruneAtOnce && goes(entries[i])) run.push(entries[i++])
      yield* this.#drop(run, entries[i])
      yield
    }
  }

  /** Drops entries that follow one another; `next` is the one behind them. */
  *#drop(run: Entry[], next: Entry | undefined): Generator<void> {
    this.report.dropped += run.filter(entry => !entry.isLost).length
    const owned = run.filter(isOwn)
    if (this.#dryRun) {
      for (const { ino, sequence } of owned) this.report.bytes += this.#sizeOf(ino, sequence)
      return
    }
    this.#session.look()
    for (const [ino, sequences] of byInode(owned)) this.#dropStates(ino, sequences)
    run.forEach((entry, i) => {
      if (entry.end !== undefined)
        this.#dropEnd(
          entry,
          run.slice(i + 1).some(later => later.end !== undefined),
        )
    })
    const count = run.reduce((sum, entry) => sum + 1 + entry.skipped, 0)
    if (next !== undefined) next.skipped += count
    this.#countOn(run[0], next, count)
    this.#flushAmended()
    this.#commit()
    yield
  }

  /** The versions that went count on in the one behind them. */
  #countOn(first: Entry, next: Entry | undefined, count: number): void {
    if (next === undefined || next.sequence === NEVER) {
      if (first.name === '') return
      const value = encodePrunedName(this.#past.pruned(first.parent, first.name) + count)
      this.#session.historyPut(K, pastNameKey(K, first.parent, first.name), value, value.length)
    } else if (isOwn(next)) this.#amendment(next.ino, next.sequence).skipped += count
    else if (next.end !== undefined) this.#skipInEnd(next, count)
  }

  #skipInEnd({ parent, name, sequence }: Entry, count: number): void {
    const length = withSequence(K, pastNameKey(K, parent, name), sequence)
    const { history } = this.#state
    if (!history.get(K, length)) return
    const past = decodePastName(history.vb, history.vp, history.vl)
    past.skipped += count
    this.#session.historyPut(K, length, V, putPastName(V, past))
  }

  /** A name that was replaced says from when on the next file had it: it stays while that has states from before. */
  #dropEnd({ parent, name, sequence, ended, end }: Entry, nextGoes: boolean): void {
    const length = withSequence(K, pastNameKey(K, parent, name), sequence)
    if (end === undefined) return
    if (ended === Ended.replaced && !nextGoes && this.#nextHasEarlier(parent, name, sequence)) {
      this.#session.historyPut(K, length, V, putPastName(V, { ...end, dropped: true, skipped: 0 }))
    } else this.#session.historyDel(K, length)
  }

  #nextHasEarlier(parent: number, name: string, sequence: number): boolean {
    const next = this.#past.ends(parent, name).find(end => end.sequence > sequence)
    const ino = next?.ino ?? this.#past.entry(parent, name)
    return ino !== 0 && this.#past.states(ino, 0, sequence).length > 0
  }

  /** Adds the removal of states of an inode to the batch. What an older one needs of their blocks moves to it. */
  #dropStates(ino: number, gone: ReadonlySet<number>): void {
    const first = Math.min(...gone)
    let older = this.#visibleBefore(ino, first)
    let moved = new Set<number>()
    let seen = 0
    let wasGone = false
    const cursor = this.#state.history.cursor()
    let more = cursor.seek(K, versionKey(K, ino, first))
    for (; more && cursor.buf[cursor.kp] === Tag.version && getIno(cursor.buf, cursor.kp + 1) === ino; more = cursor.next()) {
      const sequence = versionSequence(cursor.buf, cursor.kp)
      const isRecord = cursor.kl === VERSION_KEY_BYTES
      if (gone.has(sequence)) {
        if (isRecord) {
          seen++
          this.#learnEnd(older, ino, cursor)
        }
        wasGone = true
        this.#dropKey(ino, cursor, older, moved)
      } else if (isRecord && !this.#past.isHidden(sequence)) {
        if (wasGone) this.#amendment(ino, sequence).gap = true
        if (seen === gone.size) return
        wasGone = false
        moved = new Set()
        older = this.#visibleBefore(ino, sequence + 1)
      }
    }
  }

  /** The older state that stays learns where one that goes ended. */
  #learnEnd(older: NewestVersion | undefined, ino: number, { buf, vp, vl }: CursorPlace): void {
    if (older?.hasBlocks !== true) return
    const { holesFrom } = decodeVersion(buf, vp, vl, attr)
    const learned = holesBehind(older.size, { size: attr.size, kind: attr.kind, holesFrom })
    if (learned >= older.holesFrom) return
    older.holesFrom = learned
    const amendment = this.#amendment(ino, older.sequence)
    amendment.holesFrom = Math.min(amendment.holesFrom, learned)
  }

  #dropKey(ino: number, cursor: CursorPlace, older: NewestVersion | undefined, moved: Set<number>): void {
    P.set(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
    const isBlock = isVersionBlock(cursor.buf, cursor.kp, cursor.kl)
    let stays = false
    if (isBlock && older?.hasBlocks === true) {
      const block = versionBlock(cursor.buf, cursor.kp)
      const length = versionBlockKey(K, ino, older.sequence, block)
      if (block * BLOCK < older.size && block < older.holesFrom && !moved.has(block)) {
        moved.add(block)
        stays = !this.#state.history.get(K, length)
        V.set(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
        if (stays) this.#session.historyPut(K, length, V, cursor.vl)
      }
    }
    if (!stays) this.report.bytes += isBlock ? blockBytes(cursor) : cursor.vl
    this.#session.historyDel(P, cursor.kl)
  }

  #visibleBefore(ino: number, sequence: number): NewestVersion | undefined {
    let found = versionBefore(this.#state.history, ino, sequence)
    while (found !== undefined && this.#past.isHidden(found.sequence)) found = versionBefore(this.#state.history, ino, found.sequence)
    return found
  }

  #sizeOf(ino: number, sequence: number): number {
    let bytes = 0
    const cursor = this.#state.history.cursor()
    let more = cursor.seek(K, versionKey(K, ino, sequence))
    while (more && cursor.kl >= VERSION_KEY_BYTES && cursor.buf[cursor.kp] === Tag.version && getIno(cursor.buf, cursor.kp + 1) === ino) {
      if (versionSequence(cursor.buf, cursor.kp) !== sequence) break
      bytes += isVersionBlock(cursor.buf, cursor.kp, cursor.kl) ? blockBytes(cursor) : cursor.vl
      more = cursor.next()
    }
    return bytes
  }

  #amendment(ino: number, sequence: number): Amendment {
    const key = `${ino}/${sequence}`
    const known = this.#amended.get(key)
    if (known !== undefined) return known
    const amendment = { skipped: 0, gap: false, holesFrom: Number.POSITIVE_INFINITY }
    this.#amended.set(key, amendment)
    return amendment
  }

  #flushAmended(): void {
    for (const [key, { skipped, gap, holesFrom }] of this.#amended) {
      const [ino, sequence] = key.split('/').map(Number)
      const { history } = this.#state
      const length = versionKey(K, ino, sequence)
      if (!history.get(K, length)) continue
      const record = decodeVersion(history.vb, history.vp, history.vl, attr)
      const content = Buffer.from(record.content)
      const head = { ...record, skipped: record.skipped + skipped, gap: record.gap || gap, holesFrom: Math.min(record.holesFrom, holesFrom) }
      const at = encodeVersion(V, attr, head, Buffer.from(record.actor))
      V.set(content, at)
      this.#session.historyPut(K, length, V, at + content.length)
    }
    this.#amended.clear()
  }

  #commit(): void {
    const result = this.#session.commit()
    if (result !== 0) throw refusedByDisk('Versions could not be pruned', result)
    this.#session.versions.forgetSaved()
  }
}

type CursorPlace = Pick<Cursor, 'buf' | 'kp' | 'kl' | 'vp' | 'vl'>

function blockBytes({ buf, vp, vl }: CursorPlace): number {
  return vl === 1 ? 1 : pointerLength(buf, vp + 1)
}

/** The state that an entry shows ended with it. */
function isOwn(entry: Entry): boolean {
  return entry.state !== undefined && entry.state.sequence === entry.sequence
}

/** An inode's last name went. */
function isLast(ended: Ended): boolean {
  return ended === Ended.deleted || ended === Ended.replaced
}

function byInode(entries: Entry[]): Map<number, Set<number>> {
  const found = new Map<number, Set<number>>()
  for (const { ino, sequence } of entries) {
    const sequences = found.get(ino) ?? new Set()
    found.set(ino, sequences.add(sequence))
  }
  return found
}
