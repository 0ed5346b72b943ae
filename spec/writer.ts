import { chain, commitsIn, packsIn, slotOf } from './log.js'
import type { Setting } from './rules.js'
import { bit, commitOf, type Head, type LogRecord, packOf, type State, type Writer, withAt } from './state.js'

type Emit = (step: string, next: State) => void

/** All that a writer can do next. */
export function writerSteps(setting: Setting, s: State, id: number, emit: Emit): void {
  const w = s.writers[id]
  const name = `writer ${id + 1}`
  const to = (step: string, next: Partial<Writer>, store: Partial<State> = {}): void => {
    emit(`${name} ${step}`, { ...s, ...store, writers: withAt(s.writers, id, { ...w, ...next }) })
  }
  switch (w.step) {
    case 'closed':
      to(`reads the head (version ${s.head.version}, epoch ${s.head.epoch})`, { step: 'claim', seen: s.head.version, ended: !s.head.open })
      return
    case 'claim':
      swapHead(s, w, id, claim(setting, s.head, w), `raises the epoch to ${s.head.epoch + 1}`, 'claim?', claimed(s.head, s.head.epoch + 1, w.ended), to)
      return
    case 'claim?':
      decideLost(s, w, id, 'claim', claimed(s.head, s.head.epoch, w.ended), to)
      return
    case 'fence':
      fence(setting, s, w, id, to)
      return
    case 'confirm':
      swapHead(s, w, id, { fenced: w.epoch }, 'confirms its fence in the head', 'confirm?', { step: 'open' }, to, { winners: won(s, w.next - 1, -w.epoch) })
      return
    case 'confirm?':
      decideLost(s, w, id, 'confirm', { step: 'open' }, to)
      return
    case 'open':
      commitSteps(setting, s, w, id, to)
      foldSteps(setting, s, w, id, to)
      endStep(setting, s, w, id, to)
      return
    case 'stopped':
  }
}

type To = (step: string, next: Partial<Writer>, store?: Partial<State>) => void

/** Where the log had ended, nobody of an earlier epoch can commit any more. */
function claim(setting: Setting, head: Head, w: Writer): Partial<Head> {
  const epoch = head.epoch + 1
  if (!w.ended) return { epoch }
  return { epoch, fenced: epoch, open: !setting.bad.has('an ended log opened without saying so') }
}

function claimed(head: Head, epoch: number, ended: boolean): Partial<Writer> {
  return { step: ended ? 'open' : 'fence', epoch, next: head.watermark, known: head.folded, refs: 0 }
}

/** A writer that goes and has folded all says that nothing more comes: the next one needs no fence. */
function endStep(setting: Setting, s: State, w: Writer, id: number, to: To): void {
  const isIdle = w.commit === 'idle' && w.fold === 'idle' && w.next === s.head.watermark
  if (setting.bounds.ends === true && isIdle) swapHead(s, w, id, { open: false }, 'ends its log', 'stopped', { step: 'stopped' }, to)
}

/** A compare-and-swap of the head: it applies, or it meets another version and the writer stops; the answer may get lost. */
function swapHead(
  s: State,
  w: Writer,
  id: number,
  change: Partial<Head>,
  what: string,
  unsure: Writer['step'],
  done: Partial<Writer>,
  to: To,
  also: Partial<State> = {},
): void {
  if (s.head.version !== w.seen) {
    to(`${what}: refused, the head has changed; it stops`, { step: 'stopped' })
    return
  }
  const head = { ...s.head, ...change, version: s.head.version + 1, by: id }
  to(what, { ...done, seen: head.version }, { head, ...also })
  if (s.losable === 0) return
  to(`${what}: applied, but the answer is lost`, { step: unsure }, { head, losable: s.losable - 1 })
  to(`${what}: not applied, and no answer`, { step: unsure }, { losable: s.losable - 1 })
}

/** After a lost answer: read, compare the nonce, decide. */
function decideLost(s: State, w: Writer, id: number, again: Writer['step'], done: Partial<Writer>, to: To): void {
  if (s.head.by === id && s.head.version === w.seen + 1) to('reads the head: it was applied', { ...done, seen: s.head.version })
  else if (s.head.version === w.seen) to('reads the head: it was not applied', { step: again })
  else to('reads the head: another writer has it; it stops', { step: 'stopped' })
}

