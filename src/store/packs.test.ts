import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PACK_HEADER_BYTES, PackKind } from '../codec/pack.js'
import { encodePointer, POINTER_BYTES, packId, packKey, pointerLength, pointerOffset } from '../codec/pointer.js'
import { RelocationIndex } from '../codec/relocation.js'
import { SEGMENT_HEADER_BYTES, SegmentKind } from '../codec/segment.js'
import { CairnError, CorruptError } from '../errors.js'
import { assert, type CrashPoint, limits, onCrashPoint } from '../sys/index.js'
import { readGcRecord, swapGcRecord } from './gc-record.js'
import { MemoryStore } from './memory/index.js'
import { readPackContents } from './pack-scan.js'
import { Packs, PackWriter } from './packs.js'

const { page, block } = SegmentKind
const volume = Buffer.from('0123456789abcdef', 'hex')

let folder: string
let path: string
let store: MemoryStore
let packs: Packs

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-packs-'))
  path = join(folder, 'pack')
  store = new MemoryStore()
  packs = new Packs(store, { blockCacheBytes: 1024 * 1024 })
})

afterEach(() => {
  onCrashPoint(undefined)
  packs.close()
  rmSync(folder, { recursive: true, force: true })
})

const idOf = (n: number): Buffer => Buffer.from(packId(volume, 1, n))

/** Appends and returns the pointer. */
function append(writer: PackWriter, kind: number, plain: Uint8Array, compress = false): Buffer {
  writer.append(kind, plain, 0, plain.length, compress ? 'brotli' : 'none')
  const pointer = Buffer.alloc(POINTER_BYTES)
  writer.pointer(pointer, 0, 9)
  return pointer
}

/** Bytes that compress to about a third. */
const wordy = (seed: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => ((i * seed) % 7) + 97))

function hold(writer: PackWriter, kind: number, plain: Uint8Array): Buffer {
  writer.hold(kind, plain, 0, plain.length)
  const pointer = Buffer.alloc(POINTER_BYTES)
  writer.pointer(pointer, 0, 9)
  return pointer
}

interface Written {
  kind: number
  plain: Uint8Array
  pointer: Buffer
}

function writeSome(writer: PackWriter, count: number): Written[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = i % 3 === 0 ? page : block
    const plain = i % 4 === 0 ? randomBytes(50 + i) : wordy(i, 3000 + i)
    return { kind, plain, pointer: append(writer, kind, plain, i % 2 === 0) }
  })
}

function expectReadable(written: readonly Written[], at = packs): void {
  for (const { kind, plain, pointer } of written) {
    const found = kind === page ? at.readPage(pointer, 0) : at.readBlock(pointer, 0)
    expect(Buffer.compare(found, plain)).toBe(0)
    expect(at.verify(pointer, 0)).toBeGreaterThan(SEGMENT_HEADER_BYTES)
  }
}

/** A finished pack of one block in the store. */
function onePack(n: number, plain: Uint8Array): Buffer {
  const writer = new PackWriter(path, idOf(n), PackKind.content)
  const pointer = append(writer, block, plain)
  writer.close()
  store.adoptSync(packKey(idOf(n)), path)
  return pointer
}

