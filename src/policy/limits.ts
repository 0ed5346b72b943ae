import type { Decision, PolicyLimits } from './types.js'

/** What one command, or one rule, brings to a decision. */
export interface Verdict {
  limits: PolicyLimits
  /** It is of the shell itself, and bounds nothing. */
  isSoft: boolean
}

const numbers = ['timeoutMs', 'outputBytes', 'memoryBytes', 'cpuSeconds', 'processes'] as const

/**
 * Commands of one request run in one place: the least of each bound, all that any hides or protects, and only what all may write. Those that have no say, such
 * as `cd`, are left out where others are.
 */
export function strictest(all: readonly Verdict[]): Decision['limits'] {
  const counted = all.some(one => !one.isSoft) ? all.filter(one => !one.isSoft) : all
  const each = [...new Set(counted.map(one => one.limits))]
  // Most often one rule allows all of it.
  if (each.length === 1) return { ...each[0], network: each[0].network ?? 'none' }
  const result: PolicyLimits = {}
  for (const key of numbers) {
    const given = each.flatMap(one => (one[key] === undefined ? [] : [one[key]]))
    if (given.length > 0) result[key] = Math.min(...given)
  }
  for (const key of ['hidden', 'readOnly'] as const) {
    const given = [...new Set(each.flatMap(one => one[key] ?? []))]
    if (given.length > 0) result[key] = given
  }
  const writable = each.flatMap(one => (one.writable === undefined ? [] : [one.writable]))
  if (writable.length > 0) result.writable = writable.reduce(common)
  if (each.length > 0 && each.every(one => one.control === true)) result.control = true
  const network = each.length > 0 && each.every(one => one.network === 'allow') ? 'allow' : 'none'
  return { ...result, network }
}

/** Globs for what both lists mean, as far as that can be seen from the globs; never more. */
function common(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a.filter(glob => b.some(other => covers(other, glob))), ...b.filter(glob => a.some(other => covers(other, glob)))])]
}

/** All that `inner` means, `outer` means too. Sometimes false although it is so. */
function covers(outer: string, inner: string): boolean {
  if (outer === inner || outer === '**' || outer === '/' || outer === '/**') return true
  const plain = (glob: string): string => glob.replace(/^\/+|(\/\*\*)?\/*$/g, '')
  const folder = plain(outer)
  if (!outer.includes('/') || /[*?[\]{}\\]/.test(folder)) return false
  return inner.includes('/') && `${plain(inner)}/`.startsWith(`${folder}/`)
}
