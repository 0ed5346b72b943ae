import type { LocalStore, StoredObject } from '../store/contract.js'

/** Where a reader looks for heads. */
export interface PublishedHeads {
  storedSync(key: string, options?: { unlessVersion?: string }): StoredObject | undefined
  /** @param unlessVersion the version that is known: the answer has no bytes when it is that one still */
  storedSoon(key: string, unlessVersion: string | undefined, done: (error: Error | undefined, found?: StoredObject) => void): void
}

/** Those of a store that answers at once. */
export function headsIn(store: LocalStore): PublishedHeads {
  const storedSync = (key: string, { unlessVersion }: { unlessVersion?: string } = {}): StoredObject | undefined => {
    const found = store.getSync(key)
    return found !== undefined && found.version === unlessVersion ? { ...found, unchanged: true } : found
  }
  return {
    storedSync,
    storedSoon: (key, unlessVersion, done) => {
      let found: StoredObject | undefined
      try {
        found = storedSync(key, unlessVersion === undefined ? {} : { unlessVersion })
      } catch (error) {
        done(error as Error)
        return
      }
      done(undefined, found)
    },
  }
}
