import { diffArrays } from 'diff'
import { limits } from '../../sys/index.js'

/** A run of lines: in both, only before, or only after. */
export interface Run {
  sign: ' ' | '-' | '+'
  lines: readonly string[]
}

/** Lines with their line breaks, bytes as characters; the last may have none. */
export function linesOf(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const lines = text.split('\n').map(line => `${line}\n`)
  const last = lines.pop()?.slice(0, -1) ?? ''
  if (last !== '') lines.push(last)
  return lines
}

/**
 * How one list of lines becomes another, Myers' algorithm. Its cost grows with the square of the difference: beyond
 * `limits.diffEditLines` the lines between the first and the last difference are replaced as a whole, which is correct and long.
 */
export function diffLines(before: readonly string[], after: readonly string[]): Run[] {
  let head = 0
  const shorter = Math.min(before.length, after.length)
  while (head < shorter && before[head] === after[head]) head++
  let tail = 0
  while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const runs: Run[] = [{ sign: ' ', lines: before.slice(0, head) }]
  runs.push(...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)))
  runs.push({ sign: ' ', lines: before.slice(before.length - tail) })
  return runs.filter(run => run.lines.length > 0)
}

function middle(before: string[], after: string[]): Run[] {
  const found = before.length === 0 || after.length === 0 ? undefined : diffArrays(before, after, { maxEditLength: limits.diffEditLines })
  if (found === undefined) {
    return [
      { sign: '-', lines: before },
      { sign: '+', lines: after },
    ]
  }
  return found.map(({ added, removed, value }) => ({ sign: added ? '+' : removed ? '-' : ' ', lines: value }))
}

/** Lines only before and only after. */
export function countLines(runs: readonly Run[]): { added: number; removed: number } {
  let added = 0
  let removed = 0
  for (const { sign, lines } of runs) {
    if (sign === '+') added += lines.length
    else if (sign === '-') removed += lines.length
  }
  return { added, removed }
}

/** Lines of context around a change. */
const CONTEXT = 3

/** Hunks of a unified diff. */
export function hunks(runs: readonly Run[]): string {
  const out: string[] = []
  let hunk: string[] = []
  let [old, now] = [1, 1]
  let start = { old: 1, now: 1 }
  const close = (): void => {
    if (hunk.length === 0) return
    const count = (signs: string) => hunk.filter(line => signs.includes(line[0])).length
    out.push(`@@ -${range(start.old, count(' -'))} +${range(start.now, count(' +'))} @@\n`, ...hunk.map(ended))
    hunk = []
  }
  runs.forEach(({ sign, lines }, i) => {
    if (sign !== ' ') {
      if (hunk.length === 0) start = { old, now }
      for (const line of lines) hunk.push(sign + line)
    } else {
      const before = i === 0 ? 0 : CONTEXT
      const after = i === runs.length - 1 ? 0 : CONTEXT
      if (i > 0 && lines.length <= before + after) for (const line of lines) hunk.push(` ${line}`)
      else {
        if (before > 0) for (const line of lines.slice(0, before)) hunk.push(` ${line}`)
        close()
        const lead = after === 0 ? [] : lines.slice(Math.max(0, lines.length - after))
        start = { old: old + lines.length - lead.length, now: now + lines.length - lead.length }
        for (const line of lead) hunk.push(` ${line}`)
      }
    }
    if (sign !== '+') old += lines.length
    if (sign !== '-') now += lines.length
  })
  close()
  return out.join('')
}

/** An empty side is named by the line before it. */
function range(start: number, count: number): string {
  return count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`
}

function ended(line: string): string {
  return line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`
}
