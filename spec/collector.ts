import { chain, packsIn } from './log.js'
import type { Setting } from './rules.js'
import { bit, type Collector, copyOf, firstCopy, members, packOf, packsPerEpoch, resolve, type State, unmoved, withAt } from './state.js'

type To = (step: string, next: Partial<Collector>, store?: Partial<State>) => void

/** Mark and sweep, and repack. The order of reads is: listing, head, log, head again, pins, forks. */
export function collectorSteps(setting: Setting, s: State, id: number, emit: (step: string, next: State) => void): void {
  const c = s.collectors[id]
  const name = s.collectors.length === 1 ? 'collector' : `collector ${id + 1}`
  const to: To = (step, next, store = {}) => emit(`${name} ${step}`, { ...s, ...store, collectors: withAt(s.collectors, id, { ...c, ...next }) })
  const pinsFirst = setting.bad.has('collector reads pins before the heads')
  const pinsLast = setting.bad.has('collector reads pins after the forks')
  switch (c.step) {
    case 'idle':
      idleSteps(s, c, pinsFirst, to)
      return
    case 'head': {
      const { head } = s
      const fenced = setting.bad.has('epoch in the head taken for a fence') ? head.epoch : head.fenced
      const refs = c.refs | head.packs
      to(`reads the head (version ${head.version})`, {
        step: 'log',
        seen: head.version,
        watermark: head.watermark,
        fenced,
        marks: withAt([0, 0, 0, 0], head.markEpoch, head.mark),
        refs,
      })
      return
    }
    case 'log': {
      const records = chain(setting, s, c.watermark)
      const marks = c.marks.slice()
      for (const record of records) if (record.commit >= 0) marks[record.epoch] = Math.max(marks[record.epoch], record.mark)
      const unchecked = setting.bad.has('collector does not read the head again after the log')
      to(`reads ${records.length} log objects`, { step: unchecked ? afterHead(pinsFirst, pinsLast) : 'head again', marks, refs: c.refs | packsIn(records) })
      return
    }
    case 'head again':
      if (s.head.version === c.seen) to('reads the head again: unchanged', { step: afterHead(pinsFirst, pinsLast) })
      else to('reads the head again: changed', { step: 'head' })
      return
    case 'pins': {
      const refs = c.refs | (s.pin ?? 0)
      const what = s.pin === undefined ? 'finds no pin' : 'reads the pin'
      if (pinsFirst) to(what, { step: 'head', refs })
      else if (pinsLast) decide(setting, { ...c, refs }, what, to)
      else to(what, { step: 'forks', refs })
      return
    }
    case 'forks': {
      const ignored = s.fork === undefined || s.fork.state === 'void' || (s.fork.state === 'pending' && setting.bad.has('pending fork not counted as a root'))
      const refs = c.refs | (ignored ? 0 : (s.fork?.packs ?? 0))
      const what = s.fork === undefined ? 'finds no fork' : `reads the head of the fork (${s.fork.state})`
      if (pinsLast) to(what, { step: 'pins', refs })
      else decide(setting, { ...c, refs }, what, to)
      return
    }
    default:
      changeSteps(setting, s, c, to)
  }
}

function afterHead(pinsFirst: boolean, pinsLast: boolean): Collector['step'] {
  return pinsFirst || pinsLast ? 'forks' : 'pins'
}

/** Between rounds: pins of forkers that take too long expire, forks without a pin are given up; or a round begins. */
function idleSteps(s: State, c: Collector, pinsFirst: boolean, to: To): void {
  if (c.roundsLeft === 0) return
  if (s.pin !== undefined) to('lets the pin expire', {}, { pin: undefined })
  if (s.fork?.state === 'pending' && s.pin === undefined) to('gives up the pending fork', {}, { fork: { state: 'void', packs: 0 } })
  const epoch = s.gc.epoch + 1
  const begun: Partial<Collector> = { step: pinsFirst ? 'pins' : 'head', epoch, listing: s.packs, moved: s.gc.moved, refs: 0, roundsLeft: c.roundsLeft - 1 }
  to('claims the gc record and lists the packs', begun, { gc: { ...s.gc, epoch } })
}

const cleared: Partial<Collector> = {
  step: 'idle',
  seen: 0,
  watermark: 0,
  fenced: 0,
  marks: [0, 0, 0, 0],
  refs: 0,
  garbage: 0,
  from: 0,
  to: 0,
  listing: 0,
  epoch: 0,
}

