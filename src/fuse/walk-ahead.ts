import { PageMiss } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Listed, listPlus, noListing } from './directory.js'
import { Exchange } from './exchange.js'
import { Frame } from './frame.js'
import { OUT_HEADER_BYTES } from './protocol.js'

/** Words of READDIR's offset and size. */
const OFFSET_LOW = 12
const OFFSET_HIGH = 13
const SIZE = 14

/** An answer that was made ahead. */
interface Made {
  readonly exchange: Exchange
  ino: number
  /** Of the answer; 0: making it failed, so that it is left to the request. */
  bytes: number
  listed: Listed
  /** How many directories were left when it was taken from them. */
  from: number
}

/**
 * The next listings of a program that walks through a tree, made while that one looks at what it has: walkers go depth first, in the order in which directories were
 * listed, and ask for one thing at a time. An answer that is here is only written. It is given only if nothing was changed since it was made.
 */
export class WalkAhead {
  readonly #asked: Exchange
  /** While listings are made nothing far away is waited for. */
  readonly #far: { store: { mayMiss?: boolean } } | undefined
  /** Directories that were named and not listed yet, the next one last. From `#from` on stand those that `#listed` named, the last that was listed, asked for or not. */
  readonly #left: number[] = []
  #from = 0
  #listed = 0
  /** Directories in a row that were expected. */
  #hits = 0
  /** Bytes asked for by the last request. */
  #size = 0
  /** Made, in the order in which they are expected, all of one state; and those to be used again. */
  #made: Made[] = []
  readonly #free: Made[] = []
  #changes: number | undefined
  /** Where the last listing that was given as a whole ended. */
  #end: { ino: number; high: number; low: number; changes: number | undefined } = { ino: 0, high: 0, low: 0, changes: undefined }

  /** @param asked the exchange of a mount's live view, without rules */
  constructor(asked: Exchange, far: { store: { mayMiss?: boolean } } | undefined) {
    this.#asked = asked
    this.#far = far
  }

  /** Puts the answer that was made for a request into its frame. @returns its bytes; 0: there is none */
  take(x: Exchange): number {
    const [first] = this.#made
    if (first === undefined || !isStart(x)) return 0
    const isHere = first.ino === x.ino && first.bytes > 0 && this.#size === x.in32[SIZE] && this.#changes === x.fs.session.changes
    if (!isHere) return 0
    const { exchange, bytes, listed } = first
    x.out.set(exchange.out.subarray(OUT_HEADER_BYTES, bytes), OUT_HEADER_BYTES)
    this.#made.shift()
    this.#free.push(first)
    this.#ended(x, listed)
    return x.ok(bytes - OUT_HEADER_BYTES)
  }

  /** The time of access of a directory that is asked for was set: no listing behind it is another for that. @param before `changes` before it */
  touched({ fs }: Exchange, before: number | undefined): void {
    const { changes } = fs.session
    if (this.#changes === before) this.#changes = changes
    if (this.#end.changes === before) this.#end.changes = changes
  }

  /** A listing was given that was not made ahead. */
  answered(x: Exchange, listed: Listed): void {
    const { ino } = x
    this.#size = x.in32[SIZE]
    this.#ended(x, listed)
    if (!isStart(x)) {
      // More of one directory: its own are gone into after those that it named before.
      if (ino === this.#listed) this.#add(listed.directories)
      return
    }
    this.#undo()
    const at = this.#left.lastIndexOf(ino)
    this.#hits = at < 0 ? 0 : this.#hits + 1
    this.#left.length = Math.max(at, 0)
    this.#begin(ino, listed.directories)
  }

  /** Whether all of a directory was given up to the offset of a request. */
  isAtEnd({ ino, in32, fs }: Exchange): boolean {
    const end = this.#end
    return end.ino === ino && end.low === in32[OFFSET_LOW] && end.high === in32[OFFSET_HIGH] && end.changes !== undefined && end.changes === fs.session.changes
  }

  /** Makes the answer that is expected after those that are made, where a walk is seen. @returns false when there is nothing to make */
  make(): boolean {
    const { changes } = this.#asked.live.session
    if (changes !== this.#changes) this.#undo()
    this.#changes = changes
    const ino = this.#left[this.#left.length - 1]
    const last = this.#made[this.#made.length - 1]
    if (ino === undefined || this.#hits < limits.fuseAheadHits || this.#size > limits.fuseAheadBytes) return false
    // What comes behind one that is not here, or not here as a whole, nobody knows.
    if (this.#made.length === limits.fuseAheadListings || (last !== undefined && !last.listed.isAll)) return false
    this.#left.pop()
    const made = this.#make(ino)
    this.#made.push(made)
    this.#begin(ino, made.listed.directories)
    return true
  }

  #make(ino: number): Made {
    const { live, options } = this.#asked
    const made = this.#free.pop() ?? { exchange: new Exchange(new Frame(limits.fuseAheadBytes), live, options), ino, bytes: 0, listed: noListing(), from: 0 }
    made.ino = ino
    made.bytes = 0
    made.from = this.#left.length
    made.listed = noListing()
    if (this.#far !== undefined) this.#far.store.mayMiss = true
    try {
      this.#list(made)
    } catch (error) {
      // The request itself will hear of it. What is far away begins to come.
      made.listed = noListing()
      if (error instanceof PageMiss) error.whenHere(() => undefined)
    } finally {
      if (this.#far !== undefined) this.#far.store.mayMiss = false
    }
    return made
  }

  #list(made: Made): void {
    const x = made.exchange
    x.ino = made.ino
    x.negotiated = this.#asked.negotiated
    x.in32[OFFSET_LOW] = x.in32[OFFSET_HIGH] = 0
    x.in32[SIZE] = this.#size
    const bytes = listPlus(x, made.listed)
    if (x.outI32[1] === 0) made.bytes = bytes
  }

  #ended({ ino, fs }: Exchange, { isAll, high, low }: Listed): void {
    if (isAll) this.#end = { ino, high, low, changes: fs.session.changes }
  }

  #begin(ino: number, directories: number[]): void {
    this.#listed = ino
    this.#from = this.#left.length
    this.#add(directories)
  }

  #add(directories: number[]): void {
    this.#from = Math.min(this.#from, this.#left.length)
    if (this.#left.length + directories.length > limits.fuseAheadDirectories) this.#left.length = this.#from = 0
    this.#left.splice(this.#from, 0, ...directories.reverse())
  }

  /** What was made is not asked for, or does not hold any more: it is left again. */
  #undo(): void {
    for (let made = this.#made.pop(); made !== undefined; made = this.#made.pop()) {
      this.#left.length = Math.min(made.from, this.#left.length)
      this.#left.push(made.ino)
      this.#free.push(made)
    }
  }
}

function isStart({ in32 }: Exchange): boolean {
  return in32[OFFSET_LOW] === 0 && in32[OFFSET_HIGH] === 0
}
