import type { BundleHeader } from '../../codec/bundle.js'
import type { Head } from '../../codec/head.js'
import { commitIdText, extentKey, getIno, HASH_BYTES, MAX_KEY_BYTES, Tag, versionBlock } from '../../codec/index.js'
import { BTree } from '../../tree/index.js'
import { EXTENT_BYTES } from '../../volume/content.js'
import type { CommitPlace } from '../../volume/engine.js'
import { openTree } from '../../volume/recovery.js'
import type { StoreContext } from '../../volume/volume.js'
import { type HiddenWindow, windowAt, windowsIn } from '../../volume/windows.js'
import { commitOf, endOf, type StoredCommit } from '../history-records.js'

/** What a bundle is made of: the sealed state of a volume, and which part of its history goes along. */
export class BundleSource {
  readonly context: StoreContext
  readonly header: Omit<BundleHeader, 'format'>
  readonly live: BTree
  readonly history: BTree
  /** What the receiver has. */
  readonly base: BTree
  /** Trees to send, oldest first. */
  readonly commits: readonly StoredCommit[]
  /** Versions to send, by when they stopped being current. */
  readonly #versions: { fromUs: number; untilUs: number }
  readonly #windows: readonly HiddenWindow[]
  readonly #kept = new Set<string>()

  /**
   * @param head names the state; its packs must not be collected meanwhile
   * @param options.ref commit that the head's tree is, when that is not the newest: later ones stay out
   * @param options.since commit that the receiver has
   */
  constructor(options: { context: StoreContext; head: Head; arenas: number; madeMs: number; ref?: CommitPlace; since?: CommitPlace }) {
    const { context, head, ref, since } = options
    this.context = context
    this.live = openTree(context.pages, head.root)
    this.history = openTree(context.pages, head.history)
    this.#windows = windowsIn(this.history)
    const all = allCommits(this.history).filter(({ id, record }) => (ref === undefined || id <= ref.id) && windowAt(this.#windows, record.timeMs) === undefined)
    for (const { id } of all) this.#kept.add(id)
    const base = since && all.find(({ id }) => id === since.id)
    this.base = base === undefined ? BTree.empty(context.pages) : openTree(context.pages, base.record.root)
    this.commits = base === undefined ? all : all.filter(({ id }) => id > base.id)
    this.#versions = { fromUs: base === undefined ? 0 : base.record.timeMs * 1000, untilUs: ref === undefined ? Number.POSITIVE_INFINITY : ref.timeMs * 1000 }
    this.header = {
      volume: { id: head.parent?.id ?? head.volume, name: head.parent?.volume ?? head.name, createdMs: head.createdMs },
      madeMs: options.madeMs,
      dirHashKey: head.dirHashKey,
      arenas: options.arenas,
      ...(base === undefined ? {} : { since: { commit: base.id, timeMs: base.record.timeMs } }),
      live: { inodes: head.inodes, bytes: head.bytes },
    }
  }

  treeOf(commit: StoredCommit): BTree {
    return openTree(this.context.pages, commit.record.root)
  }

  keepsCommit(commit: StoredCommit): boolean {
    return this.#kept.has(commit.id)
  }

  /** @param sequence see `endOf` */
  keepsVersion(sequence: number): boolean {
    const { fromUs, untilUs } = this.#versions
    return sequence >= fromUs && sequence <= untilUs && windowAt(this.#windows, sequence / 1000) === undefined
  }

  /** What names meant: all of it, since a base keeps none. @param sequence see `endOf` */
  keepsPastName(sequence: number): boolean {
    return sequence <= this.#versions.untilUs && windowAt(this.#windows, sequence / 1000) === undefined
  }

  /**
   * A block of a version that the base has too: saved there since, if the block was still the file's when the base was made.
   * @param key of the block @param value its extent
   */
  savedSince(key: Uint8Array, value: Uint8Array): boolean {
    const K = Buffer.alloc(MAX_KEY_BYTES)
    const sequence = endOf(key)
    if (sequence > this.#versions.fromUs || windowAt(this.#windows, sequence / 1000) !== undefined) return false
    if (value.length !== EXTENT_BYTES) return true
    const { base } = this
    if (!base.get(K, extentKey(K, getIno(key, 1), versionBlock(key, 0)))) return false
    return Buffer.compare(base.vb.subarray(base.vp + 1, base.vp + 1 + HASH_BYTES), value.subarray(1, 1 + HASH_BYTES)) === 0
  }

  /** @param id bytes of the commit's id */
  keepsCheckpoint(id: Uint8Array): boolean {
    return this.#kept.has(commitIdText(id))
  }
}

/** Oldest first. */
export function allCommits(history: BTree): StoredCommit[] {
  const found: StoredCommit[] = []
  const cursor = history.cursor()
  let more = cursor.seek(Buffer.from([Tag.commit]), 1)
  while (more && cursor.buf[cursor.kp] === Tag.commit) {
    found.push(commitOf(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl), cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl)))
    more = cursor.next()
  }
  return found
}
