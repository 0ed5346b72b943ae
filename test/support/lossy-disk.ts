import { dirname, join, relative } from 'node:path'

type Fs = typeof import('node:fs')
/** A number from 0 to below `below`. */
export type Pick = (below: number) => number

type Op =
  | { kind: 'file'; path: string; id: number }
  | { kind: 'folder'; path: string }
  | { kind: 'remove'; path: string }
  | { kind: 'rename'; path: string; to: string }

const PAGE = 4096
const SECTOR = 512
const NONE = Buffer.alloc(0)

/**
 * Notes what of a folder would be on the disk if the power failed now, and makes folders as a power failure could leave them.
 *
 * What was synced is there. Of what was not: names come and go in the order in which it was asked for (metadata journals keep it), up
 * to a moment that is not before the last sync of a folder; each page of a file's later content is there or not, the last one maybe in sectors,
 * and the file may have grown over pages that are not.
 */
export class LossyDisk {
  readonly #fs: Fs
  #root = '/nowhere'
  #ops: Op[] = []
  #durableOps = 0
  #names = new Map<string, number>()
  #fds = new Map<number, { id: number } | 'folder'>()
  #durable = new Map<number, Buffer>()
  /** Content of files that have no name any more. */
  #unnamed = new Map<number, Buffer>()
  #files = 0

  constructor(fs: Fs) {
    this.#fs = fs
  }

