/**
 * An operation that meets what is not here yet has changed nothing, and is made again: each is given up at its first read of the store, then at its second, and
 * so on until it gets through, with all pages cold each time, and everything afterwards is as in a volume where nothing is ever missing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PageMiss } from '../src/errors.js'
import { FileSystem, type FileSystemApi } from '../src/fs/index.js'
import { MemoryStore } from '../src/store/memory/index.js'
import type { RemoteStore } from '../src/store/remote/remote-store.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { LOCATION } from './support/hosts/host.js'
import { SimulatedLine } from './support/hosts/line.js'
import { STORE_ID } from './support/hosts/secret.js'
import { seeded } from './support/seeded.js'

/** More than any operation here reads. */
const MANY = 400
const BLOCK = 65536
/** Names are looked for in the tree. */
const FEW_NAMES = { nameCacheEntries: 1 }

let folder: string
let hosts: Side[]

/** A volume in a store elsewhere. */
class Side {
  readonly engine: Engine
  readonly volume: Volume
  readonly live: FileSystemApi
  readonly #line: SimulatedLine
  readonly #store: RemoteStore
  /** Reads of the store that go well before one is missing. */
  #left = Number.POSITIVE_INFINITY
  missed = 0
  readonly #kept: number[] = []
  #transaction: ReturnType<Volume['begin']> | undefined
  #inTransaction: FileSystemApi | undefined

  constructor(name: string, clock: { now: () => number; monotonic: () => number }) {
    const random = seeded(7)
    const store = new MemoryStore(clock)
    const nothing = { info: { id: STORE_ID }, damaged: () => {}, isCut: () => false, fault: () => false, between: () => {}, later: () => {} }
    this.#line = new SimulatedLine({ store, pick: () => 1, ...nothing })
    const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random(256)))
    this.engine = Engine.open({ home: join(folder, name), clock, random: { bytes }, bootId: 'boot', actor: 'me', line: () => this.#line })
    this.engine.create('w', { store: LOCATION })
    this.volume = this.engine.openVolume('w')
    this.live = new FileSystem(this.volume.session, FEW_NAMES)
    this.#store = this.volume.context.store as RemoteStore
    const read = this.#store.readSync.bind(this.#store)
    this.#store.readSync = (...args) => {
      if (this.#store.mayMiss && this.#left-- <= 0) throw new PageMiss(() => {})
      return read(...args)
    }
  }

  keep(ino: number): number {
    const result = this.live.open(ino, 0)
    if (result === 0) this.#kept.push(ino)
    return result
  }

  letGo(): void {
    const ino = this.#kept[0]
    if (ino === undefined) return
    this.live.release(ino)
    this.#kept.shift()
  }

  get fs(): FileSystemApi {
    return this.#inTransaction ?? this.live
  }

  begin(): void {
    this.#transaction = this.volume.begin()
    this.#inTransaction = new FileSystem(this.#transaction, FEW_NAMES)
  }

  commit(): void {
    expect(this.#transaction?.commitTransaction()).toBe(0)
    this.#inTransaction = undefined
  }

  /** All that was changed is stored, and nothing of the store in memory. */
  cool(): void {
    this.volume.flush()
    this.#chill()
  }

  #chill(): void {
    this.volume.context.pages.trim(0)
    this.volume.context.packs.clearCache()
  }

  /** Runs an operation with a miss at each of its reads in turn; then whole. */
  missing<T>(operation: (side: Side) => T): T {
    for (let reads = 0; reads < MANY; reads++) {
      this.#chill()
      this.#left = reads
      this.#store.mayMiss = true
      const { sequence } = this.volume.session
      const { inodes, bytes } = this.volume.session.usage
      try {
        return operation(this)
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error
        this.missed++
        this.fs.session.discard()
        expect(this.volume.session.sequence).toBe(sequence)
        expect(this.volume.session.usage).toEqual({ inodes, bytes })
      } finally {
        this.#store.mayMiss = false
      }
    }
    throw new Error('an operation never got through')
  }
}

let ms: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-misses-'))
  ms = 1_700_000_000_000
  const clock = { now: () => ms, monotonic: () => ms }
  hosts = [new Side('plain', clock), new Side('missing', clock)]
})

