import { chain, packsIn } from './log.js'
import type { Setting } from './rules.js'
import type { Forker, State } from './state.js'

/** Makes a fork of the volume as its head and log are now: pin, create the head if absent, read the pin again. */
export function forkerSteps(setting: Setting, s: State, emit: (step: string, next: State) => void): void {
  const f = s.forker
  const to = (step: string, next: Partial<Forker>, store: Partial<State> = {}): void => emit(`forker ${step}`, { ...s, ...store, forker: { ...f, ...next } })
  switch (f.step) {
    case 'start':
      to(`reads the source's head (version ${s.head.version})`, { step: 'log', seen: s.head.version, watermark: s.head.watermark, packs: s.head.packs })
      return
    case 'log':
      to("reads the source's log", { step: 'pin', packs: f.packs | packsIn(chain(setting, s, f.watermark)) })
      return
    case 'pin':
      to('writes its pin', { step: setting.bad.has('fork does not read its source again after pinning') ? 'create' : 'source again' }, { pin: f.packs })
      return
    case 'source again':
      if (s.head.version === f.seen) to("reads the source's head again: unchanged", { step: 'create' })
      else to("reads the source's head again: changed, so it starts again", { step: 'start', seen: 0, watermark: 0, packs: 0 })
      return
    case 'create': {
      const trusting = setting.bad.has('fork does not read its pin again')
      to("creates the fork's head", { step: trusting ? 'done' : 'pin again' }, { fork: { state: trusting ? 'ready' : 'pending', packs: f.packs } })
      return
    }
    case 'pin again':
      if (s.pin === undefined) to('reads its pin again: gone, the fork may not be whole', { step: 'undo' })
      else to('reads its pin again: there', { step: 'confirm' })
      return
    case 'confirm':
      if (s.fork?.state !== 'pending') to('finds its fork given up by a collector', { step: 'failed' })
      // The pin stays: a collector that began before may rely on it.
      else to('marks the fork as ready', { step: 'done' }, { fork: { ...s.fork, state: 'ready' } })
      return
    case 'undo':
      to('gives the fork up', { step: 'failed' }, { fork: { state: 'void', packs: 0 } })
      return
    case 'done':
    case 'failed':
  }
}
