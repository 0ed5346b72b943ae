import { CairnError } from '../errors.js'
import { type Random, systemClock, systemRandom } from '../sys/index.js'
import type { ObjectStore, PutOptions } from './contract.js'
import { PROBE_PREFIX } from './keys.js'

export interface ProbeOptions {
  /** The store must keep the nonce of a write, as remote ones need for lost answers. */
  keepsNonce?: boolean
  random?: Random
}

export interface ProbeReport {
  /** Median time of one small request. */
  roundTripMs: number
}

const RIVALS = 8
const bytesOf = (text: string): Buffer => Buffer.from(text)

/**
 * Tries out what Cairn relies on, with small objects below `probe/` that are deleted again: conditional writes are refused when they should be, also among
 * rivals; what was written is read and listed at once; ranges are ranges.
 * Cost: some 40 requests in 15 round trips, once when a store is made, and with `--check-storage`.
 * @throws CairnError ERR_STORE_UNFIT with the reason; what the requests throw
 */
export async function probeStore(store: ObjectStore, options: ProbeOptions = {}): Promise<ProbeReport> {
  const random = options.random ?? systemRandom
  const probe = new Probe(store, `${PROBE_PREFIX}${random.bytes(8).toString('hex')}/`, random)
  try {
    // Whoever may not list is told wrong things of keys that are missing.
    await probe.nothing()
    await probe.creating(options.keepsNonce === true)
    await probe.replacing()
    await probe.racing()
    await probe.listing()
    await probe.ranges()
  } finally {
    await probe.clear()
  }
  return { roundTripMs: probe.median() }
}

class Probe {
  readonly #store: ObjectStore
  readonly #prefix: string
  readonly #random: Random
  readonly #keys = new Set<string>()
  readonly #times: number[] = []

  constructor(store: ObjectStore, prefix: string, random: Random) {
    this.#store = store
    this.#prefix = prefix
    this.#random = random
  }

  async creating(keepsNonce: boolean): Promise<void> {
    const nonce = this.#random.bytes(8).toString('hex')
    const first = await this.#put('a', 'first', { ifAbsent: true, nonce })
    if (first === undefined) throw this.#unfit('it refused to create an object that was not there')
    const info = await this.#timed(() => this.#store.head(`${this.#prefix}a`))
    if (info === undefined) throw this.#unfit('an object that was just written is not there')
    if (info.version !== first) throw this.#unfit('it names the version of an object differently when it is written and when it is read')
    if (keepsNonce && info.nonce !== nonce) throw this.#unfit('it does not keep the metadata of objects')
    if ((await this.#put('a', 'second', { ifAbsent: true })) !== undefined)
      throw this.#unfit('it overwrote an object that was to be created only where none is')
    await this.#reads('a', 'first')
  }

  async replacing(): Promise<void> {
    const first = (await this.#store.head(`${this.#prefix}a`))?.version
    const second = await this.#put('a', 'replaced', { ifMatch: first })
    if (second === undefined) throw this.#unfit('it refused to replace an object although its version was the one that was named')
    await this.#reads('a', 'replaced')
    if ((await this.#put('a', 'late', { ifMatch: first })) !== undefined)
      throw this.#unfit('it overwrote an object that was to be replaced only while it had another version')
    await this.#reads('a', 'replaced')
    if ((await this.#put('missing', 'late', { ifMatch: first })) !== undefined)
      throw this.#unfit('it created an object that was to be replaced only while it had a certain version')
  }

  /** Conditions that are looked at before the write instead of with it fail here, mostly. */
  async racing(): Promise<void> {
    const created = await this.#rivals('race', { ifAbsent: true })
    if (created !== 1) throw this.#unfit(`${created} of ${RIVALS} who created one object at the same time were told that they did`)
    const version = (await this.#store.head(`${this.#prefix}race`))?.version
    const replaced = await this.#rivals('race', { ifMatch: version })
    if (replaced !== 1) throw this.#unfit(`${replaced} of ${RIVALS} who replaced one object at the same time were told that they did`)
  }

  async #rivals(name: string, condition: PutOptions): Promise<number> {
    const versions = await Promise.all(Array.from({ length: RIVALS }, (_, i) => this.#put(name, `${JSON.stringify(condition)} ${i}`, condition)))
    return versions.filter(version => version !== undefined).length
  }

  nothing(): Promise<void> {
    return this.#lists([])
  }

  async listing(): Promise<void> {
    await Promise.all(['l/1', 'l/2', 'l/3'].map(name => this.#put(name, name, {})))
    await this.#lists(['l/1', 'l/2', 'l/3'])
    await this.#store.delete([`${this.#prefix}l/2`])
    await this.#lists(['l/1', 'l/3'])
    if ((await this.#timed(() => this.#store.get(`${this.#prefix}l/2`))) !== undefined) throw this.#unfit('an object that was deleted is still there')
  }

  async #lists(names: readonly string[]): Promise<void> {
    const found = (await this.#timed(() => this.#store.list(`${this.#prefix}l/`))).objects.map(object => object.key.slice(this.#prefix.length))
    if (found.join() !== names.join()) throw this.#unfit(`it lists ${found.join(', ') || 'nothing'} where ${names.join(', ') || 'nothing'} should be`)
  }

  async ranges(): Promise<void> {
    await this.#put('r', '0123456789', {})
    const part = await this.#timed(() => this.#store.get(`${this.#prefix}r`, { range: { offset: 3, length: 4 } }))
    if (part === undefined || Buffer.from(part.bytes).toString() !== '3456')
      throw this.#unfit('it does not answer with the range of an object that is asked for')
  }

  /** The version; undefined when the condition was refused. */
  async #put(name: string, text: string, options: PutOptions): Promise<string | undefined> {
    const key = this.#prefix + name
    this.#keys.add(key)
    try {
      return (await this.#timed(() => this.#store.put(key, bytesOf(text), options))).version
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return undefined
      throw error
    }
  }

  async #reads(name: string, text: string): Promise<void> {
    const found = await this.#timed(() => this.#store.get(this.#prefix + name))
    if (found === undefined || Buffer.from(found.bytes).toString() !== text) throw this.#unfit('an object that was just written reads otherwise')
  }

  async #timed<T>(request: () => Promise<T>): Promise<T> {
    const start = systemClock.monotonic()
    const result = await request()
    this.#times.push(systemClock.monotonic() - start)
    return result
  }

  median(): number {
    return this.#times.sort((a, b) => a - b)[this.#times.length >> 1] ?? 0
  }

  clear(): Promise<void> {
    return this.#store.delete([...this.#keys])
  }

  #unfit(what: string): CairnError {
    return new CairnError(
      'ERR_STORE_UNFIT',
      `${this.#store.description} cannot hold volumes: ${what}.`,
      'Use a service with conditional writes; docs/stores.md lists those that were tried.',
    )
  }
}
