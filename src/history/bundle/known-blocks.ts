import { join } from 'node:path'
import { encodePointer, isVersionBlock, MAX_KEY_BYTES, POINTER_BYTES, pointerLength, Tag } from '../../codec/index.js'
import { packIdOf } from '../../codec/pack.js'
import { SegmentKind } from '../../codec/segment.js'
import { CorruptError } from '../../errors.js'
import { readPackContents } from '../../store/pack-scan.js'
import { BTree, diff } from '../../tree/index.js'
import { EXTENT_BYTES, EXTENT_STORED } from '../../volume/content.js'
import { openTree } from '../../volume/recovery.js'
import type { StoreContext } from '../../volume/volume.js'
import { BlockNumbers } from './block-numbers.js'
import { allCommits } from './bundle-source.js'
import { PointerTable } from './pointer-table.js'

/** Nobody but the maker of a volume has written to it. */
const BIRTH = 1

/**
 * Blocks that a store has already, by the hash that it knows them by. Whoever names one sees to it that no collector takes it away meanwhile. Memory: 32 bytes for
 * each, the pointers are in a file.
 */
export class KnownBlocks {
  readonly #context: StoreContext
  readonly #numbers = new BlockNumbers()
  readonly #pointers: PointerTable
  /** Of those that were asked for and found, once each time. */
  reusedBytes = 0

  /** @param folder for a file that goes with it */
  constructor(context: StoreContext, folder: string) {
    this.#context = context
    this.#pointers = new PointerTable(join(folder, 'known-blocks'))
  }

  get count(): number {
    return this.#numbers.count
  }

  /**
   * What lies in the packs of a volume that was begun, whether anything names it or not.
   * @returns the number of the newest of them; 0 without any. Cost: a listing, and two requests for each pack
   */
  addPacks(volume: string): number {
    const { store } = this.#context
    let newest = 0
    let cursor: string | undefined
    do {
      const page = store.listSync(`packs/${volume}/`, cursor)
      for (const { key } of page.objects) {
        const id = packIdOf(key)
        if (id === undefined) continue
        newest = Math.max(newest, id.readUInt32BE(12))
        this.#addPack(id)
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    return newest
  }

  #addPack(id: Buffer): void {
    const index = readPack(this.#context, id)
    const pointer = Buffer.alloc(POINTER_BYTES)
    for (let i = 0; index !== undefined && i < index.count; i++) {
      if (index.kind(i) !== SegmentKind.block) continue
      encodePointer(pointer, 0, { hash: index.hash(i), pack: id, offset: index.offset(i), length: index.length(i), birth: BIRTH })
      this.#add(pointer)
    }
  }

  /** What the states and versions of a volume name. Cost: its pages are read. @param roots of its tree and its history, in hex; '' for none */
  addNamed(roots: { root: string; history: string }): void {
    const { pages } = this.#context
    if (roots.history === '') return
    const history = openTree(pages, roots.history)
    let before = BTree.empty(pages)
    for (const root of [...allCommits(history).map(({ record }) => record.root), roots.root]) {
      if (root === '') continue
      const tree = openTree(pages, root)
      diff(before, tree, (key, _, value) => this.#addExtent(key[0] === Tag.extent, value))
      before = tree
    }
    const cursor = history.cursor()
    const from = Buffer.alloc(MAX_KEY_BYTES)
    from[0] = Tag.version
    for (let more = cursor.seek(from, 1); more && cursor.buf[cursor.kp] === Tag.version; more = cursor.next())
      this.#addExtent(isVersionBlock(cursor.buf, cursor.kp, cursor.kl), cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
  }

  #addExtent(isExtent: boolean, value: Uint8Array | undefined): boolean {
    if (isExtent && value?.length === EXTENT_BYTES && value[0] === EXTENT_STORED) this.#add(value.subarray(1))
    return true
  }

  #add(pointer: Uint8Array): void {
    if (this.#numbers.numberOf(pointer, 0) < 0) this.#pointers.next().set(pointer)
  }

  has(hash: Uint8Array): boolean {
    return this.#numbers.find(hash, 0) >= 0
  }

  /** Its pointer, a view; undefined when it is not known. */
  get(hash: Uint8Array): Buffer | undefined {
    const number = this.#numbers.find(hash, 0)
    const pointer = number < 0 ? undefined : this.#pointers.get(number)
    if (pointer !== undefined) this.reusedBytes += pointerLength(pointer, 0)
    return pointer
  }

  close(): void {
    this.#pointers.remove()
  }
}

/** One that does not verify is of no use, and no harm. */
function readPack(context: StoreContext, id: Buffer): ReturnType<typeof indexOf> {
  try {
    return indexOf(context, id)
  } catch (error) {
    if (error instanceof CorruptError) return undefined
    throw error
  }
}

function indexOf({ store }: StoreContext, id: Buffer) {
  return readPackContents(store, id)?.index
}
