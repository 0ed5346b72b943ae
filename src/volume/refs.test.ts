import { afterEach, describe, expect, it, vi } from 'vitest'
import { parseTime } from './refs.js'

describe('a time in a ref', () => {
  afterEach(() => vi.unstubAllEnvs())

  it.each(['UTC', 'Asia/Tokyo', 'America/New_York'])('is of the zone of the user where it names none (%s)', zone => {
    vi.stubEnv('TZ', zone)
    expect(parseTime('2026-11-20', 0)).toBe(new Date(2026, 10, 20).getTime())
    expect(parseTime('2026-11-20T10:00', 0)).toBe(new Date(2026, 10, 20, 10).getTime())
    expect(parseTime('2026-11-20T10:00Z', 0)).toBe(Date.UTC(2026, 10, 20, 10))
  })

  it('that no calendar has is none', () => {
    expect(parseTime('2026-13-01', 0)).toBeUndefined()
    expect(parseTime('2026-11-20T25:00', 0)).toBeUndefined()
  })
})
