import { CairnError } from '../errors.js'
import { baseRef, type DiffOptions, type DiffRead, type DiffSide, diffRead } from '../history/diff/diff-read.js'
import { BlameRead } from '../history/log/blame-read.js'
import { type LogOptions, LogRead } from '../history/log/log-read.js'
import type { LocalBackend } from '../node/backend.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { Sessions, Target } from './sessions.js'

/** What another host writes can be read all the same. */
const READ = { readOnly: true }

/** Reading of history in pages: what is read is a target of the client, and ends with it. */
export function historyMethods(volumes: OpenVolumes, sessions: Sessions, backend: (open: OpenVolume) => LocalBackend) {
  const reader = (session: string, id: number): DiffRead => {
    const target: Target = sessions.get(session, id)
    if (target.diff === undefined) throw new CairnError('ERR_VOLUME_CLOSED', 'This is no diff.', 'Begin one first.')
    return target.diff
  }
  const log = (session: string, id: number): LogRead => {
    const target: Target = sessions.get(session, id)
    if (target.log === undefined) throw new CairnError('ERR_VOLUME_CLOSED', 'This is no log.', 'Begin one first.')
    return target.log
  }
  const blame = (session: string, id: number): BlameRead => {
    const target: Target = sessions.get(session, id)
    if (target.blame === undefined) throw new CairnError('ERR_VOLUME_CLOSED', 'This is no blame.', 'Begin one first.')
    return target.blame
  }
  return {
    logOpen: (session: string, name: string, options: LogOptions) => {
      const open = volumes.acquire(name, false, READ)
      try {
        return sessions.add(session, { open, fs: open.fs, backend: backend(open), log: new LogRead(open.volume, options) })
      } catch (error) {
        volumes.release(open)
        throw error
      }
    },
    blameOpen: (session: string, name: string, path: string, ref: string | undefined) => {
      const open = volumes.acquire(name, false, READ)
      try {
        return sessions.add(session, { open, fs: open.fs, backend: backend(open), blame: new BlameRead(open.volume, path, ref) })
      } catch (error) {
        volumes.release(open)
        throw error
      }
    },
    /** Undefined: ask again. */
    blameStates: (session: string, id: number) => {
      const read = blame(session, id)
      return read.step() ? read.states : undefined
    },
    blameFile: (session: string, id: number, index: number, offset: number) => blame(session, id).read(index, offset),
    logNext: (session: string, id: number) => log(session, id).next(),
    /** `from` without a ref and of the same volume: since the newest checkpoint, or the fork. */
    diffOpen: (session: string, from: DiffSide | undefined, to: DiffSide, options: DiffOptions) => {
      const two = volumes.acquire(to.volume, false, READ)
      let one: OpenVolume | undefined
      try {
        one = volumes.acquire(from?.volume ?? to.volume, false, READ)
        const side = from ?? { ...to, ref: baseRef(two.volume) }
        const { read, ...about } = diffRead({ volume: one.volume, side }, { volume: two.volume, side: to }, options)
        return { id: sessions.add(session, { open: two, second: one, fs: two.fs, backend: backend(two), diff: read }), ...about }
      } catch (error) {
        if (one !== undefined) volumes.release(one)
        volumes.release(two)
        throw error
      }
    },
    diffNext: (session: string, id: number) => reader(session, id).next(),
    diffFile: (session: string, id: number, side: 'before' | 'after', ino: number, offset: number) => reader(session, id).read(side, ino, offset),
  }
}
