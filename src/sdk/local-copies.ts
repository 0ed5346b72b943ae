import { openAsBlob } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { CairnError, EISDIR, posixError } from '../errors.js'
import { createFs, type VolumeFs } from '../node/index.js'
import type { LocalPlace } from '../server/cache-methods.js'
import { HOME_FILES, LOCAL_FILES, LocalFiles } from '../store/local-files.js'
import { CacheSpace } from '../store/remote/cache-space.js'
import type { Opened } from './host.js'
import { humanBytes } from './human-bytes.js'

const PIECE_BYTES = 1024 * 1024
const zeros = Buffer.alloc(PIECE_BYTES)

/**
 * A file of this host with the content that a file of a volume had: plain bytes, whatever the store does with them, readable for this user. It is the
 * program's own: changing it changes nothing in the volume. It stays until it is released, or until the program ends.
 */
export class LocalCopy {
  /** Absolute; the last part is the name that the file has in the volume. */
  readonly path: string
  readonly sizeBytes: number
  readonly #release: () => void
  #isReleased = false

  constructor(path: string, sizeBytes: number, release: () => void) {
    this.path = path
    this.sizeBytes = sizeBytes
    this.#release = release
  }

  /** As `fs.openAsBlob`, under Bun as `Bun.file`: read when it is read. Not to be used after `release`. */
  blob(options: { type?: string } = {}): Promise<Blob> {
    const { Bun } = globalThis as { Bun?: { file(path: string, options: { type?: string }): Blob } }
    return Bun === undefined ? openAsBlob(this.path, options) : Promise.resolve(Bun.file(this.path, options))
  }

  /** Removes the file; again is no error. Descriptors that are open go on reading it. */
  async release(): Promise<void> {
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#release()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}

/** Folders of files that this process has, by path: those of all volumes of a store are together. */
const folders = new Map<string, { files: LocalFiles; space: CacheSpace | undefined }>()

function folderOf(home: string, { cache }: LocalPlace): { files: LocalFiles; space: CacheSpace | undefined } {
  const root = cache === undefined ? join(home, HOME_FILES) : join(cache.folder, LOCAL_FILES)
  const known = folders.get(root)
  if (known !== undefined) return known
  const made = { files: new LocalFiles(root), space: cache && new CacheSpace(cache.folder, cache.store) }
  if (folders.size === 0) process.once('exit', () => removeAll())
  folders.set(root, made)
  return made
}

/** One that is killed leaves them to whoever looks next. */
function removeAll(): void {
  for (const { files } of folders.values()) files.close()
}

/** See `OpenVolume.materialize`. @param fs of the volume, for a state that nobody changes */
export async function materialize(home: string, opened: Opened, fs: VolumeFs, path: string): Promise<LocalCopy> {
  const place = (await opened.ask('localPlace')) as LocalPlace
  if (!place.isLive) return copyOut(home, place, fs, path)
  // What it is now, whatever others write while it is read.
  const snapshot = await opened.begin()
  try {
    return await copyOut(home, place, createFs(snapshot.backend), path)
  } finally {
    await snapshot.close()
  }
}

async function copyOut(home: string, place: LocalPlace, fs: VolumeFs, path: string): Promise<LocalCopy> {
  const found = await fs.promises.stat(path)
  if (found.isDirectory()) throw posixError(EISDIR, 'materialize', path)
  if (!found.isFile()) throw new CairnError('ERR_NO_FILE', `${path} is neither a file nor a link to one.`, 'Name a file.')
  const copy = reserve(home, place, posix.basename(path), found.size)
  try {
    await fill(copy.path, fs, path)
    return copy
  } catch (error) {
    await copy.release()
    throw error
  }
}

/** @throws CairnError ERR_CACHE_FULL; a Node error of the disk */
function reserve(home: string, place: LocalPlace, name: string, bytes: number): LocalCopy {
  const { files, space } = folderOf(home, place)
  const create = (): string => files.create(name, bytes)
  if (space === undefined) {
    const path = create()
    return new LocalCopy(path, bytes, () => files.remove(path))
  }
  const path = space.pin(bytes, create)
  if (path !== undefined) return new LocalCopy(path, bytes, () => space.unpin(bytes, () => files.remove(path)))
  const { maxBytes, pinned } = space.count()
  throw new CairnError(
    'ERR_CACHE_FULL',
    `A file of ${humanBytes(bytes)} does not fit into the cache of ${place.cache?.description}, which takes ${humanBytes(maxBytes)}${pinned.files === 0 ? '' : `, of which ${humanBytes(pinned.bytes)} are files that programs have`}.`,
    'Release others, or make the cache larger: --cache-size, or CAIRN_CACHE_SIZE.',
  )
}

/** Holes stay holes. */
async function fill(target: string, fs: VolumeFs, path: string): Promise<void> {
  const from = await fs.promises.open(path, 'r')
  let to: FileHandle | undefined
  try {
    to = await open(target, 'r+')
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
    for (let at = 0; ; ) {
      const { bytesRead } = await from.read(piece, 0, PIECE_BYTES, at)
      if (bytesRead === 0) return
      const bytes = piece.subarray(0, bytesRead)
      if (!bytes.equals(zeros.subarray(0, bytesRead))) await writeAll(to, bytes, at)
      at += bytesRead
    }
  } finally {
    await from.close()
    await to?.close()
  }
}

async function writeAll(to: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await to.write(bytes, done, bytes.length - done, position + done)).bytesWritten
}
