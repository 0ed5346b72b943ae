import { chain, packsIn } from './log.js'
import type { Setting } from './rules.js'
import { bit, type Collector, copyOf, firstCopy, members, objectOf, objectsOf, packOf, packsPerEpoch, resolve, type State, unmoved, withAt } from './state.js'

type To = (step: string, next: Partial<Collector>, store?: Partial<State>) => void
type Read = Collector['step']

/** What a round reads, in this order, before it decides. */
function readsOf(setting: Setting): Read[] {
  const unchecked = setting.bad.has('collector does not read the gc record again after the last read') || setting.bounds.collectors === 1
  return unchecked ? rootsOf(setting) : [...rootsOf(setting), 'claim']
}

function rootsOf({ bounds, bad }: Setting): Read[] {
  const holds: Read[] = bounds.views === true ? ['holds'] : []
  const other: Read[] = bounds.merges === true ? ['other'] : []
  const again: Read[] = bad.has('collector does not read the head again after the log') ? [] : ['head again']
  const head: Read[] = ['head', 'log', ...again]
  if (bad.has('collector reads held states before the head')) return [...holds, ...head, ...other, 'pins', 'forks']
  if (bad.has('collector reads pins before the heads')) return ['pins', ...head, ...holds, ...other, 'forks']
  if (bad.has('collector reads pins before the other volumes')) return [...head, ...holds, 'pins', ...other, 'forks']
  if (bad.has('collector reads pins after the forks')) return [...head, ...holds, ...other, 'forks', 'pins']
  return [...head, ...holds, ...other, 'pins', 'forks']
}

/** Mark and sweep, and repack. The order of reads is: pins and listing, head, log, head again, held states, other volumes, pins, forks. */
export function collectorSteps(setting: Setting, s: State, id: number, emit: (step: string, next: State) => void): void {
  const c = s.collectors[id]
  const name = s.collectors.length === 1 ? 'collector' : `collector ${id + 1}`
  const to: To = (step, next, store = {}) => emit(`${name} ${step}`, { ...s, ...store, collectors: withAt(s.collectors, id, { ...c, ...next }) })
  const reads = readsOf(setting)
  const goOn = (what: string, next: Partial<Collector>): void => {
    const step = reads[reads.indexOf(c.step) + 1]
    if (step === undefined) decide(setting, s, { ...c, ...next }, what, to)
    else to(what, { ...next, step })
  }
  switch (c.step) {
    case 'idle':
      idleSteps(s, c, reads[0], to)
      return
    case 'head': {
      const { head } = s
      const fenced = setting.bad.has('epoch in the head taken for a fence') ? head.epoch : head.fenced
      const marks = withAt([0, 0, 0, 0], head.markEpoch, head.mark)
      goOn(`reads the head (version ${head.version})`, { seen: head.version, watermark: head.watermark, fenced, marks, refs: c.refs | head.packs })
      return
    }
    case 'log': {
      const records = chain(setting, s, c.watermark)
      const marks = c.marks.slice()
      for (const record of records) if (record.commit >= 0) marks[record.epoch] = Math.max(marks[record.epoch], record.mark)
      goOn(`reads ${records.length} log objects`, { marks, refs: c.refs | packsIn(records) })
      return
    }
    case 'head again':
      if (s.head.version === c.seen) goOn('reads the head again: unchanged', {})
      else to('reads the head again: changed', { step: 'head' })
      return
    case 'holds':
      goOn('reads what is held', { refs: c.refs | s.hold })
      return
    case 'other':
      goOn(s.other === 0 ? 'reads the other volume: it has nothing' : 'reads the other volume', { refs: c.refs | (s.other ?? 0) })
      return
    case 'pins': {
      const what = s.pin === undefined && s.taking === undefined ? 'finds no pin' : 'reads the pin'
      goOn(what, { refs: c.refs | (s.pin ?? 0) | (s.taking?.packs ?? 0) })
      return
    }
    case 'forks': {
      const ignored = s.fork === undefined || s.fork.state === 'void' || (s.fork.state === 'pending' && setting.bad.has('pending fork not counted as a root'))
      const what = s.fork === undefined ? 'finds no fork' : `reads the head of the fork (${s.fork.state})`
      goOn(what, { refs: c.refs | (ignored ? 0 : (s.fork?.packs ?? 0)) })
      return
    }
    case 'claim':
      if (s.gc.epoch === c.epoch) goOn('reads the gc record again: unchanged', {})
      else to('reads the gc record again: claimed by another collector', ...finished(s, c))
      return
    default:
      changeSteps(setting, s, c, to)
  }
}

/** Between rounds: pins of forkers that take too long expire, forks without a pin are given up; or a round begins. */
function idleSteps(s: State, c: Collector, first: Read, to: To): void {
  if (c.roundsLeft === 0) return
  if (s.pin !== undefined) to('lets the pin expire', {}, { pin: undefined })
  if (s.fork?.state === 'pending' && s.pin === undefined) to('gives up the pending fork', {}, { fork: { state: 'void', packs: 0 } })
  const epoch = s.gc.epoch + 1
  const { pin, taking } = unfinished(s)
  const pinsSeen = (pin === undefined ? 0 : FORKS_PIN) | (taking === undefined ? 0 : MOVERS_PIN)
  const refs = (pin ?? 0) | (taking?.packs ?? 0)
  const begun: Partial<Collector> = { step: first, epoch, listing: s.packs, moved: s.gc.moved, refs, pinsSeen, roundsLeft: c.roundsLeft - 1 }
  to('claims the gc record, removes pins that are done and lists the packs', begun, { gc: { ...s.gc, epoch }, pin, taking })
}

