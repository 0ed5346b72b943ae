import { closeSync, existsSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { encodePointer, type PointerFields, packId, packKey, pointerOffset, pointerPack } from '../codec/index.js'
import { SegmentKind } from '../codec/segment.js'
import { ENOSPC, posixError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { type Packs, PackWriter, peekPack } from '../store/packs.js'
import type { PackPart, VolumeLog } from '../store/store-logs.js'
import { makeFolder } from '../store/sync-folder.js'
import { limits } from '../sys/index.js'
import type { PageSink } from '../tree/tree.js'
import type { FoldSink } from './content.js'
import { SpoolCopy } from './spool-copy.js'

export const PACK_METADATA = 1
export const PACK_CONTENT = 2
/** Where a pack's number stands in its id. */
const NUMBER_AT = 12

/**
 * Packs of one volume that are still being written, in a folder of this host. Content goes into the open content pack as
 * it comes; a seal takes what is there, adds a metadata pack, and moves all of it into the store.
 */
export class Spool implements FoldSink {
  readonly #dir: string
  /** Descriptor of the folder: a new pack's name must reach the disk as well as its bytes. */
  readonly #folder: number
  /** Packs made so far, and how many of their names are on the disk. */
  #made = 0
  #named = 0
  readonly #volume: Uint8Array
  readonly #store: LocalStore
  readonly #packs: Packs
  readonly #fields: PointerFields = { hash: new Uint8Array(0), pack: new Uint8Array(0), offset: 0, length: 0, birth: 0 }
  #content: PackWriter | undefined
  /** Full or recovered packs that wait for the next seal. */
  #waiting: PackWriter[] = []
  /** Packs of the seal under way: the journal still names their blocks, so a sync must reach them. */
  #taken: PackWriter[] = []
  /** What a crashed process left, until it is taken over. */
  #found: Array<{ id: Buffer; path: string }> = []
  #nextSequence = 1
  /** Numbers of the packs of this opening that are here still. */
  readonly #unpublished = new Set<number>()
  /** Part of every pack's name. A pack that was lost leaves no trace of its number, but what names it must never find another's bytes. */
  #epoch = 0
  #isOwnEpoch = false
  readonly #raiseEpoch: () => number
  /** Of what is here in the store, where that keeps journals too: a copy of the store is whole then. */
  #copy: SpoolCopy | undefined
  /** Sequence of the seal under way or coming: the birth of what is written. */
  birth: number
  /** Whether so many bytes more may wait to be published; default any. */
  admits: (bytes: number) => boolean = () => true

  constructor(options: { dir: string; volume: Uint8Array; store: LocalStore; packs: Packs; raiseEpoch: () => number; birth: number }) {
    this.#dir = options.dir
    this.#volume = options.volume
    this.#store = options.store
    this.#packs = options.packs
    this.#raiseEpoch = options.raiseEpoch
    this.birth = options.birth
    makeFolder(this.#dir)
    this.#folder = openSync(this.#dir, 'r')
  }

  /** What is published from here has a long way to go. */
  get isFar(): boolean {
    return this.#store.prefetch !== undefined
  }

  /**
   * Finds the packs that a crashed process left: what is in them can be read at once.
   * @param log of the volume, where the store keeps what was acknowledged: then what is in the folder does not count
   */
  recover(log?: VolumeLog): void {
    if (log !== undefined) this.#copy = new SpoolCopy(log)
    this.#copy?.bringBack(this.#dir)
    for (const name of readdirSync(this.#dir).sort()) {
      const path = join(this.#dir, name)
      const pack = peekPack(path)
      if (pack === undefined) continue
      this.#packs.addSpool(pack.id, path)
      this.#found.push({ id: pack.id, path })
    }
  }

  /**
   * Takes the found packs over, to be published by the next seal.
   * @param written pointers that the journal names, of which none can be missing; empty after a power loss, when anything may be: then
   * all of it is read and hashed
   */
  takeOver(written: readonly Uint8Array[]): void {
    const byPack = new Map<string, Uint8Array[]>()
    for (const { id } of this.#found) byPack.set(id.toString('hex'), [])
    for (const pointer of written) byPack.get(Buffer.from(pointerPack(pointer, 0)).toString('hex'))?.push(pointer)
    for (const { id, path } of this.#found) {
      const known = byPack.get(id.toString('hex')) ?? []
      known.sort((a, b) => pointerOffset(a, 0) - pointerOffset(b, 0))
      const writer = PackWriter.reopen(path, known, this.#store.coding)
      if (writer === undefined) continue
      this.#copy?.add(writer, writer.size)
      this.#waiting.push(writer)
    }
    this.#found = []
  }

  writeBlock(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
    if (!this.admits(length)) throw posixError(ENOSPC, 'write', this.#dir)
    const pack = this.#contentPack()
    pack.append(SegmentKind.block, from, at, length)
    this.#pointTo(pack, to, toAt)
  }

  holdBlock(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
    const pack = this.#contentPack()
    pack.hold(SegmentKind.block, from, at, length)
    this.#pointTo(pack, to, toAt)
  }

  flushBlocks(): void {
    this.#content?.flush()
  }

  /** The open one; one that has grown enough waits for the next seal, with nothing held. */
  #contentPack(): PackWriter {
    if (this.#content !== undefined && this.#content.size > limits.packBytes) {
      this.#content.flush()
      this.#waiting.push(this.#content)
      this.#content = undefined
    }
    this.#content ??= this.open(PACK_CONTENT)
    return this.#content
  }

  /** The lowest number of a pack of this opening that is not in the store yet. */
  get firstOpen(): number {
    return Math.min(this.#nextSequence, ...this.#unpublished)
  }

  /** This opening writes its packs in that epoch. */
  hasEpoch(epoch: number): boolean {
    return this.#isOwnEpoch && this.#epoch === epoch
  }

  /** The lowest epoch of the packs that are here still; `epoch` where all of them are of that. */
  oldestEpoch(epoch: number): number {
    return Math.min(epoch, ...[...this.#taken, ...this.#waiting].map(pack => pack.packId.readUInt32BE(NUMBER_AT - 4)))
  }

  /** Opens a new pack, the first of an opening in an epoch of its own. */
  open(kind: number): PackWriter {
    if (!this.#isOwnEpoch) {
      this.#epoch = this.#raiseEpoch()
      this.#isOwnEpoch = true
    }
    let id = packId(this.#volume, this.#epoch, this.#nextSequence++)
    while (this.#isTaken(id)) id = packId(this.#volume, this.#epoch, this.#nextSequence++)
    const writer = new PackWriter(this.#pathOf(id), id, kind, this.#store.coding)
    this.#made++
    this.#unpublished.add(this.#nextSequence - 1)
    this.#copy?.add(writer, 0)
    this.#packs.addSpool(id, writer.path)
    return writer
  }

  /** Also by a file of which not even the header can be read. */
  #isTaken(id: Uint8Array): boolean {
    return this.#packs.isSpooled(id) || existsSync(this.#pathOf(id)) || this.#isStored(packKey(id))
  }

  /** A store elsewhere is not asked: epochs are given to one host, and what it made lately waits here. */
  #isStored(key: string): boolean {
    return this.#store.waitsHere?.(key) ?? this.#store.headSync(key) !== undefined
  }

  #pathOf(id: Uint8Array): string {
    return join(this.#dir, packKey(id).replaceAll('/', '.'))
  }

  /** Holds a page, which is in the file when the pack is flushed. */
  holdPage(pack: PackWriter, bytes: Uint8Array, to: Uint8Array, toAt: number): void {
    pack.hold(SegmentKind.page, bytes, 0, bytes.length)
    this.#pointTo(pack, to, toAt)
  }

  /** Writes the pointer to the last segment. */
  #pointTo(pack: PackWriter, to: Uint8Array, toAt: number): void {
    const f = this.#fields
    f.hash = pack.lastHash
    f.pack = pack.packId
    f.offset = pack.lastOffset
    f.length = pack.lastLength
    f.birth = this.birth
    encodePointer(to, toAt, f)
  }

  /** Takes all packs that a seal is to publish; later blocks go into new ones. */
  take(): PackWriter[] {
    const taken = this.#waiting
    if (this.#content !== undefined) taken.push(this.#content)
    this.#content = undefined
    this.#waiting = []
    this.#taken = taken.slice()
    return taken
  }

  /** A seal failed: its packs wait for the next one. */
  giveBack(packs: readonly PackWriter[]): void {
    this.#waiting = [...packs, ...this.#waiting]
    this.#taken = []
    // Some may be in the store already, where nothing names them yet.
    for (const { packId: id } of packs) if (id.readUInt32BE(NUMBER_AT - 4) === this.#epoch) this.#unpublished.add(id.readUInt32BE(NUMBER_AT))
  }

  /** Moves a finished pack into the store. */
  publish(pack: PackWriter): void {
    this.#store.adoptSync(packKey(pack.packId), pack.path)
    this.#copy?.remove(pack)
    this.#packs.removeSpool(pack.packId)
    this.#taken = this.#taken.filter(other => other !== pack)
    if (pack.packId.readUInt32BE(NUMBER_AT - 4) === this.#epoch) this.#unpublished.delete(pack.packId.readUInt32BE(NUMBER_AT))
  }

  /** What the store has not of what the next frame of its journal may name. */
  unsaved(): PackPart[] {
    return this.#copy?.unsaved() ?? []
  }

  saved(): void {
    this.#copy?.saved()
  }

  /** Brings what was written so far into the store, in packs that are no objects yet; nothing to do where the store keeps none. @throws what the store says */
  save(): void {
    this.#copy?.save()
  }

  /** Packs of a seal, to be synced by another thread. */
  beginSealSync(packs: readonly PackWriter[]): PackSync {
    if (this.#copy === undefined) return beginSync(packs)
    this.#copy.save()
    return { fds: this.#copy.fds(), done: () => {}, failed: () => {} }
  }

  #unsynced(): PackWriter[] {
    const open = [...this.#taken, ...this.#waiting]
    if (this.#content !== undefined) open.push(this.#content)
    return open.filter(pack => pack.unsynced)
  }

  /** What must reach the disk before the journal that names it: descriptors, and what to say when they are synced. */
  beginSync(): PackSync {
    const made = this.#made
    const packs = beginSync(this.#unsynced())
    if (packs.fds.length === 0 || made === this.#named) return packs
    const done = (): void => {
      packs.done()
      this.#named = Math.max(this.#named, made)
    }
    return { fds: [this.#folder, ...packs.fds], done, failed: packs.failed }
  }

  /** Bytes in packs that no seal has taken. */
  get bytes(): number {
    let bytes = this.#content?.size ?? 0
    for (const pack of this.#waiting) bytes += pack.size
    return bytes
  }

  sync(): void {
    const packs = this.#unsynced()
    if (packs.length > 0 && this.#made !== this.#named) {
      fsyncSync(this.#folder)
      this.#named = this.#made
    }
    for (const pack of packs) pack.sync()
  }

  /** Closes descriptors and keeps the files: the next process recovers them. */
  close(): void {
    for (const { id } of this.#found) this.#packs.removeSpool(id)
    for (const pack of [...this.#taken, ...this.take()]) {
      this.#packs.removeSpool(pack.packId)
      pack.abandon()
    }
    closeSync(this.#folder)
  }
}

/** Packs being synced elsewhere: their descriptors, and what to say of the outcome. */
export interface PackSync {
  fds: number[]
  done: () => void
  failed: () => void
}

/** Packs that another thread is to sync. */
export function beginSync(packs: readonly PackWriter[]): PackSync {
  const open = packs.filter(pack => pack.unsynced && pack.fd >= 0)
  const sizes = open.map(pack => pack.written)
  return {
    fds: open.map(pack => pack.fd),
    done: () => {
      for (let i = 0; i < open.length; i++) open[i].synced(sizes[i])
    },
    failed: () => {
      for (const pack of open) pack.syncFailed()
    },
  }
}

/** The pages of one seal go into one metadata pack, opened with the first page. */
export class PageSpool implements PageSink {
  pack: PackWriter | undefined
  readonly #spool: Spool

  constructor(spool: Spool) {
    this.#spool = spool
  }

  writePage(bytes: Uint8Array, to: Uint8Array, at: number): void {
    if (this.pack === undefined) this.pack = this.#spool.open(PACK_METADATA)
    this.#spool.holdPage(this.pack, bytes, to, at)
  }

  flush(): void {
    this.pack?.flush()
  }
}