/** Looks for the first free log number, taking over the commits before it, and puts its fence there. */
function fence(setting: Setting, s: State, w: Writer, id: number, to: To): void {
  if (setting.bad.has('log numbers per epoch')) {
    const found = chain(setting, s, w.next)
    const log = withAt(s.log, slotOf(setting, w.epoch, 0), { by: id, epoch: w.epoch, commit: -1, packs: 0, mark: 0 })
    to('reads the logs of earlier epochs and starts its own', { step: 'confirm', next: 1, known: w.known | commitsIn(found), refs: packsIn(found) }, { log })
    return
  }
  const there = s.log[w.next]
  const fenced: Partial<Writer> = { next: w.next + 1, step: setting.bad.has('open without confirming the epoch after the fence') ? 'open' : 'confirm' }
  if (there === undefined) {
    const log = withAt(s.log, w.next, { by: id, epoch: w.epoch, commit: -1, packs: 0, mark: 0 })
    to(`creates log/${w.next} as its fence`, fenced, { log })
    if (s.losable > 0) to(`creates log/${w.next} as its fence: applied, but the answer is lost`, {}, { log, losable: s.losable - 1 })
  } else if (there.by === id && there.epoch === w.epoch) to(`finds its fence at log/${w.next}`, fenced)
  else if (there.epoch > w.epoch) to(`finds the fence of epoch ${there.epoch} at log/${w.next} and stops`, { step: 'stopped' })
  else {
    const known = there.commit >= 0 ? w.known | bit(there.commit) : w.known
    to(`takes over log/${w.next}`, { next: w.next + 1, known, refs: w.refs | there.packs })
  }
}

/** The numbers below which no pack of this writer is on its way to be referenced. */
function settled(setting: Setting, w: Writer, inFlight: number | undefined): number {
  return inFlight === undefined || setting.bad.has('watermark ignores packs in flight') ? w.nextPack : Math.min(inFlight, w.nextPack)
}

function commitSteps(setting: Setting, s: State, w: Writer, id: number, to: To): void {
  if (w.commit === 'idle') {
    if (w.commitsLeft === 0) return
    const pack = packOf(w.epoch, w.nextPack)
    const begun: Partial<Writer> = { commit: 'create', commitPack: w.nextPack, nextPack: w.nextPack + 1 }
    if (setting.bounds.joined === true) to(`begins to write what will be pack ${w.epoch}.${w.nextPack}`, begun)
    else to(`puts pack ${w.epoch}.${w.nextPack} (content)`, begun, { packs: s.packs | bit(pack) })
    return
  }
  // It is put by the fold that takes it along.
  if (setting.bounds.joined === true && (s.packs & bit(packOf(w.epoch, w.commitPack))) === 0) return
  const commit = commitOf(w.epoch, w.commits)
  const slot = slotOf(setting, w.epoch, w.next)
  const packs = bit(packOf(w.epoch, w.commitPack))
  const there = s.log[slot]
  const done: Partial<Writer> = {
    commit: 'idle',
    next: w.next + 1,
    commits: w.commits + 1,
    commitsLeft: w.commitsLeft - 1,
    known: w.known | bit(commit),
    refs: w.refs | packs,
    commitPack: 0,
  }
  const acked = { acked: s.acked | bit(commit), winners: won(s, slot, commit + 1) }
  if (there === undefined) {
    const folding = w.fold === 'publish' || w.fold === 'publish?' ? w.foldPack : undefined
    const record: LogRecord = { by: id, epoch: w.epoch, commit, packs, mark: settled(setting, w, folding) }
    const log = withAt(s.log, slot, record)
    const what = `creates log/${w.next} with commit ${w.epoch}.${w.commits} (needs pack ${w.epoch}.${w.commitPack})`
    to(`${what}: acknowledged`, done, { log, ...acked })
    if (s.losable > 0) to(`${what}: applied, but the answer is lost`, {}, { log, losable: s.losable - 1 })
  } else if (there.by === id && there.commit === commit) to(`finds its commit at log/${w.next}: acknowledged`, done, acked)
  else to(`finds log/${w.next} taken by epoch ${there.epoch} and stops`, { step: 'stopped' })
}

/** One winner for a number: the value for `winners` if so, else the state is wrong. */
function won(s: State, slot: number, winner: number): readonly number[] {
  const before = s.winners[slot]
  return withAt(s.winners, slot, before === 0 || before === winner ? winner : twoWinners)
}

export const twoWinners = 99

