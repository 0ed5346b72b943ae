import { describe, expect, it } from 'vitest'
import type { Entry } from './past.js'
import { dropped, type PruneRule } from './retention.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** The middle of an hour of the middle of a day. */
const NOW = 20_000 * DAY + 12 * HOUR + 30 * MINUTE

function entry(ageMs: number): Entry {
  return { sequence: (NOW - ageMs) * 1000, isLost: false } as Entry // nothing else is looked at
}

/** Ages of those that stay. */
function kept(agesMs: number[], rule: PruneRule): number[] {
  const entries = agesMs.map(entry)
  const gone = dropped(entries, rule, NOW)
  return agesMs.filter((_, i) => !gone.has(entries[i]))
}

describe('retention', () => {
  it('thins: all of an hour, hourly for a day, daily for a month', () => {
    const thin = { retention: { keep: 'thin' as const } }
    expect(kept([50 * MINUTE, 20 * MINUTE, 1, 0], thin)).toEqual([50 * MINUTE, 20 * MINUTE, 1, 0])
    // 2:20, 2:05 and 1:50 ago are 10:10, 10:25 and 10:40.
    const hour = [140 * MINUTE, 125 * MINUTE, 110 * MINUTE]
    expect(kept(hour, thin)).toEqual([110 * MINUTE])
    // Days are calendar days: three hours ago is the same hour slot as nothing else, two days ago keeps one.
    expect(kept([2 * DAY + HOUR, 2 * DAY, DAY + 2 * HOUR, 3 * HOUR], thin)).toEqual([2 * DAY, DAY + 2 * HOUR, 3 * HOUR])
    expect(kept([31 * DAY, 29 * DAY, 1], thin)).toEqual([29 * DAY, 1])
  })
  it('thins again to the same', () => {
    const ages = Array.from({ length: 5000 }, (_, i) => (5000 - i) * 11 * MINUTE)
    const once = kept(ages, { retention: { keep: 'thin' } })
    expect(kept(once, { retention: { keep: 'thin' } })).toEqual(once)
    expect(once.length).toBeLessThan(6 + 24 + 30 + 2)
    expect(once.at(-1)).toBe(11 * MINUTE)
  })
  it('counts, and goes by age', () => {
    expect(kept([3, 2, 1], { retention: { keep: 'count', count: 2 } })).toEqual([2, 1])
    expect(kept([3, 2, 1], { retention: { keep: 'count', count: 0 } })).toEqual([])
    expect(kept([3, 2, 1], { retention: { keep: 'age', ageMs: 2 } })).toEqual([2, 1])
    expect(kept([3, 2, 1], { retention: { keep: 'all' } })).toEqual([3, 2, 1])
  })
  it('by options drops what is old and not among the newest', () => {
    expect(kept([9, 8, 7, 1], { keep: 2, olderThanMs: 8 })).toEqual([8, 7, 1])
    expect(kept([9, 8, 7, 1], { keep: 4, olderThanMs: 8 })).toEqual([9, 8, 7, 1])
    expect(kept([9, 8, 7, 1], { olderThanMs: 5 })).toEqual([1])
    expect(kept([9, 8, 7, 1], { keep: 1 })).toEqual([1])
  })
})
