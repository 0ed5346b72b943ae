import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CairnError } from '../../../src/errors.js'
import type { GetOptions, StoredObject } from '../../../src/store/contract.js'
import { preconditionFailed } from '../../../src/store/keys.js'
import type { MemoryStore } from '../../../src/store/memory/index.js'
import { CHUNK_BYTES, chunkFile } from '../../../src/store/remote/chunks.js'
import type { Done, LocalPack, StoreCalls, StoreLine } from '../../../src/store/remote/protocol.js'
import { uncertain, unreachable } from '../../../src/store/remote-errors.js'
import type { StoreInfo } from '../../../src/store/store-info.js'

/** What lies between a host and the store. */
export interface Network {
  readonly store: MemoryStore
  /** What the store says of itself. */
  readonly info: StoreInfo
  pick(below: number): number
  /** True once in so many times, while there are faults. */
  fault(oneIn: number): boolean
  /** What this host reads of the store came damaged, or not all of it. */
  damaged(what: string): void
  /** No request of this host arrives. */
  isCut(): boolean
  /**
   * The host stops between two requests for as long as others go on.
   * @param isApart false in the middle of an operation: threads of others would not share its buffers @throws Killed
   */
  between(isApart: boolean): void
  /** It is on its way, and arrives at some time, whatever becomes of its sender. */
  later(arrives: () => void): void
}

type Call = { op: keyof StoreCalls; args: unknown[] }
type Pending = Call & { done: Done<never>; answer?: { error?: Error; result?: unknown } }

const WRITES: ReadonlySet<keyof StoreCalls> = new Set(['put', 'delete', 'upload'])

/** In place of a store's thread: requests reach a store in memory, or do not, or twice as late, as a seed decides. */
export class SimulatedLine implements StoreLine {
  onTrouble: (error: Error) => void = () => {}
  readonly #net: Network
  #pending: Pending[] = []
  #cache = ''
  #isClosed = false

  constructor(net: Network) {
    this.#net = net
  }

  cacheIn(folder: string): void {
    this.#cache = folder
  }