/** Folds the log into the tree: new pages in a pack, the head by compare-and-swap, then the log objects go. */
function foldSteps(setting: Setting, s: State, w: Writer, id: number, to: To): void {
  const headFirst = setting.bad.has('head published before its packs')
  const pack = bit(packOf(w.epoch, w.foldPack))
  const name = `${w.epoch}.${w.foldPack}`
  const published: Partial<Writer> = { fold: headFirst ? 'late pack' : 'trim', refs: w.refs & ~w.foldRefs, foldsLeft: w.foldsLeft - 1 }
  switch (w.fold) {
    case 'idle': {
      if (w.foldsLeft === 0) return
      if (setting.bounds.joined === true) {
        foldTogether(s, w, to)
        return
      }
      const start: Partial<Writer> = { fold: 'publish', foldPack: w.nextPack, nextPack: w.nextPack + 1, foldUpTo: w.next, foldKnown: w.known, foldRefs: w.refs }
      if (headFirst) to('starts to fold', start)
      else to(`puts pack ${w.epoch}.${w.nextPack} (pages)`, start, { packs: s.packs | bit(packOf(w.epoch, w.nextPack)) })
      return
    }
    case 'publish': {
      const late = setting.bad.has('held states written down after the head')
      if (!late && saveHold(s, id, to)) return
      const mark = settled(setting, w, w.commit === 'create' ? w.commitPack : undefined)
      const change = { watermark: w.foldUpTo, folded: w.foldKnown, packs: pack | w.foldRefs, mark, markEpoch: w.epoch }
      swapHeadForFold(s, w, id, change, `publishes the head with pack ${name}`, published, to)
      return
    }
    case 'publish?':
      if (s.head.by === id && s.head.version === w.seen + 1) to('reads the head: it was applied', { ...published, seen: s.head.version })
      else if (s.head.version === w.seen) to('reads the head: it was not applied', { fold: 'publish' })
      else to('reads the head: another writer has it; it stops', { step: 'stopped' })
      return
    case 'late pack':
      to(`puts pack ${name} (pages)`, { fold: 'trim' }, { packs: s.packs | pack })
      return
    case 'trim': {
      if (setting.bad.has('held states written down after the head') && saveHold(s, id, to)) return
      const cleared: Partial<Writer> = { fold: 'idle', foldPack: 0, foldUpTo: 0, foldKnown: 0, foldRefs: 0 }
      const fencesToo = setting.bad.has('fences deleted with the log')
      // With numbers per epoch the log is left alone: that rule fails without it.
      const keep = (record: LogRecord | undefined, n: number): boolean => n >= w.foldUpTo || record === undefined || (record.commit < 0 && !fencesToo)
      const log = setting.bad.has('log numbers per epoch') ? s.log : s.log.map((record, n) => (keep(record, n) ? record : undefined))
      to(`deletes the log below ${w.foldUpTo}`, cleared, { log })
    }
  }
}

/** Before the head moves on, what an open view still needs of the old one is written down. True when that is the next step. */
function saveHold(s: State, id: number, to: To): boolean {
  const held = s.viewer.step === 'open' || s.viewer.step === 'moved' ? s.viewer.packs : 0
  if (id !== 0 || (held & ~s.hold) === 0) return false
  to('writes down what its view holds', {}, { hold: held })
  return true
}

/** The pack of the fold also holds what a commit has begun to write: one object. */
function foldTogether(s: State, w: Writer, to: To): void {
  const begun = bit(packOf(w.epoch, w.commitPack))
  if (w.commit !== 'create' || (s.packs & begun) !== 0) return
  const start: Partial<Writer> = { fold: 'publish', foldPack: w.nextPack, nextPack: w.nextPack + 1, foldUpTo: w.next, foldKnown: w.known, foldRefs: w.refs }
  const what = `puts packs ${w.epoch}.${w.commitPack} and ${w.epoch}.${w.nextPack} as one object`
  to(what, start, { packs: s.packs | begun | bit(packOf(w.epoch, w.nextPack)) })
}

function swapHeadForFold(s: State, w: Writer, id: number, change: Partial<Head>, what: string, done: Partial<Writer>, to: To): void {
  if (s.head.version !== w.seen) {
    to(`${what}: refused, the head has changed; it stops`, { step: 'stopped' })
    return
  }
  const head = { ...s.head, ...change, version: s.head.version + 1, by: id }
  to(what, { ...done, seen: head.version }, { head })
  if (s.losable === 0) return
  to(`${what}: applied, but the answer is lost`, { fold: 'publish?' }, { head, losable: s.losable - 1 })
  to(`${what}: not applied, and no answer`, { fold: 'publish?' }, { losable: s.losable - 1 })
}
