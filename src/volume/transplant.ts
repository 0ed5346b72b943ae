import { commitIdText, decodeCommit, HASH_BYTES, PACK_ID_BYTES, POINTER_BYTES, pointerOffset, Tag } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import type { Packs } from '../store/packs.js'
import { CELL_HEADER_BYTES, cellAt, describePointer, findDamage, keyLengthAt, pageCount, pageLevel, pointerAt, valueLengthAt } from '../tree/index.js'
import { blockNamedBy } from './named-blocks.js'
import { PageSpool, type Spool } from './spool.js'

/**
 * Copies what trees have in some packs into packs of another volume, page by page and block by block; pointers within the copies lead to copies. What is in
 * other packs stays where it is, and shared. For packs that may not be named any more under the names that they have: a collector that has seen them
 * unneeded may delete them at any time.
 */
export class Transplant {
  readonly #packs: Packs
  readonly #to: Spool
  readonly #pages: PageSpool
  readonly #isMoving: (packId: string) => boolean
  /** By place: pointers to the copies. */
  readonly #copies = new Map<string, Buffer>()

  /** @param isMoving whether the pack with this id, in hex, is one whose content is copied; packs that it names and that are not must be older */
  constructor(packs: Packs, to: Spool, isMoving: (packId: string) => boolean) {
    this.#packs = packs
    this.#to = to
    this.#pages = new PageSpool(to)
    this.#isMoving = isMoving
  }

  /** Copies a tree. @param root pointer of its root page in hex, or '' @returns that of the copy @throws CorruptError; what the disk says */
  tree(root: string): string {
    const pointer = Buffer.from(root, 'hex')
    if (root !== '') this.#lead(pointer, 0, from => this.#page(from))
    return pointer.toString('hex')
  }

  /** Moves the copies into the store. Blocks for syncs. */
  publish(): void {
    this.#pages.flush()
    const packs = [...this.#to.take(), ...(this.#pages.pack === undefined ? [] : [this.#pages.pack])]
    for (const pack of packs) {
      pack.finish()
      this.#to.publish(pack)
      pack.closeFd()
    }
  }

  #lead(b: Buffer, at: number, copy: (from: Buffer) => Buffer): void {
    const pack = b.toString('hex', at + HASH_BYTES, at + HASH_BYTES + PACK_ID_BYTES)
    if (!this.#isMoving(pack)) return
    const place = `${pack} ${pointerOffset(b, at)}`
    const known = this.#copies.get(place) ?? copy(Buffer.from(b.subarray(at, at + POINTER_BYTES)))
    this.#copies.set(place, known)
    known.copy(b, at)
  }

  #page(from: Buffer): Buffer {
    const b = Buffer.from(this.#packs.readPage(from, 0))
    const damage = findDamage(b)
    if (damage !== '') throw new CorruptError(describePointer(from, 0), damage)
    for (let i = 0; i < pageCount(b); i++) {
      if (pageLevel(b) > 0) this.#lead(b, pointerAt(b, i), child => this.#page(child))
      else this.#record(b, cellAt(b, i))
    }
    const to = Buffer.alloc(POINTER_BYTES)
    this.#pages.writePage(b, to, 0)
    return to
  }

  #record(b: Buffer, cell: number): void {
    const kp = cell + CELL_HEADER_BYTES
    const kl = keyLengthAt(b, cell)
    const vp = kp + kl
    const vl = valueLengthAt(b, cell)
    if (b[kp] === Tag.commit) this.#commit(b, kp, kl, vp, vl)
    if (b[kp] !== Tag.extent && b[kp] !== Tag.version) return
    const at = blockNamedBy(b, kp, kl, vp, vl)
    if (at >= 0) this.#lead(b, at, block => this.#block(block))
  }

  /** Its tree is named in a text, by digits that are as many afterwards. */
  #commit(b: Buffer, kp: number, kl: number, vp: number, vl: number): void {
    const { root } = decodeCommit(b, vp, vl)
    const at = b.indexOf(root, vp, 'latin1')
    if (root === '') return
    if (at < 0 || at >= vp + vl) throw new CorruptError(`commit ${commitIdText(b.subarray(kp + 1, kp + kl))}`, 'its tree is not where it should be named')
    b.write(this.tree(root), at, 'latin1')
  }

  #block(from: Buffer): Buffer {
    const plain = this.#packs.readBlock(from, 0)
    const to = Buffer.alloc(POINTER_BYTES)
    this.#to.writeBlock(plain, 0, plain.length, to, 0)
    return to
  }
}
