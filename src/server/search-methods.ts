import { CairnError } from '../errors.js'
import { ContentsRead, type SEALED } from '../history/contents/contents-read.js'
import type { WalkOptions } from '../history/contents/tree-walk.js'
import type { LocalBackend } from '../node/backend.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { Sessions, Target } from './sessions.js'

/** What another host writes can be searched all the same. */
const READ = { readOnly: true }

/** Reading the files of a state by content, for an index: a target of the client, which ends with it. */
export function searchMethods(volumes: OpenVolumes, sessions: Sessions, backend: (open: OpenVolume) => LocalBackend) {
  const reader = (session: string, id: number): ContentsRead => {
    const target: Target = sessions.get(session, id)
    if (target.contents === undefined) throw new CairnError('ERR_VOLUME_CLOSED', 'This is no reading of contents.', 'Begin one first.')
    return target.contents
  }
  return {
    contentsOpen: (session: string, name: string, ref: string | typeof SEALED | undefined) => {
      const open = volumes.acquire(name, false, READ)
      try {
        const contents = new ContentsRead(open.volume, ref, volumes.engine.storeOf(name)?.id)
        return { id: sessions.add(session, { open, fs: open.fs, backend: backend(open), contents }), of: contents.of }
      } catch (error) {
        volumes.release(open)
        throw error
      }
    },
    contentsSince: (session: string, id: number, root: string | undefined) => reader(session, id).since(root),
    contentsNext: (session: string, id: number) => reader(session, id).next(),
    contentsRead: (session: string, id: number, ino: number, offset: number) => reader(session, id).read(ino, offset),
    contentsPlaces: (session: string, id: number, files: Array<{ ino: number; content: Uint8Array }>) => {
      const read = reader(session, id)
      return files.map(file => read.place(file))
    },
    contentsWalk: (session: string, id: number, path: string, options: WalkOptions) => reader(session, id).walk(path, options),
    contentsWalkNext: (session: string, id: number, skip: number[]) => reader(session, id).walkNext(skip),
    contentsFiles: (session: string, id: number, inodes: Float64Array, whole: boolean) => reader(session, id).files(inodes, whole),
    contentsEntries: (session: string, id: number, inodes: Float64Array) => reader(session, id).entries(inodes),
  }
}