function finished(c: Collector): Partial<Collector> {
  return { ...cleared, old: c.listing, moved: unmoved }
}

/** Nothing that can still happen will make this pack, if it is unreferenced, a referenced one. */
export function settledForGood(pack: number, fenced: number, marks: readonly number[]): boolean {
  const epoch = Math.floor(pack / packsPerEpoch)
  return epoch < fenced || pack < packOf(epoch, marks[epoch])
}

export interface Marked {
  listing: number
  refs: number
  fenced: number
  marks: readonly number[]
  moved: readonly number[]
}

/** What may go: the packs, and the entries of the relocation index that lead from packs nobody needs. */
export function garbageOf(m: Marked): { packs: number; entries: number } {
  let packs = 0
  let entries = 0
  for (let pack = 0; pack < firstCopy; pack++) {
    const settled = settledForGood(pack, m.fenced, m.marks)
    const unreferenced = (m.refs & bit(pack)) === 0
    if (m.moved[pack] !== 0 && unreferenced && settled) entries |= bit(pack)
    // A pack that has moved is not read any more, even while pointers still name it.
    if ((unreferenced && settled) || m.moved[pack] !== 0) packs |= bit(pack)
  }
  const kept = resolve(m.refs, m.moved)
  for (const copy of members(m.listing & ~(bit(firstCopy) - 1))) {
    const from = m.moved.indexOf(copy)
    if ((kept & bit(copy)) === 0 && (from < 0 || (entries & bit(from)) !== 0)) packs |= bit(copy)
  }
  return { packs: packs & m.listing, entries }
}

/** After the last read: what to sweep, what to repack. */
function decide(setting: Setting, c: Collector, what: string, to: To): void {
  const found = setting.bad.has('age-only deletion') ? { packs: c.listing & c.old & ~c.refs, entries: 0 } : garbageOf(c)
  const base: Partial<Collector> = { refs: c.refs, garbage: found.packs }
  if (found.entries !== 0) to(`${what}; drops relocations`, { ...base, step: 'unindex' })
  else if (found.packs !== 0) to(`${what}; will sweep ${nameAll(found.packs)}`, { ...base, step: 'sweep' })
  else to(`${what}; nothing to sweep`, finished(c))
  if (c.copies >= setting.bounds.repacks) return
  for (const pack of members(c.refs & c.listing)) {
    if (pack >= firstCopy || c.moved[pack] !== 0) continue
    to(`${what}; will repack ${nameOf(pack)}`, { refs: 0, garbage: 0, step: 'copy', from: pack, to: copyOf(c.epoch), copies: c.copies + 1 })
  }
}

export function nameOf(pack: number): string {
  return pack >= firstCopy ? `copy ${pack - firstCopy}` : `pack ${Math.floor(pack / packsPerEpoch)}.${pack % packsPerEpoch}`
}

export function nameAll(packs: number): string {
  return [...members(packs)].map(nameOf).join(', ')
}

function changeSteps(setting: Setting, s: State, c: Collector, to: To): void {
  const deleteFirst = setting.bad.has('repack deletes the old pack before the index is referenced')
  if (s.gc.epoch !== c.epoch && (c.step === 'unindex' || c.step === 'index')) {
    to('finds the gc record claimed by another collector', finished(c))
    return
  }
  switch (c.step) {
    case 'unindex': {
      const { entries } = garbageOf(c)
      const moved = s.gc.moved.map((copy, pack) => ((entries & bit(pack)) !== 0 ? 0 : copy))
      to('changes the gc record', { step: 'sweep' }, { gc: { ...s.gc, moved } })
      return
    }
    case 'sweep':
      to(`deletes ${nameAll(c.garbage)}`, finished(c), { packs: s.packs & ~c.garbage })
      return
    case 'copy':
      if ((s.packs & bit(c.from)) === 0) to(`finds ${nameOf(c.from)} gone`, finished(c))
      else to(`copies what lives in ${nameOf(c.from)} to ${nameOf(c.to)}`, { step: deleteFirst ? 'drop' : 'index' }, { packs: s.packs | bit(c.to) })
      return
    case 'index': {
      const gc = { ...s.gc, moved: withAt(s.gc.moved, c.from, c.to) }
      to('references the relocation index from the gc record', deleteFirst ? finished(c) : { step: 'drop' }, { gc })
      return
    }
    case 'drop':
      to(`deletes ${nameOf(c.from)}`, deleteFirst ? { step: 'index' } : finished(c), { packs: s.packs & ~bit(c.from) })
  }
}
