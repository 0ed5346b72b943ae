/** Longer directories are read from the tree every time. */
const MAX_LISTING = 256
const beyondAscii = /\P{ASCII}/u

/** All entries of a small directory in hash order, as `readdir` gives them out. */
export class Listing {
  readonly names: string[] = []
  readonly #inos: number[] = []
  readonly #types: number[] = []
  readonly #highs: number[] = []
  readonly #lows: number[] = []
  #sorted: readonly string[] | undefined

  /** False when there is no room. */
  add(name: string, ino: number, type: number, high: number, low: number): boolean {
    if (this.names.length === MAX_LISTING) return false
    this.names.push(name)
    this.#inos.push(ino)
    this.#types.push(type)
    this.#highs.push(high)
    this.#lows.push(low)
    return true
  }

  /** Whether everything up to this offset is everything. */
  endsAt(high: number, low: number): boolean {
    const last = this.names.length - 1
    return last >= 0 && this.#highs[last] === high && this.#lows[last] === low
  }

  /** The names as text (UTF-8), in byte order: what node:fs lists. Kept; not to be changed. */
  get sortedText(): readonly string[] {
    this.#sorted ??= this.names
      .slice()
      .sort()
      .map(name => (beyondAscii.test(name) ? Buffer.from(name, 'latin1').toString('utf8') : name))
    return this.#sorted
  }

  replay(visit: (name: string, ino: number, type: number, high: number, low: number) => boolean): void {
    const { names } = this
    for (let i = 0; i < names.length; i++) if (!visit(names[i], this.#inos[i], this.#types[i], this.#highs[i], this.#lows[i])) return
  }
}
