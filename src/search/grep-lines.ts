/** What is looked for in the lines of files. */
export interface LinePattern {
  source: string
  flags: string
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

/** Matching lines of a text, in order. */
export function grepLines(text: string, { source, flags, invert = false, before = 0, after = 0, maxCount = Number.POSITIVE_INFINITY }: LinePattern): GrepLines {
  const pattern = new RegExp(source, flags)
  const matches: GrepLine[] = []
  // Most files have no match at all: then nobody needs their lines.
  if (!invert && isOfOneLine(source) && !pattern.test(text)) return { matches }
  const lines = text.split(/\r?\n/)
  if (lines[lines.length - 1] === '') lines.pop()
  for (let at = 0; at < lines.length && matches.length < maxCount; at++) {
    const match = pattern.exec(lines[at])
    if ((match !== null) !== invert) matches.push({ line: at + 1, column: (match?.index ?? 0) + 1, text: lines[at] })
  }
  return before + after === 0 || matches.length === 0 ? { matches } : { matches, context: linesAround(matches, lines, before, after) }
}

/** Without anything that sees the end of a line or past it, so that it matches in a text where it matches in a line of it. */
function isOfOneLine(source: string): boolean {
  return !/\(\?|[$^]/.test(source)
}

function linesAround(matches: readonly GrepLine[], lines: readonly string[], before: number, after: number): Array<{ line: number; text: string }> {
  const matched = new Set(matches.map(({ line }) => line))
  const around = new Set<number>()
  for (const line of matched) {
    for (let near = Math.max(1, line - before); near <= Math.min(lines.length, line + after); near++) if (!matched.has(near)) around.add(near)
  }
  return [...around].sort((a, b) => a - b).map(line => ({ line, text: lines[line - 1] }))
}
