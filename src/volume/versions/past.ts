import {
  Attr,
  type DirHash,
  decodeAttr,
  decodePastName,
  decodePrunedName,
  decodeVersion,
  direntKey,
  Ended,
  getIno,
  inodeKey,
  MAX_KEY_BYTES,
  type PastName,
  pastNameKey,
  prunedStateKey,
  SEQUENCE_BYTES,
  Tag,
  VERSION_KEY_BYTES,
  type VersionRecord,
  versionKey,
  versionSequence,
} from '../../codec/index.js'
import { isDirectory } from '../../codec/mode.js'
import { CorruptError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import { type HiddenWindow, windowAt, windowsIn } from '../windows.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const attr = new Attr()
export const NEVER = Number.MAX_SAFE_INTEGER

/** A saved state of an inode. */
export interface PastState {
  ino: number
  sequence: number
  record: Omit<VersionRecord, 'content'>
  size: number
  mode: number
  uid: number
  gid: number
  mtimeMs: number
  ctimeMs: number
}

/** The end of what a name meant. */
export interface PastEnd extends PastName {
  sequence: number
}

/** A state that was pruned, of a file that has or had several names: it counts in the lines of all of them. */
export interface PrunedState {
  sequence: number
  /** With those before it that count in the same lines. */
  count: number
}

/** One version in the line of a path. */
export interface Entry {
  number: number
  ino: number
  /** When it ended; `NEVER`: it is current. */
  sequence: number
  /** The state that holds its content; undefined: the inode as it is now. */
  state: PastState | undefined
  /** Its content was pruned: it only counts. */
  isLost: boolean
  /** It stands for states that were pruned. */
  isMark: boolean
  skipped: number
  ended: Ended
  actor: string
  /** The name that ended with it. */
  end: PastEnd | undefined
  parent: number
  name: string
}

/** A directory that a path led to until `until`. */
export interface Place {
  ino: number
  until: number
}

/** What the history knows of the states of inodes and of what names meant, beside the tree as it is now. Reads only. */
export class Past {
  readonly tree: BTree
  readonly history: BTree
  readonly #hash: DirHash
  readonly #windows: readonly HiddenWindow[]

  constructor(tree: BTree, history: BTree, hash: DirHash) {
    this.tree = tree
    this.history = history
    this.#hash = hash
    this.#windows = windowsIn(history)
  }

  /** Whether a version does not count: it ended between the state that a fork was made from and the fork. */
  isHidden(sequence: number): boolean {
    return this.#windows.length > 0 && windowAt(this.#windows, sequence / 1000) !== undefined
  }

  /** The versions of a path that can be read, the oldest first, the current one last. @param path from the root, one char per byte */
  list(path: string): Entry[] {
    const parts = partsOf(path)
    const name = parts.pop()
    if (name === undefined) return []
    const entries: Entry[] = []
    let number = 0
    for (const { ino, until } of this.#placesOf(parts)) number = this.#addLine(entries, number, ino, name, until)
    return entries.filter(entry => !entry.isLost)
  }

  /** What a name in one directory meant, the oldest first, lost versions too. */
  line(parent: number, name: string): Entry[] {
    const entries: Entry[] = []
    this.#addLine(entries, 0, parent, name, NEVER)
    return entries
  }

  /** Directories that a path led to, the present one last. */
  places(path: string): Place[] {
    return this.#placesOf(partsOf(path))
  }

  #placesOf(parts: readonly string[]): Place[] {
    let places: Place[] = [{ ino: 1, until: NEVER }]
    for (const part of parts) places = this.#placesIn(places, part)
    return places
  }

  /** Directories of this name, those of the past first. */
  #placesIn(above: Place[], name: string): Place[] {
    const found = new Map<number, number>()
    const add = (ino: number, until: number): void => {
      const longest = Math.max(until, found.get(ino) ?? 0)
      found.delete(ino)
      found.set(ino, longest)
    }
    for (const { ino, until } of above) {
      for (const end of this.ends(ino, name)) if (end.isDirectory && end.sequence <= until) add(end.ino, end.sequence)
      const now = this.entry(ino, name)
      if (now !== 0 && this.#isDirectory(now)) add(now, until)
    }
    return [...found].slice(-limits.versionDirectories).map(([ino, until]) => ({ ino, until }))
  }

  /** Adds what `name` meant in `parent` until `until`. Returns the number of the last one. */
  #addLine(entries: Entry[], number: number, parent: number, name: string, until: number): number {
    const line = new Line(this, parent, name, number + this.pruned(parent, name), entries)
    for (const end of this.ends(parent, name)) if (end.sequence <= until) line.end(end)
    const ino = this.entry(parent, name)
    if (ino !== 0) line.live(ino, until)
    return line.number
  }

  /** The inode that a name means now; 0: none. */
  entry(parent: number, name: string): number {
    this.#hash.of(name)
    const { tree } = this
    return tree.get(K, direntKey(K, parent, this.#hash.high, this.#hash.low, name)) ? getIno(tree.vb, tree.vp) : 0
  }

  /** Attributes of an inode as it is now; filled again by the next call. */
  attr(ino: number): Attr | undefined {
    const { tree } = this
    return tree.get(K, inodeKey(K, Tag.attr, ino)) ? decodeAttr(tree.vb, tree.vp, attr) : undefined
  }

  #isDirectory(ino: number): boolean {
    return isDirectory(this.attr(ino)?.mode ?? 0)
  }

  /** How many versions at the start of a line were pruned. */
  pruned(parent: number, name: string): number {
    const { history } = this
    if (!history.get(K, pastNameKey(K, parent, name))) return 0
    return decoded(`name in inode ${parent}`, () => decodePrunedName(history.vb, history.vp, history.vl))
  }

  /** All ends of a name, the oldest first. */
  ends(parent: number, name: string): PastEnd[] {
    const found: PastEnd[] = []
    const cursor = this.history.cursor()
    const prefix = pastNameKey(K, parent, name)
    const wanted = Buffer.from(K.subarray(0, prefix))
    let more = cursor.seek(wanted, prefix)
    while (more && cursor.kl >= prefix && wanted.compare(cursor.buf, cursor.kp, cursor.kp + prefix) === 0) {
      if (cursor.kl === prefix + SEQUENCE_BYTES) {
        const sequence = getIno(cursor.buf, cursor.kp + prefix)
        const { buf, vp, vl } = cursor
        if (!this.isHidden(sequence)) found.push({ ...decoded(`name in inode ${parent}`, () => decodePastName(buf, vp, vl)), sequence })
      }
      more = cursor.next()
    }
    return found
  }

  /** Saved states of an inode with sequences from `from` to `to`, the oldest first. */
  states(ino: number, from: number, to: number): PastState[] {
    const found: PastState[] = []
    this.#walkStates(ino, from, state => {
      if (state.sequence > to) return false
      found.push(state)
      return true
    })
    return found
  }

  /** The state that an inode had at `sequence`: undefined when that is how it is now, null when it was pruned or is gone. */
  stateAt(ino: number, sequence: number): PastState | undefined | null {
    let found: PastState | undefined
    this.#walkStates(ino, sequence, state => {
      found = state
      return false
    })
    if (this.#wasPruned(ino, sequence, found?.sequence ?? NEVER)) return null
    if (found === undefined) return this.attr(ino) === undefined ? null : undefined
    return found.sequence !== sequence && found.record.gap ? null : found
  }

  #wasPruned(ino: number, from: number, to: number): boolean {
    return this.prunedStates(ino, from, to).length > 0
  }

  /** What was pruned of an inode between two sequences, both of them too. */
  prunedStates(ino: number, from: number, to: number): PrunedState[] {
    const found: PrunedState[] = []
    const cursor = this.history.cursor()
    let more = cursor.seek(K, prunedStateKey(K, ino, from))
    while (more && cursor.buf[cursor.kp] === Tag.prunedState && getIno(cursor.buf, cursor.kp + 1) === ino) {
      const sequence = versionSequence(cursor.buf, cursor.kp)
      if (sequence > to) break
      const { buf, vp, vl } = cursor
      if (!this.isHidden(sequence)) found.push({ sequence, count: decoded(`inode ${ino}`, () => decodePrunedName(buf, vp, vl)) })
      more = cursor.next()
    }
    return found
  }

  #walkStates(ino: number, from: number, visit: (state: PastState) => boolean): void {
    const cursor = this.history.cursor()
    let more = cursor.seek(K, versionKey(K, ino, from))
    while (more && cursor.buf[cursor.kp] === Tag.version && getIno(cursor.buf, cursor.kp + 1) === ino) {
      if (cursor.kl === VERSION_KEY_BYTES) {
        const sequence = versionSequence(cursor.buf, cursor.kp)
        const { buf, vp, vl } = cursor
        const { content: _content, ...record } = decoded(`inode ${ino}`, () => decodeVersion(buf, vp, vl, attr))
        const state = {
          ino,
          sequence,
          record,
          size: attr.size,
          mode: attr.mode,
          uid: attr.uid,
          gid: attr.gid,
          mtimeMs: attr.mtimeS * 1000 + attr.mtimeNs / 1e6,
          ctimeMs: attr.ctimeS * 1000 + attr.ctimeNs / 1e6,
        }
        if (!this.isHidden(sequence) && !visit(state)) return
      }
      more = cursor.next()
    }
  }
}

