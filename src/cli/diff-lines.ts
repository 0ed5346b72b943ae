import type { Change } from '../volume/api.js'
import { plural, printable } from './format.js'
import type { Output } from './output.js'

const letters: Readonly<Record<Change['kind'], string>> = { created: 'A', modified: 'M', deleted: 'D', renamed: 'R', mode: 'T', xattr: 'X' }

/** `M /a.txt  (3 -> 5 bytes)`. */
export function changeLine(change: Change, out: Output): string {
  const slash = change.type === 'directory' && change.path !== '/' ? '/' : ''
  const from = change.from === undefined ? '' : `${printable(change.from)}${slash} -> `
  const text = `${letters[change.kind]} ${from}${printable(change.path)}${slash}`
  const colour = change.kind === 'created' ? out.green(text) : change.kind === 'deleted' ? out.red(text) : out.yellow(text)
  const details = detailsOf(change)
  return details.length === 0 ? colour : `${colour}  (${details.join(', ')})`
}

function detailsOf(change: Change): string[] {
  const { kind, also = [], sizeBefore, sizeAfter, modeBefore, modeAfter } = change
  const details: string[] = []
  if ((kind === 'modified' || also.includes('modified')) && sizeBefore !== undefined && sizeAfter !== undefined)
    details.push(`${sizeBefore} -> ${sizeAfter} bytes`)
  if (modeBefore !== undefined && modeAfter !== undefined) details.push(`mode ${octal(modeBefore)} -> ${octal(modeAfter)}`)
  else if (also.includes('mode')) details.push('owner')
  if (also.includes('xattr')) details.push('attributes')
  return details
}

const octal = (mode: number) => (mode & 0o7777).toString(8).padStart(4, '0')

export function nameLine(change: Change): string {
  return printable(change.path)
}

/** As `git diff --name-status`: a letter and the path behind a tab; of a rename both paths. */
export function nameStatusLine(change: Change): string[] {
  const paths = [...(change.from === undefined ? [] : [change.from]), change.path].map(printable)
  return [[letters[change.kind], ...paths].join('\t')]
}

export interface Counted {
  change: Change
  /** Lines; undefined for what is not text. */
  added: number | undefined
  removed: number | undefined
}

/** As `git diff --stat`: a bar for each file, and the sum. */
export function statLines(counted: readonly Counted[], out: Output): string[] {
  if (counted.length === 0) return []
  const names = counted.map(({ change }) => printable(change.from === undefined ? change.path : `${change.from} -> ${change.path}`))
  const most = Math.max(...counted.map(({ added = 0, removed = 0 }) => added + removed), 1)
  const nameWidth = Math.max(...names.map(name => name.length))
  const digits = String(most).length
  const width = Math.max(10, Math.min(out.columns, 120) - nameWidth - digits - 6)
  const scale = Math.min(1, width / most)
  const lines = counted.map(({ change, added, removed }, i) => {
    const name = ` ${names[i].padEnd(nameWidth)} | `
    if (added === undefined || removed === undefined) return `${name}Bin ${change.sizeBefore ?? 0} -> ${change.sizeAfter ?? 0} bytes`
    return `${name}${String(added + removed).padStart(digits)} ${out.green('+'.repeat(bar(added, scale)))}${out.red('-'.repeat(bar(removed, scale)))}`.trimEnd()
  })
  const sum = (key: 'added' | 'removed') => counted.reduce((total, one) => total + (one[key] ?? 0), 0)
  const parts = [plural(counted.length, 'file', ' changed'), plural(sum('added'), 'insertion', '(+)'), plural(sum('removed'), 'deletion', '(-)')]
  return [...lines, ` ${parts.join(', ')}`]
}

/** Never nothing for something. */
function bar(count: number, scale: number): number {
  return count === 0 ? 0 : Math.max(1, Math.round(count * scale))
}
