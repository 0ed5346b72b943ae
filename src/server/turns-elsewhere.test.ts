import { expect, it } from 'vitest'
import { limits } from '../sys/index.js'
import { TurnsElsewhere } from './turns-elsewhere.js'

const written = [
  { store: 's3://a', volume: 'one' },
  { store: 's3://a', volume: 'two' },
  { store: 's3://b', volume: 'three' },
]

function turns(part: number): { turns: TurnsElsewhere; pass: (ms: number) => void } {
  let ms = 0
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(Math.floor(part * 2 ** 32))
  const clock = { now: () => ms, monotonic: () => ms }
  return {
    turns: new TurnsElsewhere(clock, { bytes: () => bytes }),
    pass: by => {
      ms += by
    },
  }
}

it('looks at each store that is written once, at a moment that differs from host to host, and then seldom', () => {
  const early = turns(0.25)
  const late = turns(0.75)
  for (const { turns: each } of [early, late]) expect(each.due(written)).toEqual([])
  for (const { pass } of [early, late]) pass(limits.gcElsewhereMs / 2)
  expect(early.turns.due(written)).toEqual(['two', 'three'])
  expect(early.turns.due(written)).toEqual([])
  expect(late.turns.due(written)).toEqual([])
  late.pass(limits.gcElsewhereMs / 2)
  expect(late.turns.due(written)).toEqual(['two', 'three'])
  early.pass(limits.gcElsewhereMs * 0.75)
  expect(early.turns.due(written)).toEqual(['two', 'three'])
})

it('asks nothing of a store that this host only reads', () => {
  const { turns: each, pass } = turns(0)
  each.due(written)
  pass(10 * limits.gcElsewhereMs)
  expect(each.due([])).toEqual([])
})
