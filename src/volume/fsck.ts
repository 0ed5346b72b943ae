import type { Head } from '../codec/head.js'
import {
  ATTR_BYTES,
  Attr,
  ContentKind,
  commitIdText,
  decodeAttr,
  decodeCommit,
  extentBlock,
  getIno,
  HASH_BYTES,
  PACK_ID_BYTES,
  POINTER_BYTES,
  pointerOffset,
  Tag,
} from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { CorruptError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import type { Packs } from '../store/packs.js'
import { limits } from '../sys/index.js'
import { type CellPlace, type PageCache, walkPages } from '../tree/index.js'
import type { Cursor } from '../tree/tree.js'
import type { Finding, FsckReport } from './api.js'
import { EXTENT_BYTES, EXTENT_STORED } from './content.js'
import { ARENA_INODES } from './live-session.js'
import { blockNamedBy } from './named-blocks.js'
import { nameAt } from './paths.js'
import { openTree } from './recovery.js'
import { checkVersions } from './versions/check.js'

/** Segments of one pack between two words of progress. */
const PROGRESS_EVERY = 64
/** Findings after which the list is cut: a broken volume must not fill the memory. */
const MAX_FINDINGS = 1000

/** What the walk has seen of an inode. */
interface Seen {
  mode: number
  nlink: number
  size: number
  kind: number
  parent: number
  links: number
  children: number
  orphan: boolean
  contentBytes: number
  lastBlock: number
}

/** A sealed state, and where it is. */
export interface FsckTarget {
  store: LocalStore
  packs: Packs
  pages: PageCache
  head: Pick<Head, 'volume' | 'root' | 'history' | 'inodes'>
  /** The next inode number. */
  nextIno: number
  /** Told now and then how far it is. */
  onProgress?: (done: FsckProgress) => void
}

export interface FsckProgress {
  pages: number
  blocks: number
  bytes: number
}

/**
 * Checks a sealed volume: hashes, order of keys, link counts, orphans, extents against sizes, the trees of its commits, the blocks of its
 * versions, packs against footers. Reads all of it, once. Packs of this volume that it does not reach are counted, not damage: forks may
 * need them, or they are garbage.
 */
export function fsck(target: FsckTarget): FsckReport {
  return new Check(target).run()
}

class Check {
  readonly #target: FsckTarget
  readonly #report: FsckReport = { ok: true, pages: 0, blocks: 0, inodes: 0, packs: 0, bytes: 0, unreached: { packs: 0, bytes: 0 }, findings: [] }
  readonly #inodes = new Map<number, Seen>()
  readonly #dirents: Array<{ parent: number; ino: number; name: string; type: number }> = []
  /** Keys of the packs in which something stands that this volume needs. */
  readonly #packs = new Set<string>()
  /** Places of segments that were verified, by pack. */
  readonly #verified = new Map<string, Set<number>>()
  readonly #commits: Array<{ id: string; root: string }> = []
  /** What was found, so that a page that several trees share is told of once. */
  readonly #found = new Set<string>()

  constructor(target: FsckTarget) {
    this.#target = target
  }

  run(): FsckReport {
    const { head, pages } = this.#target
    this.#tree(head.root, 'tree')
    this.#tree(head.history, 'history tree')
    for (const { id, root } of this.#commits) this.#tree(root, `commit ${id}`)
    const isWhole = this.#read(() => this.#records(openTree(pages, head.root).cursor()))
    this.#read(() => checkVersions(openTree(pages, head.history), (object, problem) => this.#find('error', object, problem)))
    if (isWhole) {
      this.#links()
      this.#usage()
      // What is missing in an unread page would be found again as a wrong link count of each inode that it is about.
    } else this.#find('warning', 'tree', 'some of it cannot be read, so that link counts and sizes were not compared')
    for (const key of this.#packs) this.#pack(key)
    this.#report.packs = this.#packs.size
    this.#others()
    return this.#report
  }

  /** False when damage kept it from reading all. */
  #read(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#damage(error)
      return false
    }
  }

  #find(severity: Finding['severity'], object: string, problem: string): void {
    if (severity === 'error') this.#report.ok = false
    const finding = `${object}: ${problem}`
    if (this.#found.has(finding)) return
    this.#found.add(finding)
    if (this.#report.findings.length < MAX_FINDINGS) this.#report.findings.push({ severity, object, problem })
  }

  #damage(error: unknown): void {
    if (!(error instanceof CorruptError)) throw error
    this.#find('error', error.object, error.problem)
  }

  /** Verifies the pages of a tree that are no other's, and the blocks that its records name. */
  #tree(root: string, what: string): void {
    if (root === '') return
    const first = Buffer.from(root, 'hex')
    if (!this.#verify(first, 0)) return
    const cell: CellPlace = { kp: 0, kl: 0, vp: 0, vl: 0 }
    walkPages(
      openTree(this.#target.pages, root),
      (_pointer, level, page) => {
        this.#report.pages++
        for (let i = 0; level === 0 && i < page.count; i++) {
          page.cell(i, cell)
          this.#named(page.buf, cell)
        }
      },
      {
        skip: pointer => first.compare(pointer) !== 0 && !this.#verify(pointer, 0),
        onDamage: (_pointer, error) => (error instanceof CorruptError ? this.#damage(error) : this.#find('error', what, error.message)),
      },
    )
  }

  /** Verifies a segment, the first time that it is met; false when it was met before, or is damaged. */
  #verify(pointer: Uint8Array, at: number): boolean {
    const name = Buffer.from(pointer.buffer, pointer.byteOffset + at + HASH_BYTES, PACK_ID_BYTES).toString('latin1')
    const known = this.#verified.get(name) ?? new Set()
    this.#verified.set(name, known)
    const offset = pointerOffset(pointer, at)
    if (known.has(offset)) return false
    known.add(offset)
    const { packs, onProgress } = this.#target
    try {
      this.#report.bytes += packs.verify(pointer, at)
      this.#packs.add(packs.lastPack)
    } catch (error) {
      this.#damage(error)
      return false
    }
    if (known.size % PROGRESS_EVERY === 0) onProgress?.(this.#report)
    return true
  }

  /** What a record names beside its tree. */
  #named(b: Uint8Array, { kp, kl, vp, vl }: CellPlace): void {
    const tag = b[kp]
    if (tag === Tag.commit) this.#commits.push({ id: commitIdText(b.subarray(kp + 1, kp + kl)), root: decodeCommit(b, vp, vl).root })
    if (tag !== Tag.version && tag !== Tag.extent) return
    // A malformed extent is told of with its inode.
    const at = tag === Tag.extent && (vl !== EXTENT_BYTES || b[vp] !== EXTENT_STORED) ? -1 : blockNamedBy(b, kp, kl, vp, vl)
    if (at < 0) return
    const pointer = Buffer.from(b.subarray(at, at + POINTER_BYTES))
    if (this.#verify(pointer, 0)) this.#report.blocks++
  }

  #records(cursor: Cursor): void {
    let more = cursor.seek(Buffer.from([Tag.attr]), 1)
    while (more) {
      const { buf, kp, kl, vp, vl } = cursor
      const ino = kl >= 8 ? getIno(buf, kp + 1) : 0
      switch (buf[kp]) {
        case Tag.attr:
          this.#attr(ino, buf, vp, vl)
          break
        case Tag.dirent:
          this.#dirents.push({ parent: ino, ino: getIno(buf, vp), name: nameAt(buf, kp, kl), type: buf[vp + 7] })
          break
        case Tag.content:
          this.#content(ino, vl)
          break
        case Tag.extent:
          this.#extent(ino, extentBlock(buf, kp), buf, vp, vl)
          break
        case Tag.orphan:
          this.#orphan(ino)
          break
        case Tag.xattr:
          if (!this.#inodes.has(ino)) this.#find('error', `inode ${ino}`, 'it has extended attributes but no attributes')
          break
        case Tag.meta:
          break
        default:
          this.#find('error', 'tree', `there is a record of an unknown kind ${buf[kp]}`)
      }
      more = cursor.next()
    }
  }

  #attr(ino: number, b: Uint8Array, p: number, length: number): void {
    if (length < ATTR_BYTES) {
      this.#find('error', `inode ${ino}`, 'its attribute record is too short')
      return
    }
    const a = decodeAttr(b, p, new Attr())
    const contentBytes = a.kind === ContentKind.inline ? length - ATTR_BYTES : 0
    this.#inodes.set(ino, {
      mode: a.mode,
      nlink: a.nlink,
      size: a.size,
      kind: a.kind,
      parent: a.parent,
      links: 0,
      children: 0,
      orphan: false,
      contentBytes,
      lastBlock: -1,
    })
    this.#report.inodes++
    if (this.#isUnborn(ino)) this.#find('error', `inode ${ino}`, 'its number is above those handed out')
  }

  /** A number of the volume's own arena that it did not give out yet. Those of other arenas came with a merge. */
  #isUnborn(ino: number): boolean {
    const { nextIno } = this.#target
    return ino >= nextIno && Math.floor(ino / ARENA_INODES) === Math.floor(nextIno / ARENA_INODES)
  }

  #content(ino: number, length: number): void {
    const seen = this.#inodes.get(ino)
    if (seen === undefined || seen.kind !== ContentKind.small)
      this.#find('error', `inode ${ino}`, 'it has a small content record that its attributes do not know')
    else seen.contentBytes = length
  }

  #extent(ino: number, block: number, b: Uint8Array, p: number, length: number): void {
    const seen = this.#inodes.get(ino)
    if (seen === undefined || seen.kind !== ContentKind.blocks) {
      this.#find('error', `inode ${ino}`, 'it has blocks that its attributes do not know')
      return
    }
    seen.lastBlock = block
    if (length !== EXTENT_BYTES || b[p] !== EXTENT_STORED) {
      this.#find('error', `inode ${ino} block ${block}`, 'its extent record is malformed')
      return
    }
  }

  #orphan(ino: number): void {
    const seen = this.#inodes.get(ino)
    if (seen === undefined) this.#find('error', `inode ${ino}`, 'it is marked as unlinked but is not there')
    else seen.orphan = true
  }

  #links(): void {
    for (const { parent, ino, name, type } of this.#dirents) {
      const dir = this.#inodes.get(parent)
      const seen = this.#inodes.get(ino)
      const label = `entry '${Buffer.from(name, 'latin1').toString('utf8')}' of inode ${parent}`
      if (dir === undefined || !isDirectory(dir.mode)) this.#find('error', label, 'its directory is not there')
      if (seen === undefined) {
        this.#find('error', label, `it names inode ${ino}, which is not there`)
        continue
      }
      seen.links++
      if (type !== seen.mode >>> 12) this.#find('error', label, 'its type is not that of its inode')
      if (isDirectory(seen.mode)) {
        if (dir !== undefined) dir.children++
        if (seen.parent !== parent) this.#find('error', label, `the directory says that its parent is inode ${seen.parent}`)
      }
    }
    for (const [ino, seen] of this.#inodes) this.#inode(ino, seen)
  }

  #inode(ino: number, seen: Seen): void {
    const label = `inode ${ino}`
    const isFolder = isDirectory(seen.mode)
    const links = isFolder ? (seen.orphan ? 0 : 2 + seen.children) : seen.links
    if (seen.orphan ? seen.links !== 0 : seen.nlink !== links) this.#find('error', label, `it has a link count of ${seen.nlink}, but ${links} links`)
    if (seen.links === 0 && !seen.orphan && ino !== 1) this.#find('error', label, 'no directory names it and it is not marked as unlinked')
    if (isFolder && seen.links > 1) this.#find('error', label, 'it is a directory with several names')
    if ((seen.kind === ContentKind.inline || seen.kind === ContentKind.small) && seen.contentBytes !== seen.size)
      this.#find('error', label, `its size is ${seen.size} but ${seen.contentBytes} bytes are stored`)
    if (seen.lastBlock >= Math.ceil(seen.size / limits.blockBytes)) this.#find('error', label, `it has a block beyond its size of ${seen.size}`)
  }

  #usage(): void {
    const { inodes } = this.#target.head
    if (inodes !== this.#report.inodes) this.#find('warning', 'usage', `${inodes} inodes are counted, ${this.#report.inodes} are there`)
  }

  #pack(key: string): void {
    const problem = this.#target.packs.checkPack(key)
    if (problem !== undefined) this.#find('error', key, problem)
  }

  /** Packs that this volume wrote and that nothing of it reaches. */
  #others(): void {
    const { store, head } = this.#target
    let cursor: string | undefined
    do {
      const page = store.listSync(`packs/${head.volume}/`, cursor)
      for (const { key, sizeBytes } of page.objects) {
        if (this.#packs.has(key)) continue
        this.#report.unreached.packs++
        this.#report.unreached.bytes += sizeBytes
      }
      cursor = page.cursor
    } while (cursor !== undefined)
  }
}
