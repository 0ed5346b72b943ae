import { beforeEach, expect, it } from 'vitest'
import { GC_RECORD_KEY } from '../../store/gc-record.js'
import { MemoryStore } from '../../store/memory/index.js'
import { encodeSmall } from '../../store/small-object.js'
import { type Clock, limits } from '../../sys/index.js'
import { GC_REPORT_FORMAT, GC_REPORT_KEY } from './collect.js'
import { isWorthCollecting, lastReport, wasCollectedLately } from './worth.js'

let store: MemoryStore
let nowMs: number
const clock: Clock = { now: () => nowMs, monotonic: () => nowMs }
const MIB = 1024 * 1024

beforeEach(() => {
  store = new MemoryStore()
  nowMs = 1_700_000_000_000
})

function packs(mebibytes: number): void {
  for (let i = 0; i < mebibytes / 16; i++) store.putSync(`packs/00000000000000aa/00000001-0000000${i}`, Buffer.alloc(16 * MIB))
}

function collectedAt(atMs: number, keptBytes: number): void {
  store.putSync(GC_REPORT_KEY, encodeSmall(GC_REPORT_FORMAT, { atMs, keptBytes }))
}

it('a first collection waits for something to collect', () => {
  expect(isWorthCollecting(store, clock)).toBe(false)
  packs(48)
  expect(isWorthCollecting(store, clock)).toBe(false)
  packs(64)
  expect(isWorthCollecting(store, clock)).toBe(true)
})

it('a later one waits until much was written, or long ago', () => {
  packs(96)
  collectedAt(nowMs - 1000, 96 * MIB)
  expect(isWorthCollecting(store, clock)).toBe(false)
  collectedAt(nowMs - 1000, 96 * MIB - limits.gcGrowthBytes)
  expect(isWorthCollecting(store, clock)).toBe(true)
  collectedAt(nowMs - 1000, 80 * MIB)
  expect(isWorthCollecting(store, clock)).toBe(false)
  nowMs += limits.gcEveryMs
  expect(isWorthCollecting(store, clock)).toBe(true)
  collectedAt(nowMs - 2 * limits.gcEveryMs, 96 * MIB)
  expect(isWorthCollecting(store, clock)).toBe(false)
})

it('a report that does not read is as none', () => {
  store.putSync(GC_REPORT_KEY, Buffer.from('{"for'))
  expect(lastReport(store)).toBeUndefined()
  packs(64)
  expect(isWorthCollecting(store, clock)).toBe(true)
})

it('of a store that any host has collected lately, or begun to, nobody lists the packs', () => {
  store = new MemoryStore(clock)
  expect(wasCollectedLately(store, clock)).toBe(false)
  collectedAt(nowMs - 1000, 0)
  expect(wasCollectedLately(store, clock)).toBe(true)
  nowMs += limits.gcElsewhereMs
  expect(wasCollectedLately(store, clock)).toBe(false)
  store.putSync(GC_RECORD_KEY, Buffer.from('{}'))
  expect(wasCollectedLately(store, clock)).toBe(true)
})
