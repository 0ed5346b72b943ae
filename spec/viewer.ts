import { bit, members, type State, type Viewer } from './state.js'

/** A view of the past in the process of writer 1: it reads all that the head named when it was opened, whatever becomes of the head. */
export function viewerSteps(s: State, emit: (step: string, next: State) => void): void {
  const v = s.viewer
  const to = (step: string, next: Partial<Viewer>, wrong = s.wrong): void => emit(`viewer ${step}`, { ...s, wrong, viewer: { ...v, ...next } })
  const [pack] = members(v.packs)
  switch (v.step) {
    case 'idle':
      if (s.writers[0].step === 'open') to(`opens what the head names (version ${s.head.version})`, { step: 'open', packs: s.head.packs })
      return
    case 'open':
      if (pack === undefined) to('has read all', { step: 'done' })
      else if ((s.packs & bit(pack)) !== 0) to(`reads pack bit ${pack}`, { packs: v.packs & ~bit(pack) })
      else to(`misses pack bit ${pack}`, { step: 'moved' })
      return
    case 'moved': {
      const moved = s.gc.moved[pack]
      if (moved !== 0 && (s.packs & bit(moved)) !== 0) to(`finds it moved to bit ${moved}`, { step: 'open', packs: v.packs & ~bit(pack) })
      else to('does not find it elsewhere', { step: 'done' }, 'an open view misses a pack')
      return
    }
    case 'done':
  }
}