  /** Forgets all. What lies in `root` is on the disk, and watched from now on. */
  watch(root: string): void {
    this.#root = root
    this.#ops = []
    this.#durableOps = 0
    this.#names = new Map()
    this.#fds = new Map()
    this.#durable = new Map()
    this.#unnamed = new Map()
    if (this.#fs.existsSync(root)) this.#find(root)
    this.#durableOps = this.#ops.length
  }

  #find(folder: string): void {
    for (const entry of this.#fs.readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        this.#ops.push({ kind: 'folder', path })
        this.#find(path)
      } else {
        const id = this.#newFile()
        this.#name(path, id)
        this.#durable.set(id, this.#fs.readFileSync(path))
      }
    }
  }

  #isWatched(path: unknown): path is string {
    return typeof path === 'string' && path.startsWith(this.#root)
  }

  /** `node:fs`, watched. */
  module(): Fs {
    const fs = this.#fs
    const watched: Record<string, unknown> = {
      openSync: (path: string, flags: string | number, mode?: number) => this.#open(path, fs.openSync(path, flags, mode)),
      closeSync: (fd: number) => {
        this.#fds.delete(fd)
        fs.closeSync(fd)
      },
      fsyncSync: (fd: number) => this.#sync(fd, () => fs.fsyncSync(fd)),
      fdatasyncSync: (fd: number) => this.#sync(fd, () => fs.fdatasyncSync(fd)),
      mkdirSync: (path: string, ...rest: never[]) => {
        const made = fs.mkdirSync(path, ...rest)
        if (this.#isWatched(path)) this.#ops.push({ kind: 'folder', path })
        return made
      },
      linkSync: (from: string, to: string) => {
        fs.linkSync(from, to)
        if (this.#isWatched(to)) this.#name(to, this.#names.get(from) ?? this.#newFile())
      },
      renameSync: (from: string, to: string) => {
        this.#keep(to)
        fs.renameSync(from, to)
        this.#renamed(from, to)
      },
      unlinkSync: (path: string) => {
        this.#keep(path)
        fs.unlinkSync(path)
        this.#removed(path)
      },
      unlink: (path: string, done: (error: NodeJS.ErrnoException | null) => void) => {
        this.#keep(path)
        fs.unlink(path, error => {
          if (error === null) this.#removed(path)
          done(error)
        })
      },
      rmdirSync: (path: string) => {
        fs.rmdirSync(path)
        this.#removed(path)
      },
      rmSync: (path: string, ...rest: never[]) => {
        const inside = [...this.#names.keys()].filter(name => name === path || name.startsWith(`${path}/`))
        for (const name of inside) this.#keep(name)
        fs.rmSync(path, ...rest)
        for (const name of inside) this.#removed(name)
      },
      copyFileSync: (from: string, to: string) => {
        fs.copyFileSync(from, to)
        if (this.#isWatched(to)) this.#name(to, this.#newFile())
      },
      writeFileSync: (path: string, ...rest: never[]) => {
        fs.writeFileSync(path, ...(rest as unknown as [string]))
        if (this.#isWatched(path) && !this.#names.has(path)) this.#name(path, this.#newFile())
      },
    }
    return { ...fs, ...watched, default: { ...fs, ...watched } } as unknown as Fs
  }

  #newFile(): number {
    return ++this.#files
  }

  #name(path: string, id: number): void {
    this.#names.set(path, id)
    this.#ops.push({ kind: 'file', path, id })
  }

  #open(path: string, fd: number): number {
    if (!this.#isWatched(path)) return fd
    if (this.#fs.fstatSync(fd).isDirectory()) this.#fds.set(fd, 'folder')
    else {
      if (!this.#names.has(path)) this.#name(path, this.#newFile())
      this.#fds.set(fd, { id: this.#names.get(path) ?? 0 })
    }
    return fd
  }

  /** What is there when the call begins is on the disk when it returns. */
  #sync(fd: number, sync: () => void): void {
    const file = this.#fds.get(fd)
    const ops = this.#ops.length
    const content = file === undefined || file === 'folder' ? NONE : this.#content(file.id)
    sync()
    if (file === 'folder') this.#durableOps = Math.max(this.#durableOps, ops)
    else if (file !== undefined) this.#durable.set(file.id, content)
  }

  /** As syncfs(2): all of it is on the disk. */
  syncAll(): void {
    for (const id of this.#names.values()) this.#durable.set(id, this.#content(id))
    this.#durableOps = this.#ops.length
  }

  #pathOf(id: number): string | undefined {
    for (const [path, named] of this.#names) if (named === id) return path
    return undefined
  }

  #content(id: number): Buffer {
    const path = this.#pathOf(id)
    return path === undefined ? (this.#unnamed.get(id) ?? NONE) : this.#fs.readFileSync(path)
  }

  /** Before a name goes. */
  #keep(path: string): void {
    const id = this.#names.get(path)
    if (id !== undefined) this.#unnamed.set(id, this.#fs.readFileSync(path))
  }

  #removed(path: string): void {
    if (!this.#isWatched(path)) return
    this.#names.delete(path)
    this.#ops.push({ kind: 'remove', path })
  }

  #renamed(from: string, to: string): void {
    if (!this.#isWatched(from)) return
    const id = this.#names.get(from)
    this.#names.delete(from)
    if (id !== undefined) this.#names.set(to, id)
    this.#ops.push({ kind: 'rename', path: from, to })
  }

  /** Writes to the new folder `target` what a power failure at this moment could leave of the watched one. */
  image(pick: Pick, target: string): void {
    const fs = this.#fs
    const cut = this.#durableOps + pick(this.#ops.length - this.#durableOps + 1)
    const files = new Map<string, number>()
    const folders = new Set<string>()
    for (const op of this.#ops.slice(0, cut)) {
      if (op.kind === 'folder') folders.add(op.path)
      else if (op.kind === 'file') files.set(op.path, op.id)
      else {
        const id = files.get(op.path)
        files.delete(op.path)
        folders.delete(op.path)
        if (op.kind === 'rename' && id !== undefined) files.set(op.to, id)
      }
    }
    const inTarget = (path: string): string => join(target, relative(this.#root, path))
    fs.mkdirSync(target, { recursive: true })
    for (const folder of folders) fs.mkdirSync(inTarget(folder), { recursive: true, mode: 0o700 })
    const styles = new Map<number, Buffer>()
    for (const [path, id] of files) {
      const bytes = styles.get(id) ?? blend(pick, this.#durable.get(id) ?? NONE, this.#content(id))
      styles.set(id, bytes)
      fs.mkdirSync(dirname(inTarget(path)), { recursive: true, mode: 0o700 })
      fs.writeFileSync(inTarget(path), bytes, { mode: 0o600 })
    }
  }
}

/** What may be left of a file that was synced as `old` and is `now`. */
function blend(pick: Pick, old: Buffer, now: Buffer): Buffer {
  const style = pick(4)
  if (style === 0) return now
  if (style === 1) return old
  const longest = Math.max(old.length, now.length)
  const size = [old.length, now.length, Math.min(old.length, now.length) + pick(longest - Math.min(old.length, now.length) + 1)][pick(3)]
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += PAGE) {
    const differs = Buffer.compare(old.subarray(at, at + PAGE), now.subarray(at, at + PAGE)) !== 0
    if (differs && pick(4) === 0) for (let part = at; part < at + PAGE; part += SECTOR) copy(pick(2) === 0 ? old : now, part, SECTOR, bytes)
    else copy(pick(2) === 0 ? old : now, at, PAGE, bytes)
  }
  return bytes
}

function copy(from: Buffer, at: number, length: number, to: Buffer): void {
  from.copy(to, at, Math.min(at, from.length), Math.min(at + length, from.length))
}
