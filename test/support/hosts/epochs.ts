import { decodeHead } from '../../../src/codec/head.js'
import type { PutOptions } from '../../../src/store/contract.js'
import type { MemoryStore } from '../../../src/store/memory/index.js'
import { plainBytes, type Secret } from './secret.js'

/** Notes who stored a new state of a volume in which epoch: of each there is one. */
export class Epochs {
  /** By volume and epoch. */
  readonly #winners = new Map<string, string>()
  /** Epochs in which two hosts stored something. */
  readonly shared: string[] = []
  readonly #store: MemoryStore
  readonly #secret: Secret
  readonly #tell: (what: string) => void

  constructor(store: MemoryStore, secret: Secret, tell: (what: string) => void) {
    this.#store = store
    this.#secret = secret
    this.#tell = tell
  }

  #note(sender: string, key: string, bytes: Uint8Array): void {
    if (!/^volumes\/.*\/head$/.test(key)) return
    const before = this.#store.getSync(key)
    const head = decodeHead(plainBytes(this.#secret, key, bytes))
    if (before !== undefined && decodeHead(plainBytes(this.#secret, key, before.bytes)).root === head.root) return
    const epoch = `${head.volume} ${head.epoch}`
    const winner = this.#winners.get(epoch) ?? sender
    if (winner !== sender) this.shared.push(`${epoch}: ${winner}, ${sender}`)
    this.#winners.set(epoch, winner)
  }

  /** The store, as requests of a host reach it. */
  for(sender: string): MemoryStore {
    const put = (key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } => {
      const isRefused = options.ifMatch !== undefined && options.ifMatch !== this.#store.headSync(key)?.version
      if (!isRefused) this.#note(sender, key, bytes)
      const put = this.#store.putSync(key, bytes, options)
      this.#tell(
        `stored by ${sender}: ${key}${
          key.startsWith('packs/')
            ? ''
            : ` ${Buffer.from(key.startsWith('volumes/') && key.includes('/log/') ? '' : plainBytes(this.#secret, key, bytes))
                .toString('latin1')
                .slice(0, 700)
                .replaceAll(/[0-9a-f]{60,}/g, hex => `${hex.slice(64, 96)}@${hex.slice(96, 104)}`)}`
        }`,
      )
      return put
    }
    const remove = (keys: readonly string[]): void => {
      this.#tell(`deleted by ${sender}: ${keys.join(' ')}`)
      this.#store.deleteSync(keys)
    }
    return new Proxy(this.#store, {
      get(target, name) {
        if (name === 'putSync') return put
        if (name === 'deleteSync') return remove
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
