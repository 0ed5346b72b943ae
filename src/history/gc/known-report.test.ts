import { expect, it } from 'vitest'
import type { StoredObject } from '../../store/contract.js'
import { unreachable } from '../../store/remote-errors.js'
import { encodeSmall } from '../../store/small-object.js'
import { limits } from '../../sys/index.js'
import { KnownReport, type ReportSource } from './known-report.js'

it('a report of a store elsewhere is asked for now and then, and waited for by none but who wants to', () => {
  let now = 0
  let stored: StoredObject | undefined
  let isAway = false
  const asked: Array<{ version: string | undefined; answer: () => void }> = []
  const source: ReportSource = {
    storedSync: () => {
      if (isAway) throw unreachable('there', 'it is away')
      return stored
    },
    storedSoon: (_, version, done) =>
      asked.push({
        version,
        answer: () => done(undefined, stored?.version === version ? ({ ...stored, bytes: Buffer.alloc(0), unchanged: true } as StoredObject) : stored),
      }),
  }
  let news = 0
  const known = new KnownReport(source, { now: () => now, monotonic: () => now }, () => news++)
  const collected = (atMs: number): void => {
    stored = { bytes: encodeSmall(1, { atMs, volumes: [] }), version: `v${atMs}` }
  }

  expect(known.get()).toBeUndefined()
  asked[0].answer()
  expect([known.get(), news]).toEqual([undefined, 0])
  collected(1)
  now += limits.gcReportMs
  expect(known.get()).toBeUndefined()
  asked[1].answer()
  expect([known.get()?.atMs, news]).toEqual([1, 1])
  expect(asked).toHaveLength(2)
  now += limits.gcReportMs
  known.get()
  expect(asked[2].version).toBe('v1')
  asked[2].answer()
  expect([known.get()?.atMs, news]).toEqual([1, 1])
  collected(2)
  expect(known.now()?.atMs).toBe(2)
  collected(3)
  isAway = true
  expect(known.now()?.atMs).toBe(2)
})
