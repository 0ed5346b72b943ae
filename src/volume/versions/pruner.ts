import {
  Attr,
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
  prunedStateKey,
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
import { type Entry, NEVER, Past, type PastEnd } from './past.js'
import { dropped, type PruneRule } from './retention.js'
import { type SeveralNames, severalNames } from './several-names.js'

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
  #names: SeveralNames = { several: new Set(), lost: new Set() }

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
    this.#names = yield* severalNames(this.#state.history)
    yield* this.#pastNames()
    yield* this.#inodes()
    yield* this.#prunedStates()
    return this.report
  }

  /** Lines of names that meant something else before. */
  *#pastNames(): Generator<void> {
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

  /** What was pruned of files that have one name by now, and of those that no name leads to any more. */
  *#prunedStates(): Generator<void> {
    let ino = 0
    for (;;) {
      this.#past = this.#look()
      const cursor = this.#state.history.cursor()
      if (!cursor.seek(K, inodeKey(K, Tag.prunedState, ino + 1)) || cursor.buf[cursor.kp] !== Tag.prunedState) return
      ino = getIno(cursor.buf, cursor.kp + 1)
      const home = this.#homeOf(ino)
      if (home !== undefined && !this.#hasSeveral(ino)) yield* this.#line(home.parent, home.name)
      else if (this.#past.attr(ino) === undefined && !this.#names.lost.has(ino)) this.#forget(ino)
      yield
    }
  }

  #forget(ino: number): void {
    if (this.#dryRun) return
    this.#session.look()
    for (const { sequence } of this.#past.prunedStates(ino, 0, NEVER)) this.#session.historyDel(K, prunedStateKey(K, ino, sequence))
    this.#commit()
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
    this.report.versions += past.filter(entry => !entry.isLost).length
    const gone = this.#goneOf(past)
    const endedHere = new Set(past.filter(entry => isOwn(entry) && isLast(entry.ended)).map(entry => entry.ino))
    // What belongs to the line of another name goes with that one.
    const isHome = (entry: Entry): boolean => this.#isHome(entry, endedHere)
    const kept = entries.findIndex(entry => !gone.has(entry))
    const first = kept < 0 ? entries.length : kept
    for (let i = 0; i < first; i += limits.pruneAtOnce) {
      this.#dropFirst(entries.slice(i, Math.min(first, i + limits.pruneAtOnce)), isHome)
      yield
    }
    yield* this.#dropAmong(entries, first, entry => gone.has(entry) && isOwn(entry) && isHome(entry))
  }

  /** What was lost before goes in any case, and does not count as one that is kept. */
  #goneOf(past: Entry[]): Set<Entry> {
    const gone = dropped(
      past.filter(entry => !entry.isLost),
      this.#rule,
      this.#nowMs,
    )
    for (const entry of past) if (entry.isLost) gone.add(entry)
    return gone
  }

  #isHome({ ino, parent, name }: Entry, endedHere: ReadonlySet<number>): boolean {
    const home = this.#homeOf(ino)
    return home === undefined ? endedHere.has(ino) : home.parent === parent && home.name === name
  }

  /** Whether other lines may show states of an inode. */
  #hasSeveral(ino: number): boolean {
    const { several, lost } = this.#names
    if (several.has(ino)) return true
    const a = this.#past.attr(ino)
    return a !== undefined && (lost.has(ino) || a.nlink > 1 || a.ctimeS * 1000 + a.ctimeNs / 1e6 > this.#nowMs)
  }

  /** States of an inode that has no name, or whose name is not known: those that ended with one were in its line. */
  *#lost(ino: number): Generator<void> {
    const states = this.#past.states(ino, 0, NEVER)
    if (states.some(({ record }) => isLast(record.ended))) return
    this.report.versions += states.length
    const gone = [
      ...dropped(
        states.map(state => ({ ...state, isLost: false })),
        this.#rule,
        this.#nowMs,
      ),
    ]
    const hasNames = this.#past.attr(ino) !== undefined
    for (let i = 0; i < gone.length; i += limits.pruneAtOnce) {
      const run = gone.slice(i, i + limits.pruneAtOnce)
      this.report.dropped += run.length
      if (this.#dryRun) for (const { sequence } of run) this.report.bytes += this.#sizeOf(ino, sequence)
      else {
        this.#session.look()
        this.#dropStates(ino, new Set(run.map(({ sequence }) => sequence)))
        if (hasNames) for (const { sequence, record } of run) this.#mark(ino, sequence, 1 + record.skipped)
        this.#finish()
      }
      yield
    }
  }

  /** Drops entries that nothing which is kept stands before in their line: it begins with a higher number from then on. */
  #dropFirst(run: Entry[], isHome: (entry: Entry) => boolean): void {
    // With an end goes all before it from the line, also what other lines have still.
    const last = run.findLastIndex(entry => entry.end !== undefined)
    const own = run.filter(entry => isOwn(entry) && isHome(entry))
    this.report.dropped += own.length + run.filter((entry, i) => i <= last && !isOwn(entry) && !entry.isLost).length
    if (this.#plansOnly(own)) return
    this.#session.look()
    this.#dropOwn(own)
    const behind = run[run.length - 1]
    const isPlain = last < run.length - 1 && isHome(behind) && !this.#hasSeveral(behind.ino)
    for (const entry of run) if (entry.isMark && isHome(entry) && !this.#hasSeveral(entry.ino)) this.#unmark(entry)
    const counted = isPlain ? behind : run[last]
    if (counted !== undefined) this.#beginAfter(counted)
    this.#finish()
  }

  #plansOnly(own: Entry[]): boolean {
    if (this.#dryRun) for (const { ino, sequence } of own) this.report.bytes += this.#sizeOf(ino, sequence)
    return this.#dryRun
  }

  /** Drops states; those that other lines may show count on in these. */
  #dropOwn(own: Entry[]): void {
    for (const [ino, sequences] of byInode(own)) this.#dropStates(ino, sequences)
    for (const { ino, sequence, state } of own) if (state !== undefined && this.#hasSeveral(ino)) this.#mark(ino, sequence, 1 + state.record.skipped)
  }

  /** The line of an entry's name begins behind it. */
  #beginAfter({ parent, name, sequence, number }: Entry): void {
    const value = encodePrunedName(number)
    this.#session.historyPut(K, pastNameKey(K, parent, name), value, value.length)
    const ends = this.#past.ends(parent, name)
    const [before, after] = [ends.filter(end => end.sequence <= sequence), ends.filter(end => end.sequence > sequence)]
    const inodes = [...after.map(end => end.ino), this.#past.entry(parent, name)]
    for (const [i, end] of before.entries()) {
      const next = i === before.length - 1 && end.ended === Ended.replaced ? [inodes[0]] : []
      const again = before.slice(i + 1).some(later => later.ino === end.ino) ? [] : inodes.filter(ino => ino === end.ino)
      const hides = [...next, ...again].some(ino => ino !== 0 && this.#hasStates(ino, end.sequence))
      this.#putEnd(parent, name, end, hides ? 0 : undefined)
    }
  }

  #hasStates(ino: number, until: number): boolean {
    return this.#past.states(ino, 0, until).length > 0 || this.#past.prunedStates(ino, 0, until).length > 0
  }

  /** Leaves of an end what it hides, and how many it counts for; or nothing. */
  #putEnd(parent: number, name: string, end: PastEnd, skipped: number | undefined): void {
    const length = withSequence(K, pastNameKey(K, parent, name), end.sequence)
    if (skipped === undefined) this.#session.historyDel(K, length)
    else this.#session.historyPut(K, length, V, putPastName(V, { ...end, dropped: true, skipped }))
  }

  /** Drops states between or behind others that are kept. */
  *#dropAmong(entries: Entry[], from: number, goes: (entry: Entry) => boolean): Generator<void> {
    for (let i = from; i < entries.length; ) {
      if (!goes(entries[i])) {
        i++
        continue
      }
      const start = i
      const several = this.#hasSeveral(entries[i].ino)
      while (i < entries.length && i - start < limits.pruneAtOnce && goes(entries[i]) && this.#hasSeveral(entries[i].ino) === several) i++
      const run = entries.slice(start, i)
      this.report.dropped += run.length
      if (!this.#plansOnly(run)) {
        this.#session.look()
        this.#dropOwn(run)
        if (!several) this.#countOn(run, isWithin(entries, start, goes), entries[i])
        this.#finish()
      }
      yield
    }
  }

  /**
   * States that went count on in what is behind them.
   * @param isWithin what the name meant then has states before the first one that stay
   */
  #countOn(run: Entry[], isWithin: boolean, next: Entry | undefined): void {
    let rest = run
    const first = run.findIndex(entry => entry.end !== undefined)
    if (isWithin && first >= 0) {
      // This end shows those that stay.
      this.#skipInEnd(run[first], sum(run.slice(0, first + 1)) - 1)
      rest = run.slice(first + 1)
    }
    const last = rest.findLastIndex(entry => entry.end !== undefined)
    for (const [i, { parent, name, end }] of rest.entries())
      if (end !== undefined) this.#putEnd(parent, name, end, i === last ? sum(rest.slice(0, last + 1)) : undefined)
    rest = rest.slice(last + 1)
    if (rest.length === 0) return
    const count = sum(rest)
    const { ino, sequence } = rest[rest.length - 1]
    if (next === undefined || (next.end === undefined && !isOwn(next))) {
      this.#mark(ino, sequence, count)
      return
    }
    if (next.end !== undefined) this.#skipInEnd(next, next.end.skipped + count)
    else {
      this.#amendment(next.ino, next.sequence).skipped += count
      if (next.state !== undefined) next.state.record.skipped += count
    }
    next.skipped += count
  }

  #skipInEnd({ parent, name, end }: Entry, count: number): void {
    if (end === undefined) return
    end.skipped = count
    this.#session.historyPut(K, withSequence(K, pastNameKey(K, parent, name), end.sequence), V, putPastName(V, end))
  }

  #mark(ino: number, sequence: number, count: number): void {
    const value = encodePrunedName(count)
    this.#session.historyPut(K, prunedStateKey(K, ino, sequence), value, value.length)
  }

  #unmark({ ino, sequence }: Entry): void {
    this.#session.historyDel(K, prunedStateKey(K, ino, sequence))
  }

  #finish(): void {
    this.#flushAmended()
    this.#commit()
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

/** Whether what the name meant at `at` has states before that stay. */
function isWithin(entries: Entry[], at: number, goes: (entry: Entry) => boolean): boolean {
  for (let i = at - 1; i >= 0 && entries[i].end === undefined; i--) if (!goes(entries[i])) return true
  return false
}

function sum(entries: Entry[]): number {
  return entries.reduce((count, { skipped }) => count + 1 + skipped, 0)
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
