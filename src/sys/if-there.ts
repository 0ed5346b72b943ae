import { readdirSync } from 'node:fs'

/** Nothing has that name. */
const MISSING: readonly string[] = ['ENOENT']
/** Nor is what should be its folder one. */
export const NO_PATH: readonly string[] = ['ENOENT', 'ENOTDIR']

/** Runs `work` on a path of this host: undefined when nothing is there. @param codes of the errors that say so. @throws all others */
export function ifThere<T>(work: () => T, codes = MISSING): T | undefined {
  try {
    return work()
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Names in a folder, in no order; none without one. */
export function namesIn(folder: string, codes = MISSING): string[] {
  return ifThere(() => readdirSync(folder), codes) ?? []
}