describe('pack writer', () => {
  it('writes what is readable at once, from the spool, and later from the store', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    packs.addSpool(idOf(1), path)
    expect(packs.isSpooled(idOf(1))).toBe(true)
    const written = writeSome(writer, 20)
    expectReadable(written)
    expect(writer.unsynced).toBe(true)
    writer.finish()
    expect(writer.unsynced).toBe(false)
    expectReadable(written)
    store.adoptSync(packKey(idOf(1)), path)
    expectReadable(written)
    packs.removeSpool(idOf(1))
    writer.closeFd()
    packs.clearCache()
    expectReadable(written)
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
    const index = readPackContents(store, idOf(1))?.index
    expect(index?.count).toBe(20)
    written.forEach(({ plain, kind }, i) => {
      expect(index?.kind(i)).toBe(kind)
      expect(Buffer.compare(index?.hash(i) ?? Buffer.alloc(0), createHash('sha256').update(plain).digest())).toBe(0)
    })
  })

  it('takes a part of a buffer', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    packs.addSpool(idOf(1), path)
    writer.append(block, Buffer.from('..part..'), 2, 4)
    const pointer = Buffer.alloc(POINTER_BYTES + 3)
    writer.pointer(pointer, 3, 1)
    expect(Buffer.from(packs.readBlock(pointer, 3)).toString()).toBe('part')
    expect(writer.lastLength).toBe(SEGMENT_HEADER_BYTES + 4)
    expect(writer.lastOffset).toBe(PACK_HEADER_BYTES)
    writer.close()
  })

  it('writes what it holds with one flush, with the next segment that is not held, or where there is too much', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    packs.addSpool(idOf(1), path)
    const inFile = () => statSync(path).size
    const held = Array.from({ length: 5 }, (_, i) => ({ kind: page, plain: randomBytes(100 + i), pointer: Buffer.alloc(0) as Buffer }))
    for (const one of held) one.pointer = hold(writer, page, one.plain)
    expect([inFile(), writer.written, writer.unsyncedBytes]).toEqual([PACK_HEADER_BYTES, PACK_HEADER_BYTES, PACK_HEADER_BYTES])
    writer.flush()
    expect([inFile(), writer.written, writer.unsyncedBytes]).toEqual([writer.size, writer.size, writer.size])
    const written: Written[] = [...held]
    const add = (kind: number, plain: Buffer, how: typeof hold) => written.push({ kind, plain, pointer: how(writer, kind, plain) })
    add(block, randomBytes(200), hold)
    add(block, randomBytes(300), append)
    expect(inFile()).toBe(writer.size)
    for (let i = 0; i < 9; i++) add(block, randomBytes(60_000), hold)
    expect(inFile()).toBe(writer.written)
    expect(writer.size - writer.written).toBeLessThanOrEqual(limits.packHoldBytes)
    add(block, randomBytes(limits.packHoldBytes + 1), hold)
    add(page, randomBytes(400), hold)
    writer.close()
    expectReadable(written)
    store.adoptSync(packKey(idOf(1)), path)
    packs.removeSpool(idOf(1))
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
    expect(readPackContents(store, idOf(1))?.index.count).toBe(written.length)
  })

  it('counts what another thread synced', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    append(writer, block, Buffer.alloc(100))
    const { size } = writer
    append(writer, block, Buffer.alloc(100))
    writer.synced(size)
    expect(writer.unsyncedBytes).toBe(100 + SEGMENT_HEADER_BYTES)
    writer.close()
  })

  it('is taken up again after a crash, from a tail cut at any byte', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    const written = writeSome(writer, 5)
    const before = writer.size
    const last: Written = { kind: block, plain: randomBytes(40), pointer: Buffer.alloc(0) }
    last.pointer = append(writer, block, last.plain)
    const after = writer.size
    writer.abandon()
    const whole = readFileSync(path)
    for (let size = before; size <= after; size++) {
      writeFileSync(path, whole.subarray(0, size))
      const again = PackWriter.reopen(path)
      expect(again?.count).toBe(size === after ? 6 : 5)
      expect(again?.size).toBe(size === after ? after : before)
      expect(statSync(path).size).toBe(again?.size)
      expect(again?.packId).toEqual(idOf(1))
      expect(again?.kind).toBe(PackKind.content)
      again?.abandon()
    }
    const again = PackWriter.reopen(path)
    const more: Written = { kind: page, plain: wordy(3, 500), pointer: Buffer.alloc(0) }
    if (again !== undefined) more.pointer = append(again, page, more.plain, true)
    again?.close()
    store.adoptSync(packKey(idOf(1)), path)
    expectReadable([...written, last, more])
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
  })

  it('is taken up again finished, and goes on over its footer', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.metadata)
    const written = writeSome(writer, 4)
    writer.close()
    const again = PackWriter.reopen(path)
    expect(again?.finished).toBe(true)
    again?.finish()
    expect(again?.count).toBe(4)
    if (again !== undefined) written.push({ kind: page, plain: Buffer.from('more'), pointer: append(again, page, Buffer.from('more')) })
    again?.close()
    store.adoptSync(packKey(idOf(1)), path)
    expectReadable(written)
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
  })

  it('of a crash at its birth is removed; what is no pack is left alone', () => {
    for (const size of [0, 5, 31]) {
      writeFileSync(path, Buffer.alloc(size))
      expect(PackWriter.reopen(path)).toBe(undefined)
      expect(existsSync(path)).toBe(false)
    }
    writeFileSync(path, Buffer.alloc(100_000))
    expect(PackWriter.reopen(path)).toBe(undefined)
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, 'something else that somebody may want to look at')
    expect(PackWriter.reopen(path)).toBe(undefined)
    expect(existsSync(path)).toBe(true)
  })

  it('with random bytes behind its header or anywhere never crashes a reopening', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    writeSome(writer, 3)
    const { size } = writer
    writer.close()
    const whole = readFileSync(path)
    fc.assert(
      fc.property(fc.nat(whole.length), fc.uint8Array({ maxLength: 100 }), (at, noise) => {
        const bad = Buffer.concat([whole.subarray(0, at), noise])
        writeFileSync(path, bad)
        try {
          const again = PackWriter.reopen(path)
          expect(again === undefined || again.size <= size + noise.length).toBe(true)
          again?.abandon()
        } catch (error) {
          if (!(error instanceof CairnError)) throw error
        }
      }),
      { numRuns: 200 },
    )
  })

  const CRASH = new Error('crash')
  const points: CrashPoint[] = ['pack.write.before', 'pack.write.torn', 'pack.close.before-footer', 'pack.close.after-footer']
  for (const point of points) {
    it(`after a crash at ${point} has all that was appended`, () => {
      const writer = new PackWriter(path, idOf(1), PackKind.content)
      const written = writeSome(writer, 3)
      onCrashPoint(reached => {
        if (reached === point) throw CRASH
      })
      expect(() => {
        append(writer, block, randomBytes(5000))
        writer.finish()
      }).toThrow(CRASH)
      onCrashPoint(undefined)
      writer.abandon()
      const again = PackWriter.reopen(path)
      expect(again?.count).toBe(point.startsWith('pack.write') ? 3 : 4)
      again?.close()
      store.adoptSync(packKey(idOf(1)), path)
      expectReadable(written)
      expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
    })
  }
})

