import { POINTER_BYTES, pointerOffset, Tag } from '../../codec/index.js'
import { CairnError, CorruptError } from '../../errors.js'
import type { Packs } from '../../store/packs.js'
import { limits } from '../../sys/index.js'
import { describePointer } from '../../tree/cache.js'
import { findDamage, MAX_LEVEL, pageCount, pageLevel } from '../../tree/encode.js'
import { CELL_HEADER_BYTES, cellAt, keyLengthAt, pointerAt, valueLengthAt } from '../../tree/page.js'
import { Mark, type Marks } from './marks.js'
import { SegmentSet } from './segment-set.js'

/** Records that can name other segments; a leaf of any other kind is marked without being read. */
const naming: ReadonlySet<number> = new Set([Tag.extent, Tag.commit, Tag.version])
const known: ReadonlySet<number> = new Set(Object.values(Tag))
/** Before and behind every tag. */
const NO_TAG = 0
const BEHIND_TAGS = 256

/** Gets each record that can name other segments; its bytes are valid during the call. Returns the stored bytes that it adds to the tree's. */
export type RecordVisitor = (b: Buffer, kp: number, kl: number, vp: number, vl: number) => number

/** An inner page whose children are being walked. */
class Frame {
  readonly #room = Buffer.alloc(limits.pageBytes)
  readonly pointer = Buffer.alloc(POINTER_BYTES)
  page = this.#room
  set = new SegmentSet()
  level = 0
  count = 0
  next = 0
  /** Tag of the first key below it, as far as is known, and of the first key behind it. */
  low = 0
  high = 0
  /** Bytes of it and of what was walked below it. */
  sum = 0

  fill(page: Uint8Array, set: SegmentSet, bytes: number, low: number, high: number): void {
    this.#room.set(page, 0)
    this.page = this.#room.subarray(0, page.length)
    this.set = set
    this.level = pageLevel(page)
    this.count = pageCount(page)
    this.next = 0
    this.low = low
    this.high = high
    this.sum = bytes
  }

  /** First byte of the key of cell `i`; the first cell has none. */
  tag(i: number): number {
    return i === 0 ? this.low : i === this.count ? this.high : this.page[cellAt(this.page, i) + CELL_HEADER_BYTES]
  }
}

/**
 * Marks all pages of a tree, and has the records that name other segments visited. What was marked before by the same volume, or by
 * two, is not walked again, so that a walk costs what is new.
 */
export class TreeWalk {
  pagesRead = 0
  readonly #packs: Packs
  readonly #marks: Marks
  readonly #frames = Array.from({ length: MAX_LEVEL + 1 }, () => new Frame())
  readonly #leaf = Buffer.alloc(limits.pageBytes)
  #depth = 0
  #owner = 0
  #isHistory = false
  #visit: RecordVisitor = () => 0

  constructor(packs: Packs, marks: Marks) {
    this.#packs = packs
    this.#marks = marks
  }

  /**
   * One tree at a time; yields every few pages.
   * @param pointer of the root page
   * @returns bytes of the tree and of all that its records name
   * @throws CorruptError when a page cannot be read: what it names is not known then; CairnError ERR_FORMAT
   */
  *run(pointer: Uint8Array, owner: number, isHistory: boolean, visit: RecordVisitor): Generator<void, number> {
    this.#depth = 0
    this.#owner = owner
    this.#isHistory = isHistory
    this.#visit = visit
    let sum = this.#enter(pointer, 0, -1, NO_TAG, BEHIND_TAGS)
    for (let steps = 1; this.#depth > 0; steps++) {
      const frame = this.#frames[this.#depth - 1]
      if (frame.next < frame.count) this.#child(frame, frame.next++)
      else sum = this.#leave(frame)
      if (steps % limits.gcPagesPerStep === 0) yield
    }
    return sum
  }

  #child(frame: Frame, i: number): void {
    frame.sum += this.#enter(frame.page, pointerAt(frame.page, i), frame.level - 1, frame.tag(i), frame.tag(i + 1))
  }

  #leave(frame: Frame): number {
    frame.set.setSum(frame.set.find(pointerOffset(frame.pointer, 0)), frame.sum)
    this.#depth--
    if (this.#depth > 0) this.#frames[this.#depth - 1].sum += frame.sum
    return frame.sum
  }

  /** Marks one page. Returns its bytes and those below it; 0 when its children come next, and it is added when they are done. */
  #enter(from: Uint8Array, at: number, level: number, low: number, high: number): number {
    const found = this.#marks.mark(from, at, this.#owner, this.#isHistory)
    const { set, slot } = this.#marks
    if (found === Mark.known) return set.sum(slot)
    const bytes = set.length(slot)
    set.setSum(slot, bytes)
    if (level === 0 && low === high && !naming.has(low)) return checked(low, bytes)
    const page = this.#read(from, at, level)
    if (pageLevel(page) === 0) return this.#records(page, set, pointerOffset(from, at), bytes)
    const frame = this.#frames[this.#depth++]
    frame.pointer.set(from.subarray(at, at + POINTER_BYTES))
    frame.fill(page, set, bytes, low, high)
    return 0
  }

  #read(pointer: Uint8Array, at: number, level: number): Uint8Array {
    const page = this.#packs.readPage(pointer, at)
    this.pagesRead++
    let damage = findDamage(page)
    if (damage === '' && level >= 0 && pageLevel(page) !== level) damage = `a page of level ${pageLevel(page)} where ${level} is expected`
    if (damage !== '') throw new CorruptError(describePointer(pointer, at), damage)
    return page
  }

  /** A leaf: its records are of one kind. */
  #records(page: Uint8Array, set: SegmentSet, offset: number, bytes: number): number {
    const count = pageCount(page)
    if (count === 0) return bytes
    const b = this.#leaf.subarray(0, page.length)
    b.set(page)
    const tag = b[cellAt(b, 0) + CELL_HEADER_BYTES]
    let sum = checked(tag, bytes)
    if (!naming.has(tag)) return sum
    for (let i = 0; i < count; i++) {
      const p = cellAt(b, i)
      const kl = keyLengthAt(b, p)
      const kp = p + CELL_HEADER_BYTES
      sum += this.#visit(b, kp, kl, kp + kl, valueLengthAt(b, p))
    }
    set.setSum(set.find(offset), sum)
    return sum
  }
}

/** A record of a kind that this version does not know might name anything. */
function checked(tag: number, bytes: number): number {
  if (known.has(tag)) return bytes
  throw new CairnError('ERR_FORMAT', `A volume of the store has records of the unknown kind ${tag}.`, 'Collect with the version of cairn that wrote them.')
}
