import { POINTER_BYTES } from '../codec/index.js'
import { assert } from '../sys/index.js'
import type { PageCache } from './cache.js'
import { encodePage } from './encode.js'
import { bytesOf, PAGE_BYTES, type Page, pointerAt } from './page.js'
import type { PageSink, Sealer } from './tree.js'

const scratch = Buffer.allocUnsafeSlow(PAGE_BYTES)

/**
 * Writes the dirty pages of one frozen state bottom-up, in slices.
 *
 * What it wrote counts as clean only when the seal is kept: by itself with the last step, or by `keep()` when it was begun
 * with `hold`. Until then another tree that shares these pages writes them again rather than trust an unfinished pack.
 * A `step` whose sink throws may be called again; or `discard()` makes all pages dirty as they were.
 */
export class Sealing implements Sealer {
  pagesWritten = 0
  /** Kept or discarded. */
  ended = false
  readonly #cache: PageCache
  readonly #root: Page
  readonly #sink: PageSink
  readonly #hold: boolean
  readonly #onEnd: (kept: boolean) => void
  /** Pages being written, from the root down, and the next child of each to look at. */
  readonly #stack: Page[] = []
  readonly #next: number[] = []
  /** What was written so far, and where to. */
  readonly #written = new Map<Page, Uint8Array>()

  constructor(cache: PageCache, root: Page, sink: PageSink, hold: boolean, onEnd: (kept: boolean) => void) {
    this.#cache = cache
    this.#root = root
    this.#sink = sink
    this.#hold = hold
    this.#onEnd = onEnd
    if (this.#isDirty(root)) this.#push(root)
  }

  /** Writes at most `pages` pages; true when all are written. Costs a hash of 8 KiB and what the sink does for each. */
  step(pages: number): boolean {
    assert(!this.ended || this.#stack.length === 0, 'a discarded seal goes on')
    const done = this.#writePages(pages)
    this.#sink.flush?.()
    if (done && !this.#hold && !this.ended) this.keep()
    return done
  }

  #writePages(pages: number): boolean {
    let left = pages
    while (this.#stack.length > 0) {
      if (left <= 0) return false
      const kid = this.#nextDirtyKid()
      if (kid !== undefined) {
        this.#push(kid)
        continue
      }
      this.#write(this.#stack[this.#stack.length - 1])
      this.#stack.pop()
      this.#next.pop()
      left--
    }
    return true
  }

  /** The root's pointer once all is written, until `discard()`. */
  get root(): Uint8Array {
    const { ptr, ptrAt } = this.#root
    const pointer = ptr === null ? this.#written.get(this.#root) : ptr.slice(ptrAt, ptrAt + POINTER_BYTES)
    assert(pointer !== undefined && this.#stack.length === 0, 'the root of an unfinished seal')
    return pointer
  }

  /** What was written stays: its pages are clean for all trees, and may leave memory, so the source must be able to read them. */
  keep(): void {
    if (this.ended) return
    assert(this.#stack.length === 0, 'an unfinished seal is kept')
    this.#end(true)
    for (const [page, pointer] of this.#written) {
      // Another seal that wrote it may have been kept before.
      if (page.ptr !== null) continue
      this.#cache.setPointer(page, pointer, 0)
      this.#cache.adopt(page)
    }
    this.#written.clear()
  }

  /** What was written is lost: its pages stay dirty. A no-op after `keep`. */
  discard(): void {
    if (this.ended) return
    this.#written.clear()
    this.#stack.length = 0
    this.#end(false)
  }

  #end(kept: boolean): void {
    this.ended = true
    this.#onEnd(kept)
  }

  #isDirty(page: Page): boolean {
    return page.ptr === null && !this.#written.has(page)
  }

  #push(page: Page): void {
    this.#stack.push(page)
    this.#next.push(0)
  }

  #nextDirtyKid(): Page | undefined {
    const depth = this.#stack.length - 1
    const kids = this.#stack[depth].kids
    if (kids === null) return undefined
    for (let i = this.#next[depth]; i < kids.length; i++) {
      const kid = kids[i]
      if (kid !== undefined && this.#isDirty(kid)) {
        this.#next[depth] = i + 1
        return kid
      }
    }
    this.#next[depth] = kids.length
    return undefined
  }

  #write(page: Page): void {
    // The seal of a fork that shares it may have been kept since it was pushed.
    if (!this.#isDirty(page)) return
    if (page.kids !== null) this.#fillPointers(page, page.kids)
    const length = encodePage(page, scratch)
    const pointer = new Uint8Array(POINTER_BYTES)
    this.#sink.writePage(scratch.subarray(0, length), pointer, 0)
    this.#written.set(page, pointer)
    this.pagesWritten++
  }

  #fillPointers(page: Page, kids: Array<Page | undefined>): void {
    const b = bytesOf(page)
    for (let i = 0; i < kids.length; i++) {
      const kid = kids[i]
      if (kid === undefined) continue
      const from = kid.ptr ?? this.#written.get(kid)
      assert(from !== undefined, 'a page is sealed before its child')
      const start = kid.ptr === null ? 0 : kid.ptrAt
      const at = pointerAt(b, i)
      for (let k = 0; k < POINTER_BYTES; k++) b[at + k] = from[start + k]
    }
  }
}