describe('reading by pointer', () => {
  it('with any byte of the segment changed fails, and names pack and offset', () => {
    for (const plain of [randomBytes(30), wordy(5, 2000)]) {
      const writer = new PackWriter(path, idOf(1), PackKind.content)
      append(writer, block, Buffer.from('before'))
      const pointer = append(writer, block, plain, true)
      const { lastOffset, lastLength } = writer
      writer.close()
      const whole = readFileSync(path)
      for (let at = lastOffset; at < lastOffset + lastLength; at++) {
        const bad = Buffer.from(whole)
        bad[at] ^= 0x10
        store.putSync(packKey(idOf(1)), bad)
        expect(() => packs.readBlock(pointer, 0)).toThrow(CorruptError)
        expect(() => packs.readBlock(pointer, 0)).toThrow(`${packKey(idOf(1))} at ${lastOffset}`)
        expect(packs.checkPack(packKey(idOf(1)))).toContain(String(lastOffset))
      }
      store.putSync(packKey(idOf(1)), whole)
      expect(Buffer.compare(packs.readBlock(pointer, 0), plain)).toBe(0)
      packs.clearCache()
      rmSync(path)
    }
  })

  it('of a missing pack, a cut one, or one of the other kind fails', () => {
    const pointer = onePack(1, randomBytes(500))
    const whole = Buffer.from(store.getSync(packKey(idOf(1)))?.bytes ?? [])
    store.putSync(packKey(idOf(1)), whole.subarray(0, 100))
    expect(() => packs.readBlock(pointer, 0)).toThrow(/ends after 68 of 516 bytes/)
    expect(packs.checkPack(packKey(idOf(1)))).toMatch(/footer/)
    store.deleteSync([packKey(idOf(1))])
    expect(() => packs.readBlock(pointer, 0)).toThrow(/the pack is missing/)
    expect(packs.checkPack(packKey(idOf(1)))).toBe('the pack is missing')
    store.putSync(packKey(idOf(1)), whole)
    expect(() => packs.readPage(pointer, 0)).toThrow(/kind 2, not 1/)
    expect(packs.checkPack('packs/nonsense')).toBeDefined()
  })

  it('of arbitrary pointers fails with CorruptError, never otherwise', () => {
    onePack(1, randomBytes(5000))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(7000), fc.nat(7000), (hash, offset, length) => {
        const pointer = Buffer.alloc(POINTER_BYTES)
        encodePointer(pointer, 0, { hash, pack: idOf(1), offset, length, birth: 0 })
        if (offset === PACK_HEADER_BYTES && length === 5016) return
        expect(() => packs.readBlock(pointer, 0)).toThrow(CorruptError)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: POINTER_BYTES, maxLength: POINTER_BYTES }), bytes => {
        expect(() => packs.readPage(bytes, 0)).toThrow(CorruptError)
      }),
    )
  })

  it('finds a wrong hash only where it is asked to', () => {
    const pointer = onePack(1, Buffer.from('content'))
    pointer[0] ^= 1
    expect(Buffer.from(packs.readBlock(pointer, 0)).toString()).toBe('content')
    expect(() => packs.verify(pointer, 0)).toThrow(/hash/)
    const strict = new Packs(store, { blockCacheBytes: 0, verify: true })
    expect(() => strict.readBlock(pointer, 0)).toThrow(/hash/)
    strict.close()
  })

  it('checkPack finds an index that tells of other segments', () => {
    onePack(1, Buffer.from('content'))
    onePack(2, Buffer.from('contents'))
    const one = Buffer.from(store.getSync(packKey(idOf(1)))?.bytes ?? [])
    const two = Buffer.from(store.getSync(packKey(idOf(2)))?.bytes ?? [])
    store.putSync(packKey(idOf(1)), two)
    expect(packs.checkPack(packKey(idOf(1)))).toMatch(/header/)
    store.putSync(packKey(idOf(1)), Buffer.concat([one.subarray(0, PACK_HEADER_BYTES), two.subarray(PACK_HEADER_BYTES)]))
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
    const shifted = Buffer.concat([one.subarray(0, PACK_HEADER_BYTES + SEGMENT_HEADER_BYTES + 7), two.subarray(PACK_HEADER_BYTES + SEGMENT_HEADER_BYTES + 8)])
    store.putSync(packKey(idOf(1)), shifted)
    expect(packs.checkPack(packKey(idOf(1)))).toBeDefined()
  })

  it('checkPack finds nothing in a pack that a collection moves between any two of its reads, but that it went without having moved', () => {
    class Watched extends MemoryStore {
      reads = 0
      onRead = (_nth: number): void => {}
      override readSync(...args: Parameters<MemoryStore['readSync']>): number {
        this.onRead(++this.reads)
        return super.readSync(...args)
      }
      override headSync(...args: Parameters<MemoryStore['headSync']>): ReturnType<MemoryStore['headSync']> {
        this.onRead(++this.reads)
        return super.headSync(...args)
      }
    }
    /** Checks a pack that goes before the read of this number; what was found, and how many reads that took. */
    const check = (goesAt: number, moves: boolean): { problem: string | undefined; reads: number } => {
      const watched = new Watched()
      store = watched
      const pointer = onePack(1, randomBytes(5000))
      onePack(2, randomBytes(5000))
      watched.onRead = nth => {
        if (nth !== goesAt) return
        const place = { oldPack: idOf(1), oldOffset: pointerOffset(pointer, 0), newPack: idOf(2), newOffset: PACK_HEADER_BYTES }
        watched.putSync('gc/relocations/1', RelocationIndex.from([place]).encode())
        if (moves) swapGcRecord(watched, readGcRecord(watched), { epoch: 1, relocations: 'gc/relocations/1' })
        watched.deleteSync([packKey(idOf(1))])
      }
      const checked = new Packs(watched, { blockCacheBytes: 0 })
      const problem = checked.checkPack(packKey(idOf(1)))
      checked.close()
      return { problem, reads: watched.reads }
    }
    const { reads } = check(0, false)
    expect(reads).toBeGreaterThan(3)
    for (let nth = 1; nth <= reads; nth++) {
      expect(check(nth, true).problem).toBe(undefined)
      expect(check(nth, false).problem).toBeDefined()
    }
  })

  it('serves a block again from memory, within its bound, and never what was removed from it', () => {
    const small = new Packs(store, { blockCacheBytes: 10_000 })
    const pointers = Array.from({ length: 8 }, (_, i) => onePack(i + 1, Buffer.alloc(3000, i)))
    for (const pointer of pointers) small.readBlock(pointer, 0)
    expect(small.blockCacheBytes).toBeLessThanOrEqual(10_000)
    expect(small.blockHits).toBe(0)
    expect(small.readBlock(pointers[7], 0)[0]).toBe(7)
    expect(small.readBlock(pointers[5], 0)[0]).toBe(5)
    expect(small.blockHits).toBe(2)
    expect(small.readBlock(pointers[0], 0)[0]).toBe(0)
    expect(small.blocksRead).toBe(9)
    small.close()
  })

  it('reads a run of blocks at once; keeps what comes twice; names what is damaged', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.content)
    const plains = Array.from({ length: 4 }, () => randomBytes(5000))
    const pointers = plains.map(plain => append(writer, block, plain))
    writer.close()
    store.adoptSync(packKey(idOf(1)), path)
    const into = Buffer.alloc(16_000)
    const all = Buffer.concat(pointers)
    const beyond = Buffer.from(pointers[3])
    beyond.writeUIntLE(pointerOffset(beyond, 0) + pointerLength(beyond, 0), 48, 5)
    expect(packs.readRun(all, 62, 3, into, 1000, 5000)).toBe(true)
    expect(Buffer.compare(into.subarray(1000), Buffer.concat(plains.slice(1)))).toBe(0)
    expect(packs.blockCacheBytes).toBe(0)
    expect(packs.readRun(all, 62, 3, into, 1000, 5000)).toBe(true)
    expect(packs.blockCacheBytes).toBe(15_000)
    expect(packs.readRun(all, 62, 3, into, 1000, 5000)).toBe(false)
    expect(packs.readRun(Buffer.concat([pointers[3], beyond]), 0, 2, into, 0, 5000)).toBe(false)
    packs.clearCache()
    const bad = Buffer.from(store.getSync(packKey(idOf(1)))?.bytes ?? [])
    const second = PACK_HEADER_BYTES + SEGMENT_HEADER_BYTES + 5000
    bad[second + 100] ^= 1
    store.putSync(packKey(idOf(1)), bad)
    expect(() => packs.readRun(all, 0, 4, into, 0, 4000)).toThrow(`${packKey(idOf(1))} at ${second}`)
  })

  it('gives each page in a buffer of its own', () => {
    const writer = new PackWriter(path, idOf(1), PackKind.metadata)
    packs.addSpool(idOf(1), path)
    const pointers = [append(writer, page, wordy(2, 8192)), append(writer, page, wordy(2, 8192), true)]
    for (const pointer of pointers) {
      const one = packs.readPage(pointer, 0)
      one.fill(0)
      expect(Buffer.compare(packs.readPage(pointer, 0), wordy(2, 8192))).toBe(0)
    }
    writer.close()
  })

  it('follows the relocation index when the pack is gone', () => {
    const old = onePack(1, Buffer.from('moved content'))
    const writer = new PackWriter(path, idOf(2), PackKind.content)
    append(writer, block, randomBytes(100))
    append(writer, block, Buffer.from('moved content'))
    const { lastOffset } = writer
    writer.close()
    store.adoptSync(packKey(idOf(2)), path)
    store.deleteSync([packKey(idOf(1))])
    expect(() => packs.readBlock(old, 0)).toThrow(CorruptError)
    const moved = RelocationIndex.from([{ oldPack: idOf(1), oldOffset: PACK_HEADER_BYTES, newPack: idOf(2), newOffset: lastOffset }])
    store.putSync('gc/relocations/1', moved.encode())
    const record = swapGcRecord(store, readGcRecord(store), { epoch: 1, relocations: 'gc/relocations/1' })
    assert(record !== undefined, 'nobody else collects')
    expect(Buffer.from(packs.readBlock(old, 0)).toString()).toBe('moved content')
    expect(packs.verify(old, 0)).toBe(13 + SEGMENT_HEADER_BYTES)
    expect(packs.relocated).toBe(2)
    // Moved once more: the index in memory leads nowhere, and the newer one is read.
    store.deleteSync([packKey(idOf(2))])
    const again = onePack(3, Buffer.from('moved content'))
    const twice = RelocationIndex.from([{ oldPack: idOf(1), oldOffset: PACK_HEADER_BYTES, newPack: idOf(3), newOffset: pointerOffset(again, 0) }])
    store.putSync('gc/relocations/2', twice.encode())
    swapGcRecord(store, record, { epoch: 2, relocations: 'gc/relocations/2' })
    store.deleteSync(['gc/relocations/1'])
    packs.clearCache()
    expect(Buffer.from(packs.readBlock(old, 0)).toString()).toBe('moved content')
    store.deleteSync([packKey(idOf(3))])
    packs.clearCache()
    expect(() => packs.readBlock(old, 0)).toThrow(CorruptError)
  })
})

