import { parseSpan } from '../sdk/config.js'
import { usageError } from './errors.js'

const UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
])

/** A time such as `30d`, `12h` or `2w`, in milliseconds. @throws CairnError of wrong usage */
export function parseAge(text: string): number {
  const match = /^(\d{1,9})([smhdw])$/.exec(text)
  const unit = match === null ? undefined : UNITS.get(match[2])
  if (match === null || unit === undefined) throw usageError(`'${text}' is no time.`, 'Write a number and a unit: 45s, 30m, 12h, 30d or 8w.')
  return Number(match[1]) * unit
}

/** How long to wait, such as `500ms`, `30s` or `5m`, in milliseconds; a bare number is seconds. @throws CairnError of wrong usage */
export function parseWait(text: string): number {
  const ms = parseSpan(text)
  if (ms === undefined) throw usageError(`${text} is no time.`, 'Write a number of seconds, or a time such as 500ms, 30s or 5m.')
  return ms
}

/** The inverse of `parseAge`, in the largest unit that is exact. */
export function showAge(ms: number): string {
  for (const [name, unit] of [...UNITS].reverse()) if (ms >= unit && ms % unit === 0) return `${ms / unit}${name}`
  return `${ms / 1000}s`
}

/** A number of versions. @throws CairnError of wrong usage */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`'${text}' is no number of versions.`, 'Write a whole number.')
  return Number(text)
}