/** Puts the versions of one name in one directory into a list. */
class Line {
  number: number
  readonly #past: Past
  readonly #parent: number
  readonly #name: string
  /** What the next file had before this was under another name, a temporary one. */
  #since = 0
  readonly #shown = new Map<number, number>()
  readonly #entries: Entry[]

  constructor(past: Past, parent: number, name: string, number: number, entries: Entry[]) {
    this.#past = past
    this.#parent = parent
    this.#name = name
    this.number = number
    this.#entries = entries
  }

  end(end: PastEnd): void {
    const { ino, sequence, ended } = end
    if (end.dropped) {
      this.number += end.skipped
    } else {
      const last = this.#states(ino, sequence)
      const entry = this.#entries.at(-1)
      if (last === sequence && entry !== undefined) {
        this.number += end.skipped
        Object.assign(entry, { ended, actor: end.actor, end, number: this.number, skipped: entry.skipped + end.skipped })
      } else this.#asOf(end)
    }
    this.#shown.set(ino, sequence)
    this.#since = ended === Ended.replaced ? sequence : 0
  }

  /** The name went and the file lived on: what it was then is in its next state. */
  #asOf(end: PastEnd): void {
    const state = this.#past.stateAt(end.ino, end.sequence)
    const { ino, sequence, ended, actor, skipped } = end
    this.#push({ ino, sequence, state: state ?? undefined, isLost: state === null, isMark: false, ended, actor, end, skipped })
  }

  /** The file that has the name now; until `until` it could be reached by the path. */
  live(ino: number, until: number): void {
    this.#states(ino, until)
    const a = this.#past.attr(ino)
    if (a === undefined) return
    const one = { ino, sequence: until, actor: '', end: undefined, skipped: 0 }
    if (until === NEVER) this.#push({ ...one, state: undefined, isLost: false, isMark: false, ended: Ended.modified })
    else if (a.btimeS * 1e6 <= until) {
      const state = this.#past.stateAt(ino, until)
      this.#push({ ...one, state: state ?? undefined, isLost: state === null, isMark: false, ended: Ended.renamed })
    }
  }

  /** Returns the sequence of the last one; 0: there are none. */
  #states(ino: number, until: number): number {
    const after = Math.max(this.#since, this.#shown.get(ino) ?? 0)
    const pruned = this.#past.prunedStates(ino, after + 1, until)
    let next = 0
    let last = 0
    for (const state of this.#past.states(ino, after + 1, until)) {
      while (next < pruned.length && pruned[next].sequence < state.sequence) this.#pushPruned(ino, pruned[next++])
      const { ended, actor, skipped } = state.record
      this.#push({ ino, sequence: state.sequence, state, isLost: false, isMark: false, ended, actor, end: undefined, skipped })
      last = state.sequence
    }
    while (next < pruned.length) {
      last = Math.max(last, pruned[next].sequence)
      this.#pushPruned(ino, pruned[next++])
    }
    return last
  }

  #pushPruned(ino: number, { sequence, count }: PrunedState): void {
    this.#push({ ino, sequence, state: undefined, isLost: true, isMark: true, ended: Ended.modified, actor: '', end: undefined, skipped: count - 1 })
  }

  #push(entry: Omit<Entry, 'parent' | 'name' | 'number'>): void {
    this.number += 1 + entry.skipped
    this.#entries.push({ ...entry, parent: this.#parent, name: this.#name, number: this.number })
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter(part => part !== '')
}

function decoded<T>(object: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof RangeError) throw new CorruptError(object, `a version is malformed: ${error.message}`)
    throw error
  }
}
