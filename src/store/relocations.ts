import type { RelocationIndex } from '../codec/relocation.js'
import { CorruptError } from '../errors.js'
import type { LocalStore } from './contract.js'
import { readGcRecord, readRelocations } from './gc-record.js'

/** The relocation index of a store as far as this process has read it. A look-up that misses asks whether there is a newer one. */
export class Relocations {
  readonly #store: LocalStore
  #index: RelocationIndex | undefined
  #key = ''

  constructor(store: LocalStore) {
    this.#store = store
  }

  /** The entry for the segment that stood at `offset` of a pack; undefined when the index, as it was read, has none. O(log n) */
  find(pack: Uint8Array, at: number, offset: number): RelocationIndex | undefined {
    return this.#index?.find(pack, at, offset) === true ? this.#index : undefined
  }

  /** A pack that is gone was moved, as the newest index says. */
  explains(pack: Uint8Array, isCopy: boolean): boolean {
    this.refresh()
    // Nothing leads to a copy that was copied once more.
    return (this.#index?.names(pack) ?? false) !== isCopy
  }

  /** Reads the index again if a collection has replaced it; true when it did. @throws CorruptError. Cost: one small read */
  refresh(): boolean {
    // A collection between reading the record and the index has removed that one: then there is a newer record.
    for (;;) {
      const { relocations } = readGcRecord(this.#store)
      if (relocations === this.#key) return false
      try {
        this.#index = readRelocations(this.#store, relocations)
        this.#key = relocations
        return true
      } catch (error) {
        if (!(error instanceof CorruptError) || readGcRecord(this.#store).relocations === relocations) throw error
      }
    }
  }
}
