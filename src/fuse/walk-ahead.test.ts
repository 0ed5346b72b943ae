import { describe, expect, it, vi } from 'vitest'
import { PageMiss } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import { type Clock, systemClock } from '../sys/index.js'
import { MemorySession } from '../testing/memory-session.js'
import { Frame } from './frame.js'
import { FuseHandler } from './handler.js'
import { Op } from './protocol.js'

const PLUS_BYTES = 128
const DIRENT_BYTES = 24
const DIRECTORY = 4
const ANY = 32768

interface Entry {
  name: string
  node: number
  isDirectory: boolean
}

/** No two operations are at one time. */
function ticking(): Clock {
  let now = 1e12
  return { ...systemClock, now: () => ++now }
}

/** A volume in memory, asked as the kernel asks. */
class Kernel {
  readonly fs: FileSystem
  readonly frame = new Frame()
  readonly handler: FuseHandler
  readonly far = { store: { mayMiss: false } }
  /** Names in the order in which a walk came to them. */
  seen: string[] = []
  /** In place of the listing of a directory. */
  instead: ((ino: number) => void) | undefined
  /** Directories that were read while nobody asked. */
  early: number[] = []
  isIdle = false
  /** Answers with something in them. */
  readonly answers: string[] = []
  readonly #end = { low: 0, high: 0 }

  constructor(
    fs = new FileSystem(new MemorySession({ clock: ticking() })),
    readonly isEager = true,
  ) {
    this.fs = fs
    this.handler = new FuseHandler(this.frame, fs, {}, { far: this.far, park: () => expect.unreachable() })
    if (!isEager) return
    const { readdir } = fs
    vi.spyOn(fs, 'readdir').mockImplementation((ino, ...rest) => {
      if (this.isIdle) this.early.push(ino)
      if (this.isIdle) this.instead?.(ino)
      return readdir.call(fs, ino, ...rest)
    })
  }

  /** What the loop does when there are no requests. */
  idle(): void {
    this.isIdle = this.isEager
    while (this.isEager && this.handler.workAhead());
    this.isIdle = false
    expect(this.far.store.mayMiss).toBe(false)
  }

