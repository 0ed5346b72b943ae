import { chain, commitsIn, packsIn } from './log.js'
import type { Setting } from './rules.js'
import { bit, members, type Reader, type State } from './state.js'

/** Opens the volume to read, and reads every pack that its state needs. One that was overtaken starts again. */
export function readerSteps(setting: Setting, s: State, emit: (step: string, next: State) => void): void {
  const r = s.reader
  const to = (step: string, next: Partial<Reader>, wrong = s.wrong): void => emit(`reader ${step}`, { ...s, wrong, reader: { ...r, ...next } })
  const again: Partial<Reader> = { step: 'idle', seen: 0, watermark: 0, refs: 0, commits: 0, must: 0 }
  switch (r.step) {
    case 'idle': {
      const { version, watermark, packs, folded } = s.head
      to(`reads the head (version ${version})`, { step: 'log', seen: version, watermark, refs: packs, commits: folded, must: s.acked })
      return
    }
    case 'log': {
      const records = chain(setting, s, r.watermark)
      const unchecked = setting.bad.has('reader does not read the head again after the log')
      const commits = r.commits | commitsIn(records)
      const wrong = unchecked && (r.must & ~commits) !== 0 ? 'a reader does not see a commit acknowledged before it began' : s.wrong
      to('reads the log', { step: unchecked ? 'packs' : 'head again', refs: r.refs | packsIn(records), commits }, wrong)
      return
    }
    case 'head again':
      if (s.head.version !== r.seen) to('reads the head again: changed, so it starts again', again)
      else if ((r.must & ~r.commits) !== 0) to('trusts what it read', { step: 'done' }, 'a reader does not see a commit acknowledged before it began')
      else to('reads the head again: unchanged', { step: 'packs' })
      return
    case 'packs': {
      const [pack] = members(r.refs)
      if (pack === undefined) to('has all it needs', { step: 'done' })
      else if ((s.packs & bit(pack)) !== 0) to(`reads pack bit ${pack}`, { refs: r.refs & ~bit(pack) })
      else to(`misses pack bit ${pack}`, { step: 'moved' })
      return
    }
    case 'moved': {
      const [pack] = members(r.refs)
      const moved = s.gc.moved[pack]
      if (moved !== 0 && (s.packs & bit(moved)) !== 0) to(`finds it moved to bit ${moved}`, { step: 'packs', refs: r.refs & ~bit(pack) })
      else to('does not find it elsewhere', { step: 'missing' })
      return
    }
    case 'missing':
      if (s.head.version === r.seen) to('reads the head again: unchanged', { step: 'done' }, 'a reader misses a pack of the current state')
      else to('reads the head again: its state is stale, so it starts again', again)
      return
    case 'done':
  }
}
