import type { ContentsOf, FileEntry, FilePlace, FoundContent } from '../history/contents/contents-read.js'
import type { FilesBytes } from '../history/contents/file-bytes.js'
import type { WalkPage } from '../history/contents/tree-walk.js'
import type { Contents } from '../search/contents.js'
import { Searcher } from '../search/searcher.js'
import type { Host } from './host.js'

/** Searches the volumes of a home, wherever they are open. */
export function searcherOf(home: string, hostOf: (volume: string) => Promise<Host>): Searcher {
  return new Searcher(home, async (volume, ref) => {
    const host = await hostOf(volume)
    const { id, of } = (await host.call('contentsOpen', volume, ref)) as { id: number; of: ContentsOf }
    return contentsAt(host, id, of)
  })
}

function contentsAt(host: Host, id: number, of: ContentsOf): Contents {
  return {
    of,
    since: async root => {
      await host.call('contentsSince', id, root)
    },
    next: async () => (await host.call('contentsNext', id)) as FoundContent[] | undefined,
    read: async (ino, offset) => (await host.call('contentsRead', id, ino, offset)) as Uint8Array,
    walk: async (path, options) => {
      await host.call('contentsWalk', id, path, options)
    },
    walkNext: async skip => (await host.call('contentsWalkNext', id, skip)) as WalkPage | undefined,
    files: async (inodes, whole) => (await host.call('contentsFiles', id, inodes, whole)) as FilesBytes,
    entries: async inodes => (await host.call('contentsEntries', id, inodes)) as Array<FileEntry | undefined>,
    places: async files => (await host.call('contentsPlaces', id, files)) as Array<FilePlace | undefined>,
    close: async () => {
      await host.call('close', id)
    },
  }
}
