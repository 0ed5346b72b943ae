import { TreeWalk, type WalkOptions } from '../history/contents/tree-walk.js'
import type { FileState } from '../volume/file-content.js'
import type { Session } from '../volume/session.js'
import type { Sessions, Target } from './sessions.js'

/** The names below an inode of what a client has open, page by page: a target of the client, which ends with it. */
export function findMethods(sessions: Sessions) {
  return {
    findOpen: (session: string, id: number, from: number, options: WalkOptions): number => {
      const target = sessions.get(session, id)
      const walk = new TreeWalk(stateOf(target), target.open.volume.session.dirHash, from, options)
      sessions.check(session)
      target.open.users++
      return sessions.add(session, { open: target.open, fs: target.fs, backend: target.backend, walk })
    },
    findNext: (session: string, _: number, walk: number, skip: number[]) => sessions.get(session, walk).walk?.next(skip),
    findClose: (session: string, _: number, walk: number) => sessions.remove(session, walk),
  }
}

/** What changes meanwhile is not seen. */
function stateOf({ past, open }: Target): FileState {
  return (past as (Session & FileState) | undefined) ?? open.volume.stateAt()
}
