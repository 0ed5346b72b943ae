import { limits } from '../sys/index.js'
import type { Contents } from './contents.js'
import { walkEntries } from './walk-entries.js'

/** A file that was found, by one of its names. */
export interface Place {
  ino: number
  path: string
  nlink: number
}

/**
 * The names of each file at or below `folder`. Nothing leads from a file to its names but the first: where files have several, the tree is walked until all of them are
 * found, or `limits.searchNames` names were looked at.
 */
export async function namesOf(contents: Contents, places: readonly Place[], folder: string | undefined): Promise<Map<number, string[]>> {
  const names = new Map(places.flatMap(({ ino, nlink }): Array<[number, string[]]> => (nlink > 1 ? [[ino, []]] : [])))
  let missing = places.reduce((sum, { ino, nlink }) => sum + (names.has(ino) ? nlink : 0), 0)
  if (missing === 0) return names
  let looked = 0
  for await (const page of walkEntries(contents, folder === undefined ? {} : { path: folder })) {
    for (const { ino, path } of page) {
      const known = names.get(ino)
      if (known === undefined) continue
      known.push(path)
      missing--
    }
    looked += page.length
    if (missing === 0 || looked >= limits.searchNames) break
  }
  return names
}
