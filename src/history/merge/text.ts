import { diffArrays } from 'diff'
import { diff3MergeRegions } from 'node-diff3'
import { limits } from '../../sys/index.js'
import type { MergeLabels, Resolution } from './types.js'

/** Lines that node-diff3 compares at once, on each side: its work grows with the product. */
const MAX_SEGMENT_LINES = 1000
/** Lines that one side may have changed in a segment that is larger than that. */
const MAX_EDITS = 4000

export interface TextMerge {
  text: string
  /** Regions that both changed differently. */
  conflicts: number
}

/** Whether bytes are text that is merged by lines: no NUL, not larger than `limits.mergeTextBytes`. */
export function isText(bytes: Uint8Array): boolean {
  return bytes.length <= limits.mergeTextBytes && !bytes.includes(0)
}

/** Lines with their ends, so that joining them gives the same bytes. */
function linesOf(text: string): string[] {
  const lines = text.split('\n')
  const last = lines.pop()
  const whole = lines.map(line => `${line}\n`)
  if (last !== undefined && last !== '') whole.push(last)
  return whole
}

/**
 * Three-way merge by lines (node-diff3), one char per byte. Lines that are unique in all three and in one order are
 * anchors; only what lies between two of them is compared, which keeps large files fast.
 * @param prefer which side wins a conflicting region; without it the region gets markers
 * @returns undefined when too much of a large file was changed
 */
export function mergeText(base: string, ours: string, theirs: string, labels: MergeLabels, prefer?: 'ours' | 'theirs'): TextMerge | undefined {
  const b = linesOf(base)
  const o = linesOf(ours)
  const t = linesOf(theirs)
  const out: string[] = []
  const conflicts = mergeBetween(anchors(b, o, t), b, o, t, (...segment) => mergeSegment(...segment, out, labels, prefer), out)
  return conflicts < 0 ? undefined : { text: out.join(''), conflicts }
}

type Merge = (b: string[], o: string[], t: string[]) => number

/** Merges what lies between places that are one in all three; the number of conflicts, -1 when something is too large. */
function mergeBetween(places: Place[], b: string[], o: string[], t: string[], merge: Merge, out: string[]): number {
  let conflicts = 0
  let at = { b: 0, o: 0, t: 0 }
  for (const place of [...places, { b: b.length, o: o.length, t: t.length }]) {
    const found = merge(b.slice(at.b, place.b), o.slice(at.o, place.o), t.slice(at.t, place.t))
    if (found < 0) return -1
    conflicts += found
    if (place.b < b.length) out.push(b[place.b])
    at = { b: place.b + 1, o: place.o + 1, t: place.t + 1 }
  }
  return conflicts
}

/** Merges one stretch into `out`; the number of conflicts, -1 when it is too large. */
function mergeSegment(b: string[], o: string[], t: string[], out: string[], labels: MergeLabels, prefer: Resolution | undefined): number {
  if (same(o, t) || same(b, t)) append(out, o)
  else if (same(b, o)) append(out, t)
  else {
    if (Math.max(b.length, o.length, t.length) > MAX_SEGMENT_LINES) {
      const places = unchangedLines(b, o, t)
      return places === undefined || places.length === 0
        ? -1
        : mergeBetween(places, b, o, t, (...smaller) => mergeSegment(...smaller, out, labels, prefer), out)
    }
    let conflicts = 0
    for (const region of diff3MergeRegions(o, b, t)) {
      if (region.stable) append(out, region.bufferContent as string[])
      else if (same(region.aContent as string[], region.bContent as string[])) append(out, region.aContent as string[])
      else {
        conflicts++
        appendConflict(out, region.aContent as string[], region.bContent as string[], labels, prefer)
      }
    }
    return conflicts
  }
  return 0
}

function appendConflict(out: string[], ours: string[], theirs: string[], labels: MergeLabels, prefer: Resolution | undefined): void {
  if (prefer !== undefined) {
    append(out, prefer === 'ours' ? ours : theirs)
    return
  }
  out.push(`${CONFLICT_START}${labels.ours}\n`)
  append(out, ended(ours))
  out.push('=======\n')
  append(out, ended(theirs))
  out.push(`${CONFLICT_END}${labels.theirs}\n`)
}