  callSync<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]> {
    this.#net.between(op !== 'fetch')
    const result = this.#attempt({ op, args })
    this.#net.between(op !== 'fetch')
    return result as ReturnType<StoreCalls[Op]>
  }

  request<Op extends keyof StoreCalls>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>): void {
    if (this.#isClosed) done(unreachable('the store', 'it was closed'))
    else this.#pending.push({ op, args, done: done as Done<never> })
  }

  /** What is expected comes, or does not. */
  tell<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): void {
    if (op !== 'prefetch' || this.#net.isCut()) return
    const [key, first, count] = args as Parameters<StoreCalls['prefetch']>
    for (let chunk = first; chunk < first + count; chunk++) if (this.#net.pick(2) === 0) this.#fetch(key, chunk)
  }

  waitUntil(isDone: () => boolean): void {
    while (!isDone()) {
      this.#net.between(true)
      if (!this.step()) throw unreachable('the store', 'nothing is on its way')
    }
  }

  /** One request arrives, or one answer. False when there is none. */
  step(): boolean {
    return this.arrive() || this.#answer()
  }

  takeAnswers(): void {
    while (this.#answer());
  }

  #answer(): boolean {
    const answered = this.#pending.find(({ answer }) => answer !== undefined)
    if (answered?.answer === undefined) return false
    this.#pending = this.#pending.filter(other => other !== answered)
    answered.done(answered.answer.error, answered.answer.result as never)
    return true
  }

  /** A request that nobody waits for arrives; its answer comes later. */
  arrive(): boolean {
    const isCut = this.#net.isCut()
    const next = this.#pending.find(({ op, answer }) => answer === undefined && !(op === 'awaitStore' && isCut))
    if (next === undefined) return false
    try {
      next.answer = { result: this.#attempt(next) }
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      next.answer = { error }
    }
    return true
  }

  #attempt(call: Call): unknown {
    const net = this.#net
    if (call.op === 'awaitStore') return undefined
    if (net.isCut() || net.fault(40)) throw this.#lost(call)
    if (call.op === 'put' && net.fault(30)) return this.#asked(call)
    return this.#perform(call)
  }

  /** The sender hears nothing. What it sent may have arrived, may arrive later, or never. */
  #lost(call: Call): Error {
    const perform = frozen(call)
    const fate = WRITES.has(call.op) ? this.#net.pick(4) : 0
    if (fate === 1 && !this.#net.isCut()) quietly(() => this.#perform(perform))
    if (fate === 2) this.#net.later(() => quietly(() => this.#perform(perform)))
    const why = unreachable('the store', 'it did not answer in time')
    return call.op === 'put' && fate === 3 ? this.#uncertain(call, why) : why
  }

  #uncertain(call: Call, why: CairnError): Error {
    if (this.#net.pick(2) === 0) quietly(() => this.#perform(call))
    return uncertain('the store', String(call.args[0]), why)
  }

  /** The answer was lost, and the object is asked whose it is: another's, when somebody replaced it in between. */
  #asked(call: Call): unknown {
    const made = this.#perform(call) as { version: string }
    this.#net.between(true)
    const key = String(call.args[0])
    if (this.#net.store.headSync(key)?.version !== made.version) throw preconditionFailed(key, 'it has changed')
    return made
  }

  #perform({ op, args }: Call): unknown {
    const { store } = this.#net
    switch (op) {
      case 'get':
      case 'knock':
        return this.#get(args[0] as string, args[1] as GetOptions | undefined)
      case 'put':
        return store.putSync(args[0] as string, args[1] as Uint8Array, args[2] as object)
      case 'head':
        return store.headSync(args[0] as string)
      case 'list':
        return this.#list(args[0] as string, args[1] as string | undefined)
      case 'delete':
        return store.deleteSync(args[0] as string[])
      case 'identify':
        return this.#net.info
      case 'fetch':
        return this.#fetch(args[0] as string, args[1] as number, args[2] as boolean | undefined)
      case 'check':
        return undefined
      case 'upload':
        return this.#upload(args[0] as LocalPack[])
      default:
        throw new Error(`no ${op} in a simulation`)
    }
  }

  #get(key: string, options: GetOptions = {}): StoredObject | undefined {
    const found = this.#net.store.getSync(key, options)
    const isUnchanged = found !== undefined && found.version === options.unlessVersion
    if (isUnchanged) return { bytes: Buffer.alloc(0), version: found.version, unchanged: true }
    return found && { ...found, bytes: this.#received(key, found.bytes) }
  }

  /** One byte is another one on the way, or the end is missing. */
  #received(key: string, bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0 || !this.#net.fault(120)) return bytes
    this.#net.damaged(key)
    if (this.#net.pick(2) === 0) return bytes.subarray(0, this.#net.pick(bytes.length))
    const other = Buffer.from(bytes)
    other[this.#net.pick(bytes.length)] ^= 1 << this.#net.pick(8)
    return other
  }

  /** In pages of few, so that others come in between. */
  #list(prefix: string, cursor?: string): unknown {
    const page = this.#net.store.listSync(prefix, cursor)
    const count = 1 + this.#net.pick(30)
    if (page.objects.length <= count) return page
    const objects = page.objects.slice(0, count)
    return { objects, cursor: objects[count - 1].key }
  }

  #fetch(key: string, chunk: number, asBytes = false): number | Uint8Array {
    const found = this.#net.store.getSync(key, { range: { offset: chunk * CHUNK_BYTES, length: CHUNK_BYTES } })
    if (found === undefined) return -1
    const bytes = this.#received(key, found.bytes)
    if (bytes.length === 0 || asBytes || this.#net.pick(2) === 0) return bytes.length === 0 ? 0 : bytes
    const path = join(this.#cache, chunkFile(key, chunk))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}~0-0`, bytes)
    renameSync(`${path}~0-0`, path)
    return bytes.length
  }

  #upload(packs: readonly LocalPack[]): void {
    for (const pack of packs) {
      const bytes = (pack as { bytes?: Buffer }).bytes ?? waiting(pack.path)
      if (bytes === undefined) {
        if (this.#net.store.headSync(pack.key) !== undefined) continue
        throw new CairnError('ERR_CONFLICT', `${pack.key} waits here no more.`, 'Try again.', { retry: 'same-call' })
      }
      try {
        this.#net.store.putSync(pack.key, bytes, { ifAbsent: true })
      } catch (error) {
        if (!this.#net.store.getSync(pack.key)?.bytes.every((byte, i) => byte === bytes[i])) throw error
      }
    }
  }

  close(): void {
    this.#isClosed = true
    for (const call of this.#pending.splice(0)) if (call.answer === undefined && this.#net.pick(2) === 0) this.#lost(call)
  }
}

/** As it was sent: the files of its packs may be gone when it arrives. */
function frozen(call: Call): Call {
  if (call.op !== 'upload') return call
  const packs = (call.args[0] as LocalPack[]).flatMap(pack => {
    const bytes = waiting(pack.path)
    return bytes === undefined ? [] : [{ ...pack, bytes }]
  })
  return { op: call.op, args: [packs] }
}

function waiting(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

function quietly(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
  }
}