/** Pins whose content is not where it belongs yet. */
function unfinished({ pin, taking, fork }: State): Pick<State, 'pin' | 'taking'> {
  return { pin: fork?.state === 'ready' ? undefined : pin, taking: taking?.done === true ? undefined : taking }
}

const FORKS_PIN = 1
const MOVERS_PIN = 2

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
  pinsSeen: 0,
}

/** The end of a round: pins that were there when it began and whose content is where it belongs are removed then. */
function finished(s: State, c: Collector): [Partial<Collector>, Partial<State>] {
  const next = { ...cleared, old: c.listing, moved: unmoved }
  const pin = (c.pinsSeen & FORKS_PIN) !== 0 && s.fork?.state === 'ready' ? undefined : s.pin
  const taking = (c.pinsSeen & MOVERS_PIN) !== 0 && s.taking?.done === true ? undefined : s.taking
  return [next, pin === s.pin && taking === s.taking ? {} : { pin, taking }]
}

/** Nothing that can still happen will make this pack, if it is unreferenced, a referenced one. */
export function settledForGood(pack: number, fenced: number, marks: readonly number[]): boolean {
  const epoch = Math.floor(pack / packsPerEpoch)
  return epoch < fenced || pack < packOf(epoch, marks[epoch])
}

export interface Marked {
  joined: boolean
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
    const leading = [...m.moved.keys()].filter(pack => m.moved[pack] === copy)
    if ((kept & bit(copy)) === 0 && leading.every(pack => (entries & bit(pack)) !== 0)) packs |= bit(copy)
  }
  packs &= m.listing
  // An object goes as a whole.
  return { packs: packs & ~objectsOf(m.listing & ~packs, m.joined), entries }
}

/** After the last read: what to sweep, what to repack. */
function decide(setting: Setting, s: State, c: Collector, what: string, to: To): void {
  const joined = setting.bounds.joined === true
  const found = setting.bad.has('age-only deletion') ? { packs: c.listing & c.old & ~c.refs, entries: 0 } : garbageOf({ ...c, joined })
  const base: Partial<Collector> = { refs: c.refs, garbage: found.packs }
  if (found.entries !== 0) to(`${what}; drops relocations`, { ...base, step: 'unindex' })
  else if (found.packs !== 0) to(`${what}; will sweep ${nameAll(found.packs)}`, { ...base, step: 'sweep' })
  else to(`${what}; nothing to sweep`, ...finished(s, c))
  if (c.copies >= setting.bounds.repacks) return
  for (const pack of members(c.refs & c.listing)) {
    if (pack >= firstCopy || c.moved[pack] !== 0) continue
    const object = objectOf(pack, joined) & c.listing
    const settled = [...members(object)].every(part => settledForGood(part, c.fenced, c.marks))
    if (!settled && !setting.bad.has('repack of a pack that is not settled')) continue
    // What is referenced of the object is what is copied.
    const live = object & c.refs
    to(`${what}; will repack ${nameOf(pack)}`, { refs: 0, garbage: live, step: 'copy', from: pack, to: copyOf(c.epoch), copies: c.copies + 1 })
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
  const joined = setting.bounds.joined === true
  if (s.gc.epoch !== c.epoch && (c.step === 'unindex' || c.step === 'index')) {
    to('finds the gc record claimed by another collector', ...finished(s, c))
    return
  }
  const end = (what: string, store: Partial<State>): void => {
    const [next, pins] = finished(s, c)
    to(what, next, { ...store, ...pins })
  }
  switch (c.step) {
    case 'unindex': {
      const { entries } = garbageOf({ ...c, joined })
      const moved = s.gc.moved.map((copy, pack) => ((entries & bit(pack)) !== 0 ? 0 : copy))
      to('changes the gc record', { step: 'sweep' }, { gc: { ...s.gc, moved } })
      return
    }
    case 'sweep':
      end(`deletes ${nameAll(c.garbage)}`, { packs: s.packs & ~c.garbage })
      return
    case 'copy':
      if ((s.packs & bit(c.from)) === 0) to(`finds ${nameOf(c.from)} gone`, ...finished(s, c))
      else to(`copies what lives in ${nameOf(c.from)} to ${nameOf(c.to)}`, { step: deleteFirst ? 'drop' : 'index' }, { packs: s.packs | bit(c.to) })
      return
    case 'index': {
      let moved = s.gc.moved
      for (const pack of members(c.garbage)) moved = withAt(moved, pack, c.to)
      const what = 'references the relocation index from the gc record'
      if (deleteFirst) end(what, { gc: { ...s.gc, moved } })
      else to(what, { step: 'drop' }, { gc: { ...s.gc, moved } })
      return
    }
    case 'drop': {
      const packs = s.packs & ~objectOf(c.from, joined)
      if (deleteFirst) to(`deletes ${nameOf(c.from)}`, { step: 'index' }, { packs })
      else end(`deletes ${nameOf(c.from)}`, { packs })
    }
  }
}