export const CONFLICT_START = '<<<<<<< '
export const CONFLICT_END = '>>>>>>> '

/** A marker stands on a line of its own, whatever the last line before it lacks. */
function ended(lines: string[]): string[] {
  const last = lines.at(-1)
  return last === undefined || last.endsWith('\n') ? lines : [...lines.slice(0, -1), `${last}\n`]
}

function append(out: string[], lines: readonly string[]): void {
  for (const line of lines) out.push(line)
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i])
}

/** Two files without a common ancestor: what both have stays, what differs is in conflict. */
export function mergeAdded(ours: string, theirs: string, labels: MergeLabels, prefer?: 'ours' | 'theirs'): TextMerge {
  const o = linesOf(ours)
  const t = linesOf(theirs)
  let head = 0
  while (head < o.length && head < t.length && o[head] === t[head]) head++
  let tail = 0
  while (tail < o.length - head && tail < t.length - head && o[o.length - 1 - tail] === t[t.length - 1 - tail]) tail++
  const out = o.slice(0, head)
  appendConflict(out, o.slice(head, o.length - tail), t.slice(head, t.length - tail), labels, prefer)
  append(out, o.slice(o.length - tail))
  return { text: out.join(''), conflicts: 1 }
}

interface Place {
  b: number
  o: number
  t: number
}

/** Lines that neither side changed (Myers); undefined when there were too many edits. */
function unchangedLines(b: string[], o: string[], t: string[]): Place[] | undefined {
  const inOurs = keptLines(b, o)
  const inTheirs = keptLines(b, t)
  if (inOurs === undefined || inTheirs === undefined) return undefined
  return [...inOurs].flatMap(([at, ours]) => {
    const theirs = inTheirs.get(at)
    return theirs === undefined ? [] : [{ b: at, o: ours, t: theirs }]
  })
}

/** Where lines of `a` stand in `b`. */
function keptLines(a: string[], b: string[]): Map<number, number> | undefined {
  const parts = diffArrays(a, b, { maxEditLength: MAX_EDITS })
  if (parts === undefined) return undefined
  const kept = new Map<number, number>()
  let [x, y] = [0, 0]
  for (const { added, removed, count } of parts) {
    if (!added && !removed) for (let i = 0; i < count; i++) kept.set(x + i, y + i)
    if (!added) x += count
    if (!removed) y += count
  }
  return kept
}

/** Lines that stand once in each of the three, and in the same order. */
function anchors(b: string[], o: string[], t: string[]): Place[] {
  const inOurs = uniqueLines(o)
  const inTheirs = uniqueLines(t)
  const places: Place[] = []
  for (const [line, at] of uniqueLines(b)) {
    const ours = inOurs.get(line)
    const theirs = inTheirs.get(line)
    if (at >= 0 && ours !== undefined && ours >= 0 && theirs !== undefined && theirs >= 0) places.push({ b: at, o: ours, t: theirs })
  }
  places.sort((x, y) => x.b - y.b)
  // Each side alone, then what both agree on: the same whichever side is ours.
  const rising = new Set(longestRising(places, place => place.t))
  return longestRising(places, place => place.o).filter(place => rising.has(place))
}

/** Where each line stands; -1 for one that stands there more than once. */
function uniqueLines(lines: readonly string[]): Map<string, number> {
  const found = new Map<string, number>()
  lines.forEach((line, i) => {
    found.set(line, found.has(line) ? -1 : i)
  })
  return found
}

/** The longest subsequence whose values rise (patience sorting). */
function longestRising(places: Place[], value: (place: Place) => number): Place[] {
  const ends: number[] = []
  const before = new Array<number>(places.length).fill(-1)
  places.forEach((place, i) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (value(places[ends[middle]]) < value(place)) low = middle + 1
      else high = middle
    }
    if (low > 0) before[i] = ends[low - 1]
    ends[low] = i
  })
  const run: Place[] = []
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i]) run.push(places[i])
  return run.reverse()
}