  ask(opcode: number, node: number, size: number): number {
    const { in32 } = this.frame
    in32.fill(0, 0, 20)
    in32.set([80, opcode, 2, 0, node, 0], 0)
    in32.set([this.#end.low, this.#end.high, size], 12)
    const length = this.handler.handle(80)
    expect(this.frame.out32[0]).toBe(length)
    expect(new Int32Array(this.frame.out32.buffer)[1]).toBe(0)
    return length
  }

  /** All of a directory, in parts of so many bytes, up to the answer that has nothing. */
  list(node: number, size = ANY): Entry[] {
    const found: Entry[] = []
    Object.assign(this.#end, { low: 0, high: 0 })
    while (this.#part(node, size, found));
    expect(this.ask(Op.readdir, node, size)).toBe(16)
    return found
  }

  #part(node: number, size: number, found: Entry[]): boolean {
    const length = this.ask(Op.readdirplus, node, size)
    const { out, out32 } = this.frame
    if (length > 16) this.answers.push(out.toString('hex', 16, length))
    for (let p = 16; p < length; ) {
      const at = (p + PLUS_BYTES) / 4
      const bytes = out32[at + 4]
      Object.assign(this.#end, { low: out32[at + 2], high: out32[at + 3] })
      const name = out.latin1Slice(p + PLUS_BYTES + DIRENT_BYTES, p + PLUS_BYTES + DIRENT_BYTES + bytes)
      if (name !== '.' && name !== '..') found.push({ name, node: out32[p / 4], isDirectory: out32[at + 5] === DIRECTORY })
      p += PLUS_BYTES + ((DIRENT_BYTES + bytes + 7) & ~7)
    }
    return length > 16
  }

  /** As find does. */
  walk(node = 1, size = ANY, before: (node: number) => void = () => undefined): void {
    before(node)
    this.idle()
    const entries = this.list(node, size)
    this.idle()
    for (const entry of entries) {
      this.seen.push(entry.name)
      if (entry.isDirectory) this.walk(entry.node, size, before)
    }
  }
}

/** `wide` directories in each, three levels of them, with three files in each; returns all names, parents first. */
function grow(fs: FileSystem, wide: number): string[] {
  const names: string[] = []
  const cred = { uid: 0, gid: 0, groups: [], checked: true }
  const fill = (dir: number, path: string, level: number): void => {
    for (let i = 0; i < 3; i++) {
      names.push(`${path}file-${i}`)
      fs.mknod(dir, `${path}file-${i}`, 0o100644, 0, cred)
    }
    for (let i = 0; level > 0 && i < wide; i++) {
      names.push(`${path}${i}`)
      fill(fs.mkdir(dir, `${path}${i}`, 0o755, cred), `${path}${i}-`, level - 1)
    }
  }
  fill(1, 'r-', 3)
  return names
}

function grown(wide = 3): { kernel: Kernel; names: string[] } {
  const kernel = new Kernel()
  const names = grow(kernel.fs, wide)
  return { kernel, names: names.sort() }
}

describe('listings that are made ahead', () => {
  it('are those that a walk asks for', () => {
    const { kernel, names } = grown()
    const asked: number[] = []
    kernel.walk(1, ANY, node => asked.push(node))
    expect([...kernel.seen].sort()).toEqual(names)
    expect(asked).toHaveLength(40)
    // All but the first few, in the very order, and none of them twice.
    expect(kernel.early).toEqual(asked.slice(-kernel.early.length))
    expect(kernel.early.length).toBeGreaterThan(asked.length - 5)
  })

  it('are the bytes that an answer would be otherwise', () => {
    const { kernel } = grown()
    // By then no time of access is due.
    new Kernel(kernel.fs, false).walk()
    const plain = new Kernel(kernel.fs, false)
    plain.walk()
    kernel.early = []
    kernel.walk()
    expect(kernel.early.length).toBeGreaterThan(plain.answers.length - 5)
    for (const [i, answer] of kernel.answers.entries()) expect(answer === plain.answers[i]).toBe(true)
  })

  it('come in parts where a directory is larger than an answer', () => {
    const { kernel, names } = grown(5)
    kernel.walk(1, 700)
    expect([...kernel.seen].sort()).toEqual(names)
    expect(kernel.early.length).toBeGreaterThan(0)
  })

  it('show what was changed since they were made', () => {
    const { kernel, names } = grown()
    const cred = { uid: 0, gid: 0, groups: [], checked: true }
    let made = 0
    kernel.walk(1, ANY, node => {
      // Behind what was made while nobody asked.
      kernel.idle()
      names.push(`late-${made}`)
      expect(kernel.fs.mknod(node, `late-${made++}`, 0o100644, 0, cred)).toBeGreaterThan(0)
    })
    expect([...kernel.seen].sort()).toEqual(names.sort())
    expect(kernel.early.length).toBeGreaterThan(0)
  })

  it('are not made for who goes elsewhere, and who leaves some out gets the right ones', () => {
    const { kernel } = grown()
    const [first, ...others] = kernel.list(1).filter(one => one.isDirectory)
    const below = kernel.list(first.node).filter(one => one.isDirectory)
    kernel.list(below[0].node)
    kernel.idle()
    for (const { node, name } of others.reverse()) {
      expect(kernel.list(node).every(one => one.name.startsWith(`${name}-`))).toBe(true)
      kernel.idle()
    }
    kernel.early = []
    for (const node of [below[2].node, 1, below[1].node]) {
      kernel.list(node)
      kernel.idle()
    }
    expect(kernel.early).toEqual([])
  })

  it('wait for nothing that is far away, which begins to come', () => {
    const { kernel, names } = grown()
    let begun = 0
    kernel.instead = () => {
      expect(kernel.far.store.mayMiss).toBe(true)
      throw new PageMiss(() => begun++)
    }
    kernel.walk()
    expect([...kernel.seen].sort()).toEqual(names)
    expect(begun).toBeGreaterThan(0)
  })

  it('that fail are left to the request', () => {
    const { kernel, names } = grown()
    kernel.instead = ino => {
      if (ino % 2 === 0) throw new Error('damaged')
    }
    kernel.walk()
    expect([...kernel.seen].sort()).toEqual(names)
  })

  it('leave the time of access to who asks', () => {
    const { kernel } = grown()
    const touched: number[] = []
    const { touch } = kernel.fs
    vi.spyOn(kernel.fs, 'touch').mockImplementation(ino => {
      expect(kernel.isIdle).toBe(false)
      touched.push(ino)
      return touch.call(kernel.fs, ino)
    })
    const asked: number[] = []
    kernel.walk(1, ANY, node => asked.push(node))
    expect(touched).toEqual(asked)
  })
})