const canMount = process.getuid?.() === 0 && process.platform === 'linux'

describe.skipIf(!canMount)('a full disk', () => {
  let disk: string
  beforeEach(() => {
    disk = join(folder, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', disk])
  })
  afterEach(() => {
    execFileSync('umount', ['-l', disk])
  })

  it('gives ENOSPC, leaves no part of the segment, and takes more when there is room', () => {
    const filler = join(disk, 'filler')
    writeFileSync(filler, Buffer.alloc(500_000))
    const writer = new PackWriter(join(disk, 'pack'), idOf(1), PackKind.content)
    const written: Written[] = []
    const fill = (): void => {
      for (;;) {
        const plain = randomBytes(50_000)
        written.push({ kind: block, plain, pointer: append(writer, block, plain) })
      }
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(statSync(join(disk, 'pack')).size).toBe(writer.size)
    expect(writer.count).toBe(written.length)
    truncateSync(filler, 0)
    expect(fill).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    rmSync(filler)
    writer.close()
    store.adoptSync(packKey(idOf(1)), join(disk, 'pack'))
    expect(written.length).toBeGreaterThan(12)
    expectReadable(written)
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
  })

  it('keeps what is held until there is room', () => {
    const filler = join(disk, 'filler')
    writeFileSync(filler, Buffer.alloc(900_000))
    const writer = new PackWriter(join(disk, 'pack'), idOf(1), PackKind.content)
    const written = Array.from({ length: 4 }, () => randomBytes(60_000)).map(plain => ({ kind: block, plain, pointer: hold(writer, block, plain) }))
    expect(() => writer.flush()).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(() => writer.hold(block, Buffer.alloc(60_000), 0, 60_000)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(statSync(join(disk, 'pack')).size).toBe(writer.written)
    rmSync(filler)
    writer.close()
    store.adoptSync(packKey(idOf(1)), join(disk, 'pack'))
    expectReadable(written)
    expect(packs.checkPack(packKey(idOf(1)))).toBe(undefined)
  })
})
