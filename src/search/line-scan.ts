/** What is looked for in the lines of files. */
export interface LinePattern {
  source: string
  flags: string
  /**
   * Finds, with the flags g and m in many lines at once, at least the first of each line's matches of `source`, or something before it in that line; not given where
   * there is nothing of that kind, and each line is looked at.
   */
  scan?: string
  /** A text that every matching line has, as it stands there. */
  text?: string
  /** Lines that do not match. */
  invert?: boolean
  /** Lines shown before and behind a match. */
  before?: number
  after?: number
  /** Matching lines of one file at most. */
  maxCount?: number
}

export interface GrepLine {
  /** Counted from 1; `column` in characters (UTF-16). */
  line: number
  column: number
  text: string
}

export interface GrepLines {
  matches: GrepLine[]
  /** Lines around them that are no matches, in order; only when they were asked for. */
  context?: Array<{ line: number; text: string }>
}

/** Where the next line may be that matches, at or behind a place; -1 when there is none. Anywhere in that line. */
type Finder = (text: string, from: number) => number

/** Finds the matching lines of one text after the other, each given in parts of whole lines. */
export class LineScan {
  matches: GrepLine[] = []
  readonly #line: RegExp
  readonly #next: Finder | undefined
  readonly #invert: boolean
  readonly #most: number
  #lines = 0
  /** What of the last part has lines that only count when another follows. */
  #uncounted: { text: string; from: number } | undefined

  constructor(pattern: LinePattern) {
    const { source, flags, invert = false, maxCount = Number.POSITIVE_INFINITY } = pattern
    // There is no end of a line in a line.
    this.#line = new RegExp(source, `${flags}s`)
    this.#invert = invert
    this.#most = maxCount
    if (!invert) this.#next = finderOf(pattern)
  }

  /** What comes is of another text. */
  begin(): void {
    this.matches = []
    this.#lines = 0
    this.#uncounted = undefined
  }

  get isFull(): boolean {
    return this.matches.length >= this.#most
  }

  feed(text: string): void {
    if (this.#uncounted !== undefined) this.#lines += linesBetween(this.#uncounted.text, this.#uncounted.from, this.#uncounted.text.length)
    this.#uncounted = undefined
    if (this.#next === undefined) this.#each(text)
    else this.#jump(text, this.#next)
  }

  #each(text: string): void {
    for (let at = 0; at < text.length && !this.isFull; ) {
      const end = endOf(text, at)
      this.#lines++
      this.#look(text, at, end)
      at = end + 1
    }
  }

  /** From one candidate to the next; in most texts there is none. */
  #jump(text: string, next: Finder): void {
    let counted = 0
    while (counted < text.length && !this.isFull) {
      const found = next(text, counted)
      // Behind the last newline there is no line.
      if (found < 0 || (found === text.length && text.endsWith('\n'))) break
      const start = found === 0 ? 0 : text.lastIndexOf('\n', found - 1) + 1
      this.#lines += linesBetween(text, counted, start) + 1
      const end = endOf(text, found)
      this.#look(text, start, end)
      counted = end + 1
    }
    this.#uncounted = counted < text.length ? { text, from: counted } : undefined
  }

  #look(text: string, start: number, end: number): void {
    const line = text.slice(start, end > start && end < text.length && text[end - 1] === '\r' ? end - 1 : end)
    const match = this.#line.exec(line)
    if ((match !== null) !== this.#invert) this.matches.push({ line: this.#lines, column: (match?.index ?? 0) + 1, text: line })
  }
}

function finderOf({ flags, scan, text: wanted }: LinePattern): Finder | undefined {
  if (wanted !== undefined) return (text, from) => text.indexOf(wanted, from)
  if (scan === undefined) return undefined
  const many = new RegExp(scan, `${flags}gm`)
  return (text, from) => {
    many.lastIndex = from
    return many.exec(text)?.index ?? -1
  }
}

/** Where the line ends that goes through a place: at its newline, or the end of the text. */
function endOf(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

/** Newlines from one place to another. */
function linesBetween(text: string, from: number, to: number): number {
  let count = 0
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** Numbers of the lines around matches that are none, in order. */
export function numbersAround(matches: readonly GrepLine[], before: number, after: number): number[] {
  const around: number[] = []
  for (const [at, { line }] of matches.entries()) {
    const since = at === 0 ? 0 : Math.max(matches[at - 1].line, around.at(-1) ?? 0)
    for (let near = Math.max(since + 1, line - before); near < line; near++) around.push(near)
    const until = matches[at + 1]?.line ?? Number.POSITIVE_INFINITY
    for (let near = line + 1; near <= line + after && near < until; near++) around.push(near)
  }
  return around
}

/** Picks lines by their numbers out of a text that comes in parts of whole lines. */
export class LinePick {
  readonly lines: Array<{ line: number; text: string }> = []
  readonly #wanted: readonly number[]
  #next = 0
  #line = 0

  /** @param wanted in order */
  constructor(wanted: readonly number[]) {
    this.#wanted = wanted
  }

  get isFull(): boolean {
    return this.#next >= this.#wanted.length
  }

  feed(text: string): void {
    for (let at = 0; at < text.length && !this.isFull; ) {
      const end = endOf(text, at)
      if (++this.#line === this.#wanted[this.#next]) {
        this.#next++
        this.lines.push({ line: this.#line, text: text.slice(at, end > at && end < text.length && text[end - 1] === '\r' ? end - 1 : end) })
      }
      at = end + 1
    }
  }
}
