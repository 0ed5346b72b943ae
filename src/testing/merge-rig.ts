import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSystem } from '../fs/index.js'
import { type MergeOptions, type MergeResult, mergeFork } from '../history/merge/merge.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../node/index.js'
import { Engine } from '../volume/engine.js'
import type { Session } from '../volume/session.js'
import type { Volume } from '../volume/volume.js'

/** How a side changes the content of files: into the same inode, or as editors save, by a new file renamed over the old one. */
export type Saving = 'in place' | 'by rename'

/** One volume under test, with the few operations that cases are made of. Paths start with `/`. */
export class Workspace {
  readonly volume: Volume
  readonly fs: VolumeFs
  readonly saving: Saving
  readonly #posix: FileSystem

  constructor(volume: Volume, saving: Saving) {
    this.volume = volume
    this.#posix = new FileSystem(volume.session)
    this.fs = createFs(new LocalBackend(new LocalOps(this.#posix)))
    this.saving = saving
  }

  /** A new file. */
  make(path: string, content: string | Buffer): void {
    this.fs.writeFileSync(path, content)
  }

  /** Changes the content of a file as `saving` says; the mode stays. */
  save(path: string, content: string | Buffer): void {
    if (this.saving === 'in place') {
      this.fs.writeFileSync(path, content)
      return
    }
    const { mode } = this.fs.statSync(path)
    const temporary = `${path}.tmp~`
    this.fs.writeFileSync(temporary, content)
    this.fs.chmodSync(temporary, mode & 0o7777)
    this.fs.renameSync(temporary, path)
  }

  read(path: string): string {
    return this.fs.readFileSync(path, 'utf8') as string
  }

  /** 0, or a negated errno. */
  setxattr(path: string, name: string, value: string): number {
    return this.#posix.setxattr(this.#posix.resolve(path, true), name, Buffer.from(value), 0)
  }

  xattrs(path: string): Record<string, string> {
    const ino = this.#posix.resolve(path, true)
    this.#posix.listxattr(ino)
    const names = [...this.#posix.names]
    return Object.fromEntries(names.map(name => [name, this.#posix.getxattr(ino, name) < 0 ? '' : Buffer.from(this.#posix.value).toString()]))
  }

  tree(): Record<string, string> {
    return treeOf(this.fs)
  }
}

export function fsOf(session: Session): VolumeFs {
  return createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
}

/** Everything but times and inode numbers: path → what is there. Files with several names say which is the first of them. */
export function treeOf(fs: VolumeFs): Record<string, string> {
  const found: Record<string, string> = {}
  const firstName = new Map<number, string>()
  const walk = (directory: string): void => {
    for (const name of (fs.readdirSync(directory) as string[]).sort()) {
      const path = directory === '/' ? `/${name}` : `${directory}/${name}`
      const stats = fs.lstatSync(path)
      const mode = (stats.mode & 0o7777).toString(8)
      if (stats.isDirectory()) {
        found[path] = `directory ${mode}`
        walk(path)
        continue
      }
      const content = stats.isSymbolicLink() ? `-> ${fs.readlinkSync(path)}` : (fs.readFileSync(path) as Buffer).toString('latin1')
      const first = firstName.get(stats.ino)
      if (first === undefined) firstName.set(stats.ino, path)
      found[path] = `${stats.isSymbolicLink() ? 'symlink' : mode} ${content}${stats.nlink > 1 ? ` = ${first ?? path}` : ''}`
    }
  }
  walk('/')
  return found
}

/** A base and two forks of it, in an engine of their own. */
export class MergeRig {
  readonly home: string
  engine: Engine
  ours!: Workspace
  theirs!: Workspace

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), 'cairn-merge-'))
    this.engine = Engine.open({ home: this.home })
  }

  /** The volume `ours`, as `make` leaves it, and its fork `theirs`. */
  begin(make: (base: Workspace) => void, oursSaves: Saving = 'in place', theirsSaves: Saving = 'in place'): this {
    this.engine.create('ours')
    const base = new Workspace(this.engine.openVolume('ours'), oursSaves)
    make(base)
    this.engine.fork('ours', undefined, 'theirs')
    this.ours = base
    this.theirs = new Workspace(this.engine.openVolume('theirs'), theirsSaves)
    return this
  }

  merge(options?: MergeOptions): MergeResult {
    const result = mergeFork(this.ours.volume, this.theirs.volume, options)
    this.check(this.ours)
    return result
  }

  /** @throws when the volume is not whole */
  check({ volume }: Workspace): void {
    const report = volume.fsck()
    if (report.findings.length > 0) throw new Error(`fsck: ${JSON.stringify(report.findings)}`)
    const { bytes } = volume.state.usage
    const counted = allocatedBytes(volume)
    if (bytes !== counted) throw new Error(`usage says ${bytes} bytes, there are ${counted}`)
  }

  end(): void {
    this.engine.close()
    rmSync(this.home, { recursive: true, force: true })
  }
}

function allocatedBytes(volume: Volume): number {
  const fs = fsOf(volume.session)
  const seen = new Set<number>()
  let bytes = 0
  const walk = (directory: string): void => {
    for (const name of fs.readdirSync(directory) as string[]) {
      const path = directory === '/' ? `/${name}` : `${directory}/${name}`
      const stats = fs.lstatSync(path)
      if (stats.isDirectory()) walk(path)
      else if (!seen.has(stats.ino)) bytes += stats.blocks * 512
      seen.add(stats.ino)
    }
  }
  walk('/')
  return bytes
}
