import { CairnError } from '../../errors.js'
import { type Random, systemRandom } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { identify } from '../identity.js'
import { storeReplaced } from '../store-replaced.js'

/**
 * Whether a store that was opened by its address is the one that this host knows: a bucket may have been emptied, and another store made in it. Asked once,
 * beside the first request, and again when something is missing. Cost: one GET.
 */
export class Genuine {
  readonly #store: Promise<ObjectStore>
  readonly #random: Random
  readonly #expected: string | undefined
  #answer: Promise<void> | undefined

  /** @param expected id of the one that counts; without, any does */
  constructor(store: Promise<ObjectStore>, expected: string | undefined, random: Random = systemRandom) {
    this.#store = store
    this.#expected = expected
    this.#random = random
  }

  /** @throws CairnError ERR_STORE_REPLACED; what the store says when it cannot be asked, and the next call asks again */
  confirmed(): Promise<void> {
    if (this.#expected === undefined) return Promise.resolve()
    const answer = this.#answer ?? this.#ask(this.#expected)
    this.#answer = answer
    answer.catch(() => {
      if (this.#answer === answer) this.#answer = undefined
    })
    return answer
  }

  /** As `confirmed`, by a question that is asked now. */
  confirmedNow(): Promise<void> {
    this.#answer = undefined
    return this.confirmed()
  }

  async #ask(expected: string): Promise<void> {
    const store = await this.#store
    const id = await identify(store, { random: this.#random }).then(
      found => found.id,
      error => {
        if (!(error instanceof CairnError) || error.code !== 'ERR_STORE_UNKNOWN') throw error
        return undefined
      },
    )
    if (id !== expected) throw storeReplaced(store.description, id)
  }
}
