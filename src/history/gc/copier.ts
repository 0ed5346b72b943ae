import { join } from 'node:path'
import { identityOf, Opened, plainCoding } from '../../codec/coding.js'
import { COPIES, type PackIndex, PackKind } from '../../codec/pack.js'
import { packId, packKey } from '../../codec/pointer.js'
import type { Relocation } from '../../codec/relocation.js'
import { SegmentHeader, segmentProblem } from '../../codec/segment.js'
import { CorruptError } from '../../errors.js'
import type { LocalStore } from '../../store/contract.js'
import { readPackContents } from '../../store/pack-scan.js'
import { PackWriter } from '../../store/packs.js'
import { crashPoint, limits } from '../../sys/index.js'
import type { RewritablePack } from './plan.js'

/** Segments copied between two looks at the deadline. */
const SEGMENTS_PER_STEP = 4

/** Copies the live segments of packs into new ones, metadata and content apart. What it moved counts when the gc record says so. */
export class Copier {
  readonly moved: Relocation[] = []
  readonly written: Array<{ key: string; sizeBytes: number }> = []
  segments = 0
  readonly #store: LocalStore
  readonly #dir: string
  readonly #epoch: number
  readonly #open = new Map<number, PackWriter>()
  readonly #header = new SegmentHeader()
  readonly #opened = new Opened()
  #sequence = 1
  #buffer = Buffer.allocUnsafeSlow(128 * 1024)

  /**
   * @param dir an empty folder on this host
   * @param epoch of this collection: part of the names of the new packs
   */
  constructor(store: LocalStore, dir: string, epoch: number) {
    this.#store = store
    this.#dir = dir
    this.#epoch = epoch
  }

  /**
   * Copies one pack. Each segment is verified down to the hash of its plain bytes.
   * @throws CorruptError when one does not verify, or a live one is not in the pack: the pack is to be kept then
   */
  *copy(pack: RewritablePack): Generator<void, void> {
    const contents = readPackContents(this.#store, pack.id)
    if (contents === undefined) throw new CorruptError(pack.key, 'the pack is missing')
    const { index, kind } = contents
    const moved: Relocation[] = []
    for (let i = 0; i < index.count; i++) {
      if (!pack.live.has(index.offset(i))) continue
      moved.push(this.#segment(pack, index, i, kind))
      if (moved.length % SEGMENTS_PER_STEP === 0) yield
    }
    if (moved.length !== pack.live.count) throw new CorruptError(pack.key, `its index names ${moved.length} of ${pack.live.count} segments that are needed`)
    this.moved.push(...moved)
    this.segments += moved.length
  }

  #segment(pack: RewritablePack, index: PackIndex, i: number, kind: number): Relocation {
    const [offset, length] = [index.offset(i), index.length(i)]
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length)
    const b = this.#buffer
    if (this.#store.readSync(pack.key, offset, b, 0, length) !== length) throw new CorruptError(`${pack.key} at ${offset}`, 'the pack is cut short')
    this.#verify(`${pack.key} at ${offset}`, length, index.hash(i))
    const writer = this.#writer(kind)
    writer.appendStored(index.kind(i), b, length, index.hash(i))
    const place = { oldPack: pack.id, oldOffset: offset, newPack: writer.packId, newOffset: writer.lastOffset }
    if (writer.size > limits.packBytes) this.#finish(kind, writer)
    crashPoint('gc.copied-segment')
    return place
  }

  #verify(object: string, length: number, hash: Uint8Array): void {
    const header = this.#header
    const problem = segmentProblem(this.#buffer, 0, length, header)
    if (problem !== '') throw new CorruptError(object, problem)
    const coding = this.#store.coding ?? plainCoding
    const failed = this.#opened.open(this.#buffer, 0, length, header, coding)
    if (failed !== '') throw new CorruptError(object, failed)
    if (Buffer.compare(identityOf(coding, this.#opened.plain), hash) !== 0) throw new CorruptError(object, 'its hash is not that of the index')
  }

  #writer(kind: number): PackWriter {
    const open = this.#open.get(kind)
    if (open !== undefined) return open
    const id = packId(COPIES, this.#epoch, this.#sequence++)
    const writer = new PackWriter(join(this.#dir, packKey(id).replaceAll('/', '.')), id, kind, this.#store.coding)
    this.#open.set(kind, writer)
    return writer
  }

  #finish(kind: number, writer: PackWriter): void {
    writer.close()
    const key = packKey(writer.packId)
    crashPoint('gc.before-copy')
    this.#store.adoptSync(key, writer.path)
    crashPoint('gc.after-copy')
    this.#open.delete(kind)
    this.written.push({ key, sizeBytes: this.#store.headSync(key)?.sizeBytes ?? writer.size })
  }

  /** All that was copied is in the store, durably. Blocks for two syncs. */
  finish(): void {
    for (const kind of Object.values(PackKind)) {
      const writer = this.#open.get(kind)
      if (writer !== undefined) this.#finish(kind, writer)
    }
  }

  /** What was copied stays: garbage of the next collection, unless something names it. */
  leave(): void {
    for (const writer of this.#open.values()) writer.discard()
    this.#open.clear()
    this.written.length = 0
    this.moved.length = 0
  }

  /** Nothing of it stays. */
  discard(): void {
    for (const writer of this.#open.values()) writer.discard()
    this.#open.clear()
    this.#store.deleteSync(this.written.splice(0).map(({ key }) => key))
    this.moved.length = 0
  }
}