afterEach(() => {
  for (const { engine } of hosts) engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What one sees of a tree: by path, with all that its numbers do not decide. */
function shown(fs: FileSystemApi, volume: Volume): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const walk = (path: string, ino: number): void => {
    expect(fs.getattr(ino)).toBe(0)
    const { mode, nlink, uid, gid, size, blocks, mtimeS, mtimeNs, ctimeS, atimeS, flags } = fs.attr
    const isDirectory = (mode & 0o170000) === 0o040000
    const content = Buffer.alloc(isDirectory ? 0 : size)
    if (content.length > 0) expect(fs.read(ino, 0, content, 0, size)).toBe(size)
    expect(fs.listxattr(ino)).toBe(0)
    const xattrs = [...fs.names].sort().map(name => {
      fs.getxattr(ino, name)
      return [name, Buffer.from(fs.value).toString('hex')]
    })
    const versions = isDirectory ? [] : volume.versions.list(path).map(one => [one.number, one.ended])
    found.set(path, { mode, nlink, uid, gid, size, blocks, mtimeS, mtimeNs, ctimeS, atimeS, flags, content: content.toString('hex'), xattrs, versions })
    if (!isDirectory) return
    const names: Array<[string, number]> = []
    fs.readdir(ino, 0, 0, (name, child) => names.push([name, child]) > 0)
    for (const [name, child] of names.sort(([a], [b]) => (a < b ? -1 : 1))) walk(`${path === '/' ? '' : path}/${name}`, child)
  }
  walk('/', 1)
  return found
}

type Operation = (side: Side) => unknown

/** One operation by path, whose arguments do not depend on numbers of inodes. */
function operationOf(pick: (below: number) => number): Operation {
  const name = (): string => 'abcd'[pick(4)]
  const path = (): string => (pick(2) === 0 ? `/${name()}` : `/${name()}/${name()}`)
  const [one, two, large, offset, kind] = [path(), path(), pick(3) * BLOCK + pick(3000), pick(5) * 30_000, pick(20)]
  const length = [10, 300, 1500, 5000, 2 * BLOCK + 77][pick(5)]
  const bytes = Buffer.alloc(length, 65 + pick(20))
  const at = (side: Side, path: string): number => side.fs.resolve(path, false)
  const inParent = (side: Side, path: string, work: (dir: number, name: string) => unknown): unknown => {
    const dir = side.fs.resolveParent(path)
    return dir < 0 ? dir : work(dir, side.fs.text)
  }
  const set = { mode: 0o640, uid: 3, gid: 4, size: large, atimeS: 5, atimeNs: 6, mtimeS: 7, mtimeNs: 8, flags: 0 }
  const valid = [1, 2, 8, 8, 16 | 32][pick(5)]
  const flags = [0, 0, 1, 2][pick(4)]
  const opened = [0, 1, 0o1001][pick(3)]
  const operations: Operation[] = [
    side => inParent(side, one, (dir, name) => side.fs.mknod(dir, name, 0o100644, 0) > 0),
    side => inParent(side, one, (dir, name) => side.fs.mkdir(dir, name, 0o755) > 0),
    side => inParent(side, one, (dir, name) => side.fs.symlink(dir, name, 'x'.repeat(offset % 900) || 'y') > 0),
    side => inParent(side, two, (dir, name) => side.fs.link(at(side, one), dir, name) > 0),
    side => inParent(side, one, (dir, name) => side.fs.unlink(dir, name)),
    side => inParent(side, one, (dir, name) => side.fs.rmdir(dir, name)),
    side => inParent(side, one, (dir, name) => inParent(side, two, (toDir, toName) => side.fs.rename(dir, name, toDir, toName, flags))),
    side => side.fs.setattr(at(side, one), valid, set),
    side => side.fs.write(at(side, one), offset, bytes, 0, length),
    side => side.fs.write(at(side, one), offset, bytes, 0, length, true),
    side => side.fs.write(at(side, one), 1, bytes, 0, 10),
    side => inParent(side, one, (dir, name) => (side.fs.createWith?.(dir, name, 0o600, bytes, 0, length) ?? 0) > 0),
    side => side.fs.replaceContent?.(at(side, one), bytes, 0, length),
    side => side.fs.setxattr(at(side, one), `user.${name}`, bytes, 0),
    side => side.fs.removexattr(at(side, one), `user.${name}`),
    side => side.fs.fallocate(at(side, one), 3, offset, 100_000),
    side => {
      const ino = at(side, one)
      const result = side.fs.open(ino, opened)
      if (result < 0) return result
      // As those who open, and go on with what they opened.
      side.fs.session.waitFromNow?.()
      side.fs.release(ino)
      return result
    },
    // What is open outlives its names.
    side => side.keep(at(side, one)),
    side => side.letGo(),
    side => side.letGo(),
  ]
  return operations[kind]
}

/** A tree of several levels. */
function fill({ live }: Side): void {
  for (const name of 'abcd') {
    const dir = live.mkdir(1, name, 0o755)
    for (let i = 0; i < 150; i++) live.createWith?.(dir, `${name}-${i}-${'x'.repeat(40)}`, 0o644, Buffer.alloc(200, i), 0, 200)
    for (const file of 'abcd') live.createWith?.(dir, file, 0o644, Buffer.alloc(4 * BLOCK, name), 0, 4 * BLOCK)
  }
}

describe.each([
  ['of a volume', false],
  ['in a transaction', true],
])('changes %s', (_, inTransactions) => {
  it.each([1, 2])('are made whole or not at all, whatever of the tree is missing (seed %i)', seed => {
    const pick = seeded(seed)
    const [plain, missing] = hosts
    for (const side of hosts) fill(side)
    for (let i = 0; i < 48; i++) {
      ms += 5
      if (i % 3 === 0) for (const side of hosts) side.cool()
      if (inTransactions && i % 6 === 0) for (const side of hosts) side.begin()
      const operation = operationOf(pick)
      const expected = operation(plain)
      expect(missing.missing(operation)).toEqual(expected)
      if (inTransactions && i % 6 === 5) for (const side of hosts) side.commit()
    }
    for (const side of hosts) for (let i = 0; i < 48; i++) side.letGo()
    expect(missing.volume.session.usage).toEqual(plain.volume.session.usage)
    expect(shown(missing.live, missing.volume)).toEqual(shown(plain.live, plain.volume))
    expect(missing.missed).toBeGreaterThan(80)
  })
})
