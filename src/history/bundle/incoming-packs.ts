import { join } from 'node:path'
import { PackKind } from '../../codec/pack.js'
import { packId, packKey } from '../../codec/pointer.js'
import { SegmentKind } from '../../codec/segment.js'
import { PackWriter } from '../../store/packs.js'
import { limits, makeFolders } from '../../sys/index.js'
import type { PageSink } from '../../tree/tree.js'
import type { StoreContext } from '../../volume/volume.js'

/** Nobody else writes to the volume that is being made. */
const EPOCH = 1
const BIRTH = 1

/** Packs of a volume that is being made, in a folder of this host until all of them are there. */
export class IncomingPacks implements PageSink {
  readonly #context: StoreContext
  readonly #dir: string
  readonly #volume: Buffer
  #content: PackWriter | undefined
  #pages: PackWriter | undefined
  readonly #full: PackWriter[] = []
  /** Keys of those that the store has already. */
  readonly #gone: string[] = []
  /** Packs of pages, which are read again while the tree grows. */
  readonly #readable: PackWriter[] = []
  #sequence: number

  /** @param first number of the first pack */
  constructor(context: StoreContext, dir: string, volume: string, first = 1) {
    this.#sequence = first
    this.#context = context
    this.#dir = dir
    this.#volume = Buffer.from(volume, 'hex')
    makeFolders(dir)
  }

  /** Stores a block and writes its pointer to `to`. @throws a Node error of the disk */
  writeBlock(plain: Uint8Array, to: Uint8Array): void {
    this.#content ??= this.#open(PackKind.content)
    this.#content.append(SegmentKind.block, plain, 0, plain.length)
    this.#content.pointer(to, 0, BIRTH)
    if (this.#content.size < limits.packBytes) return
    this.#end(this.#content)
    this.#content = undefined
    if (this.#context.store.waitsHere !== undefined) this.#passOn()
  }

  /** Content is not read again while the volume is made: where the store is elsewhere it goes there at once. */
  #passOn(): void {
    const pack = this.#full.pop()
    if (pack === undefined) return
    this.#context.store.adoptSync(packKey(pack.packId), pack.path)
    this.#gone.push(packKey(pack.packId))
  }

  writePage(bytes: Uint8Array, to: Uint8Array, at: number): void {
    if (this.#pages !== undefined && this.#pages.size >= limits.packBytes) {
      this.#end(this.#pages)
      this.#pages = undefined
    }
    this.#pages ??= this.#open(PackKind.metadata)
    this.#pages.append(SegmentKind.page, bytes, 0, bytes.length)
    this.#pages.pointer(to, at, BIRTH)
  }

  #open(kind: number): PackWriter {
    const id = packId(this.#volume, EPOCH, this.#sequence++)
    const writer = new PackWriter(join(this.#dir, packKey(id).replaceAll('/', '.')), id, kind, this.#context.store.coding)
    if (kind === PackKind.metadata) {
      this.#context.packs.addSpool(id, writer.path)
      this.#readable.push(writer)
    }
    return writer
  }

  /** Durable, and its descriptor free. */
  #end(pack: PackWriter): void {
    pack.close()
    this.#full.push(pack)
  }

  /** Moves all of it into the store. Blocks for the syncs of the last packs. */
  publish(): void {
    for (const pack of [this.#content, this.#pages]) if (pack !== undefined) this.#end(pack)
    this.#content = undefined
    this.#pages = undefined
    for (const pack of this.#full) this.#context.store.adoptSync(packKey(pack.packId), pack.path)
    this.#letGo()
  }

  /** Nothing of it stays; what was published too. */
  discard(): void {
    for (const pack of [this.#content, this.#pages]) pack?.discard()
    this.#content = undefined
    this.#pages = undefined
    this.#letGo()
    this.#context.store.deleteSync([...this.#gone, ...this.#full.map(pack => packKey(pack.packId))])
  }

  /** Something of it was given to the store. */
  get hasStored(): boolean {
    return this.#gone.length > 0
  }

  /** What is on this host goes; what the store has stays there. */
  leave(): void {
    for (const pack of [this.#content, this.#pages]) pack?.discard()
    this.#letGo()
  }

  #letGo(): void {
    for (const pack of this.#readable.splice(0)) this.#context.packs.removeSpool(pack.packId)
  }
}
