/** A name of a directory, one char per byte, and its inode. */
export interface Named {
  readonly name: string
  readonly ino: number
}

/** Names that are sorted at once: half a millisecond. */
const RUN = 2048

/** The names of one directory, taken out in the order of their bytes. However many there are, nothing that it does takes long. */
export class SortedNames {
  /** Each sorted downwards, so that its least stands at the end; a heap by that. */
  readonly #runs: Named[][] = []
  #open: Named[] = []

  add(entries: readonly Named[]): void {
    for (const entry of entries) {
      this.#open.push(entry)
      if (this.#open.length >= RUN) this.#close()
    }
  }

  /** All were added. */
  end(): void {
    if (this.#open.length > 0) this.#close()
  }

  #close(): void {
    this.#runs.push(this.#open.sort((a, b) => (a.name < b.name ? 1 : -1)))
    this.#open = []
    for (let at = this.#runs.length - 1; at > 0; ) {
      const above = (at - 1) >> 1
      if (!this.#isLess(at, above)) return
      this.#swap(at, above)
      at = above
    }
  }

  get first(): Named | undefined {
    return this.#runs[0]?.at(-1)
  }

  removeFirst(): void {
    this.#runs[0]?.pop()
    if (this.#runs[0]?.length === 0) {
      const last = this.#runs.pop()
      if (this.#runs.length === 0 || last === undefined) return
      this.#runs[0] = last
    }
    this.#sink()
  }

  #sink(): void {
    const size = this.#runs.length
    for (let at = 0; ; ) {
      let least = at
      for (const below of [2 * at + 1, 2 * at + 2]) if (below < size && this.#isLess(below, least)) least = below
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #isLess(a: number, b: number): boolean {
    return this.#leastOf(a) < this.#leastOf(b)
  }

  #leastOf(run: number): string {
    return this.#runs[run].at(-1)?.name ?? ''
  }

  #swap(a: number, b: number): void {
    const runs = this.#runs
    ;[runs[a], runs[b]] = [runs[b], runs[a]]
  }
}
