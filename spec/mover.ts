import type { Setting } from './rules.js'
import { bit, commitOf, type Mover, type State, withAt } from './state.js'

/** Writer 1 takes over what the other volume names: pin it, read it, commit it, say that it is done. The other volume may lose it any time. */
export function moverSteps(setting: Setting, s: State, emit: (step: string, next: State) => void): void {
  const m = s.mover
  const to = (step: string, next: Partial<Mover>, store: Partial<State> = {}): void => emit(step, { ...s, ...store, mover: { ...m, ...next } })
  if (s.other !== 0) to('the other volume drops what it has', {}, { other: 0 })
  const readsFirst = setting.bad.has('mover reads its source before it pins')
  switch (m.step) {
    case 'pin':
      if (readsFirst && m.packs === 0) to('mover reads the other volume', { packs: s.other ?? 0, step: s.other === 0 ? 'done' : 'pin' })
      else to('mover writes its pin', { step: readsFirst ? 'commit' : 'read' }, { taking: { packs: readsFirst ? m.packs : (s.other ?? 0), done: false } })
      return
    case 'read':
      // What the pin names is there: the pin was written before it could go.
      if (s.other === 0) to('mover finds nothing to take', { step: 'finish' })
      else to('mover reads the other volume', { step: 'commit', packs: s.other ?? 0 })
      return
    case 'commit':
      commit(s, m, to)
      return
    case 'finish':
      if (setting.bad.has('mover deletes its pin when it is done')) to('mover deletes its pin', { step: 'done' }, { taking: undefined })
      else to('mover says that it is done', { step: 'done' }, { taking: s.taking && { ...s.taking, done: true } })
      return
    case 'done':
  }
}

/** As a commit of writer 1, which does nothing else between its steps. */
function commit(s: State, m: Mover, to: (step: string, next: Partial<Mover>, store: Partial<State>) => void): void {
  const w = s.writers[0]
  if (w.step !== 'open' || w.commit !== 'idle' || w.fold !== 'idle' || s.log[w.next] !== undefined) return
  const number = w.commits
  const record = { by: 0, epoch: w.epoch, commit: commitOf(w.epoch, number), packs: m.packs, mark: w.nextPack }
  const writer = { ...w, next: w.next + 1, commits: number + 1, known: w.known | bit(record.commit), refs: w.refs | m.packs }
  const store = { log: withAt(s.log, w.next, record), acked: s.acked | bit(record.commit), writers: withAt(s.writers, 0, writer) }
  to(`writer 1 creates log/${w.next} with what it takes: acknowledged`, { step: 'finish' }, store)
}
