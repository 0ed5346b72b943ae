import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FRAME_HEADROOM, JOURNAL_HEADER_BYTES } from '../codec/frame.js'
import { CairnError } from '../errors.js'
import { type CrashPoint, crashPoints, onCrashPoint, systemRandom } from '../sys/index.js'
import { Journal, type JournalOptions, type ReplayReport } from './journal.js'

const volume = Buffer.from('0123456789abcdef', 'hex')

let folder: string
let dir: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-journal-'))
  dir = join(folder, 'journal')
})

afterEach(() => {
  onCrashPoint(undefined)
  rmSync(folder, { recursive: true, force: true })
})

function open(options: Partial<JournalOptions> = {}): Journal {
  return Journal.open(dir, { volume, afterSequence: 0, random: systemRandom, bootId: 'boot 1', ...options })
}

/** The payload that frame `sequence` has in these tests: of different lengths, telling its number. */
function payload(sequence: number, generation = 0): Buffer {
  return Buffer.from(`frame ${sequence} of ${generation} `.repeat(1 + (sequence % 5)))
}

function append(journal: Journal, bytes: Buffer): number {
  return journal.append(Buffer.concat([Buffer.alloc(FRAME_HEADROOM), bytes]), bytes.length)
}

function appendMany(journal: Journal, count: number): void {
  for (let i = 0; i < count; i++) append(journal, payload(journal.lastSequence + 1))
}

interface Read {
  report: ReplayReport
  /** Payloads by sequence. */
  frames: Map<number, string>
}

function replay(journal: Journal): Read {
  const frames = new Map<number, string>()
  const report = journal.replay((sequence, bytes) => frames.set(sequence, bytes.toString()))
  return { report, frames }
}

function read(options: Partial<JournalOptions> = {}): Read {
  const journal = open(options)
  const found = replay(journal)
  journal.close()
  return found
}

function expectFrames(found: Read, from: number, to: number): void {
  expect([...found.frames.keys()]).toEqual(Array.from({ length: to - from + 1 }, (_, i) => from + i))
  for (const [sequence, text] of found.frames) expect(text).toBe(payload(sequence).toString())
  expect(found.report.frames).toBe(to - from + 1)
}

function files(): string[] {
  return readdirSync(dir)
    .filter(name => !name.endsWith('.released'))
    .sort()
}

it('removes what a killed process had released, which no replay looks at', () => {
  const journal = open()
  appendMany(journal, 3)
  journal.close()
  const [name] = files()
  copyFileSync(join(dir, name), join(dir, `${name}.released`))
  expectFrames(read(), 1, 3)
  expect(readdirSync(dir)).toEqual([name])
})

describe('journal', () => {
  it('gives back what was appended, in one piece or in two, with empty payloads', () => {
    const journal = open()
    expect(replay(journal).report).toEqual({ frames: 0, lastSequence: 0, cut: false, damaged: false, sameBoot: true })
    expect(append(journal, Buffer.from('one'))).toBe(1)
    expect(append(journal, Buffer.alloc(0))).toBe(2)
    const head = Buffer.concat([Buffer.alloc(FRAME_HEADROOM), Buffer.from('three:')])
    const body = Buffer.from('..the body..')
    expect(journal.appendParts(head, 6, [body.subarray(2, 5), body.subarray(5, 10)])).toBe(3)
    expect(journal.appendParts(head, 6, [])).toBe(4)
    expect(journal.appendParts(head, 0, [body.subarray(0, 2)])).toBe(5)
    journal.close()
    const { frames, report } = read()
    expect([...frames]).toEqual([
      [1, 'one'],
      [2, ''],
      [3, 'three:the body'],
      [4, 'three:'],
      [5, '..'],
    ])
    expect(report).toEqual({ frames: 5, lastSequence: 5, cut: false, damaged: false, sameBoot: true })
  })

  it('holds frames larger than a file and than the reader’s window', () => {
    const journal = open({ segmentBytes: 4096 })
    const big = Buffer.alloc(3_000_001, 7)
    append(journal, payload(1))
    append(journal, big)
    append(journal, payload(3))
    journal.close()
    const { frames } = read()
    expect([...frames.values()].map(text => text.length)).toEqual([payload(1).length, big.length, payload(3).length])
    expect(
      createHash('sha256')
        .update(frames.get(2) ?? '')
        .digest('hex'),
    ).toBe(createHash('sha256').update(big).digest('hex'))
  })

  it('goes over many files, in order, and starts behind `afterSequence`', () => {
    const journal = open({ segmentBytes: 400 })
    appendMany(journal, 100)
    journal.close()
    expect(files().length).toBeGreaterThan(10)
    expectFrames(read(), 1, 100)
    expectFrames(read({ afterSequence: 57 }), 58, 100)
    const end = read({ afterSequence: 100 })
    expectFrames(end, 101, 100)
    expect(end.report.cut).toBe(false)
    const beyond = open({ afterSequence: 120 })
    expectFrames(replay(beyond), 121, 120)
    expect(append(beyond, payload(121))).toBe(121)
    beyond.close()
    expectFrames(read({ afterSequence: 120 }), 121, 121)
  })

  it('goes on after being opened again and again, also where nothing was appended', () => {
    for (let round = 0; round < 5; round++) {
      const journal = open({ bootId: `boot ${round}` })
      expectFrames(replay(journal), 1, 7 * round)
      if (round !== 2) append(journal, payload(journal.lastSequence + 1))
      journal.close()
      const again = open()
      replay(again)
      appendMany(again, 7 * (round + 1) - again.lastSequence)
      again.close()
    }
    expectFrames(read(), 1, 35)
  })

  it('knows whether the machine was started since', () => {
    const journal = open()
    appendMany(journal, 2)
    journal.close()
    expect(read().report.sameBoot).toBe(true)
    expect(read({ bootId: 'boot 2' }).report.sameBoot).toBe(false)
    const later = open({ bootId: 'boot 2' })
    replay(later)
    appendMany(later, 2)
    later.close()
    expect(read({ bootId: 'boot 2' }).report.sameBoot).toBe(false)
    expect(read({ bootId: 'boot 2', afterSequence: 2 }).report.sameBoot).toBe(true)
  })

  it('refuses files of another volume or a newer format, by name', () => {
    const journal = open()
    appendMany(journal, 1)
    journal.close()
    expect(() => read({ volume: Buffer.alloc(8) })).toThrow(expect.objectContaining({ code: 'ERR_JOURNAL_FOREIGN' }))
    const path = join(dir, files()[0])
    const bytes = readFileSync(path)
    bytes[16] = 2
    writeFileSync(path, withCrc(bytes))
    expect(() => read()).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }))
  })
})

/** Repairs the crc of a file's header after a change. */
function withCrc(bytes: Buffer): Buffer {
  let crc = 0xffffffff
  for (const byte of bytes.subarray(0, 60)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  bytes.writeUInt32LE((crc ^ 0xffffffff) >>> 0, 60)
  return bytes
}

describe('a journal that ends badly', () => {
  it('cut at every byte of the last frame has all before it, and goes on', () => {
    const journal = open()
    appendMany(journal, 5)
    const before = journal.sizeBytes
    appendMany(journal, 1)
    const after = journal.sizeBytes
    journal.close()
    const path = join(dir, files()[0])
    copyFileSync(path, join(folder, 'whole'))
    for (let size = before; size < after; size++) {
      for (const filler of ['nothing', 'zeros']) {
        copyFileSync(join(folder, 'whole'), path)
        truncateSync(path, size)
        if (filler === 'zeros') truncateSync(path, after + 100)
        const again = open()
        const found = replay(again)
        expectFrames(found, 1, 5)
        // From a last frame that is zeros altogether nobody can tell that it was there.
        expect(found.report.cut).toBe(size > before)
        expect(found.report.damaged).toBe(false)
        append(again, payload(6))
        again.close()
        expectFrames(read(), 1, 6)
        for (const name of files().slice(1)) rmSync(join(dir, name))
      }
    }
  })

  it('with any bit flipped has all frames before it, and tells damage from a torn end', () => {
    const journal = open()
    const ends: number[] = []
    for (let i = 0; i < 3; i++) {
      appendMany(journal, 1)
      ends.push(journal.sizeBytes)
    }
    journal.close()
    const path = join(dir, files()[0])
    const whole = readFileSync(path).subarray(0, ends[2])
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bad = Buffer.from(whole)
      const at = bit >> 3
      bad[at] ^= 1 << (bit & 7)
      writeFileSync(path, bad)
      const found = read()
      const good = at < JOURNAL_HEADER_BYTES ? 0 : ends.findIndex(end => at < end)
      expectFrames(found, 1, good)
      expect(found.report.cut).toBe(true)
      // A torn write leaves no byte behind it, not even the last one of its frame. Where the header changed, other frames follow.
      const inPayload = at >= JOURNAL_HEADER_BYTES && at >= (ends[good - 1] ?? JOURNAL_HEADER_BYTES) + FRAME_HEADROOM
      if (good < 2 || (inPayload && bad[bad.length - 1] !== 0)) expect(found.report.damaged, `byte ${at}`).toBe(true)
    }
  })

  it('does not bring back frames behind a cut when the same one is appended once more', () => {
    const journal = open()
    appendMany(journal, 2)
    const before = journal.sizeBytes
    appendMany(journal, 3)
    journal.close()
    const path = join(dir, files()[0])
    const bytes = readFileSync(path)
    const lost = bytes[before + FRAME_HEADROOM]
    bytes[before + FRAME_HEADROOM] ^= 1
    writeFileSync(path, bytes)
    const again = open({ bootId: 'boot 2' })
    expectFrames(replay(again), 1, 2)
    append(again, payload(3))
    again.close()
    bytes[before + FRAME_HEADROOM] = lost
    writeFileSync(path, bytes)
    expectFrames(read(), 1, 3)
  })

  it('does not read on where a file is missing, and removes what cannot be reached only when it goes on', () => {
    const journal = open({ segmentBytes: 300 })
    appendMany(journal, 40)
    journal.close()
    const all = files()
    rmSync(join(dir, all[3]))
    const reached = Number(all[3].slice(0, 12)) - 1
    const found = read()
    expectFrames(found, 1, reached)
    expect(found.report).toMatchObject({ cut: true, damaged: true })
    expect(files()).toHaveLength(all.length - 1)
    const again = open()
    replay(again)
    append(again, payload(reached + 1))
    again.close()
    expectFrames(read(), 1, reached + 1)
  })

  it('does not read a later file that does not follow on the frames before it', () => {
    const journal = open({ segmentBytes: 300 })
    appendMany(journal, 20)
    journal.close()
    const [first, second] = files()
    const other = join(folder, 'other')
    copyFileSync(join(dir, second), other)
    rmSync(dir, { recursive: true })
    const twin = open({ segmentBytes: 300 })
    for (let i = 1; i <= 20; i++) append(twin, payload(i, 1).subarray(0, payload(i).length))
    twin.close()
    expect(files().slice(0, 2)).toEqual([first, second])
    copyFileSync(other, join(dir, second))
    const { report } = read()
    expect(report.lastSequence).toBe(Number(second.slice(0, 12)) - 1)
    expect(report.cut).toBe(true)
  })

  it('whatever bytes its files hold: gives a prefix, or an error with a code', () => {
    const journal = open({ segmentBytes: 500 })
    appendMany(journal, 30)
    journal.close()
    const whole = new Map(files().map(name => [name, readFileSync(join(dir, name))]))
    const damage = fc.record({ file: fc.nat(whole.size - 1), at: fc.nat(600), bytes: fc.uint8Array({ maxLength: 80 }) })
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), damages => {
        for (const [name, bytes] of whole) writeFileSync(join(dir, name), bytes)
        for (const { file, at, bytes } of damages) {
          const name = [...whole.keys()][file]
          const bad = Buffer.from(readFileSync(join(dir, name)))
          bad.set(bytes.subarray(0, Math.max(0, bad.length - at)), Math.min(at, bad.length))
          writeFileSync(join(dir, name), bad)
        }
        try {
          const found = read()
          expectFrames(found, 1, found.report.lastSequence)
        } catch (error) {
          if (!(error instanceof CairnError)) throw error
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('truncating, rotating, releasing', () => {
  it('truncateAfter takes frames away for good, from any place', () => {
    for (const sequence of [0, 1, 9, 10, 11, 24, 25]) {
      rmSync(dir, { recursive: true, force: true })
      const journal = open({ segmentBytes: 400 })
      appendMany(journal, 25)
      journal.close()
      const again = open()
      replay(again)
      again.truncateAfter(sequence)
      expect(again.lastSequence).toBe(sequence)
      again.close()
      expectFrames(read(), 1, sequence)
      const third = open()
      replay(third)
      appendMany(third, 3)
      third.truncateAfter(sequence + 1)
      append(third, payload(sequence + 2))
      third.close()
      expectFrames(read(), 1, sequence + 2)
    }
  })

  it('release deletes files without a later frame, the active one too', () => {
    const journal = open({ segmentBytes: 400 })
    appendMany(journal, 30)
    const all = files()
    const second = Number(all[2].slice(0, 12)) - 1
    journal.release(second - 1)
    expect(files()).toEqual(all.slice(1))
    journal.release(second)
    expect(files()).toEqual(all.slice(2))
    expectFrames(read({ afterSequence: second }), second + 1, 30)
    journal.release(30)
    expect(files()).toEqual([])
    expect(journal.sizeBytes).toBe(0)
    append(journal, payload(31))
    journal.sync()
    journal.close()
    expectFrames(read({ afterSequence: 30 }), 31, 31)
    expect(read({ afterSequence: 20 }).report).toMatchObject({ frames: 0, lastSequence: 20, cut: true })
  })

  it('release after a recovery deletes what recovery left', () => {
    const journal = open({ segmentBytes: 400 })
    appendMany(journal, 30)
    journal.close()
    const again = open({ afterSequence: 12 })
    replay(again)
    again.release(30)
    expect(files()).toEqual([])
    again.close()
  })

  it('rotate costs no file until there is a frame for it', () => {
    const journal = open()
    journal.rotate()
    appendMany(journal, 1)
    journal.rotate()
    journal.rotate()
    expect(files()).toHaveLength(1)
    appendMany(journal, 1)
    expect(files()).toEqual(['000000000001.journal', '000000000002.journal'])
    journal.close()
    expectFrames(read(), 1, 2)
  })

  it('names every descriptor that a sync must reach, until it has', () => {
    const journal = open()
    expect(journal.fds()).toEqual([])
    expect(journal.fd).toBe(-1)
    appendMany(journal, 2)
    const first = journal.fd
    journal.rotate()
    appendMany(journal, 1)
    const second = journal.fd
    expect(journal.fds().slice(0, 2)).toEqual([first, second])
    expect(journal.fds()).toHaveLength(3)
    journal.synced(2)
    expect(journal.fds()).toHaveLength(2)
    journal.synced(3)
    expect(journal.unsyncedBytes).toBe(0)
    expect(journal.fds()).toEqual([second])
    appendMany(journal, 1)
    expect(journal.unsyncedBytes).toBeGreaterThan(0)
    journal.sync()
    expect(journal.unsyncedBytes).toBe(0)
    journal.close()
    // What a killed process appended may still be in the page cache only.
    const again = open()
    replay(again)
    expect(again.fds().length).toBeGreaterThanOrEqual(2)
    again.close()
  })

  it('after a failed sync refuses everything', () => {
    const journal = open()
    appendMany(journal, 1)
    journal.fail()
    expect(() => appendMany(journal, 1)).toThrow(expect.objectContaining({ code: 'EIO' }))
    expect(() => journal.sync()).toThrow(expect.objectContaining({ code: 'EIO' }))
    journal.close()
    expectFrames(read(), 1, 1)
  })
})

/** What a random history does. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('tear' as const), bytes: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), back: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), back: fc.nat(4) }) },
)

describe('against a model', () => {
  it('holds exactly the frames that were appended, whatever came in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.integer({ min: 150, max: 600 }), (steps, segmentBytes) => {
        rmSync(dir, { recursive: true, force: true })
        let after = 0
        let generation = 0
        const model = new Map<number, string>()
        let boot = 1
        let journal = open({ segmentBytes, bootId: `boot ${boot}` })
        const reopen = (): void => {
          journal.close()
          journal = open({ segmentBytes, afterSequence: after, bootId: `boot ${boot}` })
          const { frames, report } = replay(journal)
          expect([...frames]).toEqual([...model].filter(([sequence]) => sequence > after))
          expect(report.damaged && report.sameBoot).toBe(false)
        }
        for (const s of steps) {
          const last = journal.lastSequence
          if (s.kind === 'append') {
            for (let i = 1; i <= s.count; i++) model.set(last + i, payload(last + i, ++generation).toString())
            for (let i = 1; i <= s.count; i++) append(journal, Buffer.from(model.get(last + i) ?? ''))
          } else if (s.kind === 'rotate') journal.rotate()
          else if (s.kind === 'reopen') reopen()
          else if (s.kind === 'truncate') {
            const to = Math.max(after, last - s.back)
            journal.truncateAfter(to)
            for (let i = to + 1; i <= last; i++) model.delete(i)
          } else if (s.kind === 'release') {
            after = Math.max(after, last - s.back)
            journal.release(after)
          } else if (model.has(last) && last > after) {
            // The end of the last file is lost, as by a power failure.
            journal.close()
            const path = join(
              dir,
              files()
                .filter(name => Number(name.slice(0, 12)) <= last)
                .at(-1) ?? '',
            )
            truncateSync(path, Math.max(JOURNAL_HEADER_BYTES, endOf(path) - s.bytes))
            journal = open({ segmentBytes, afterSequence: after, bootId: `boot ${++boot}` })
            const { frames, report } = replay(journal)
            for (let i = report.lastSequence + 1; i <= last; i++) model.delete(i)
            // What is torn off may be frames that were superseded, and is never more than three.
            expect(report.lastSequence).toBeGreaterThanOrEqual(last - 3)
            expect([...frames]).toEqual([...model].filter(([sequence]) => sequence > after))
          }
        }
        reopen()
        journal.close()
      }),
      { numRuns: 150 },
    )
  })
})

/** Where the zeros begin that were written ahead. */
function endOf(path: string): number {
  const bytes = readFileSync(path)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

describe('a crash in the middle', () => {
  const CRASH = new Error('crash')
  const crashAt = (wanted: CrashPoint): void => {
    onCrashPoint(point => {
      if (point === wanted) throw CRASH
    })
  }

  for (const point of crashPoints.filter(name => name.startsWith('journal.'))) {
    it(`at ${point} keeps every frame whose append returned`, () => {
      const journal = open({ segmentBytes: 300 })
      appendMany(journal, 4)
      crashAt(point)
      let returned = 4
      let released = 0
      expect(() => {
        for (let i = 0; i < 20; i++) {
          appendMany(journal, 1)
          returned++
          journal.sync()
        }
        released = 10
        journal.release(10)
      }).toThrow(CRASH)
      onCrashPoint(undefined)
      const again = open({ segmentBytes: 300, afterSequence: released })
      const found = replay(again)
      expect(found.report.lastSequence).toBeGreaterThanOrEqual(returned)
      expect(found.report.lastSequence).toBeLessThanOrEqual(returned + 1)
      expectFrames(found, released + 1, found.report.lastSequence)
      appendMany(again, 3)
      again.close()
      expectFrames(read({ afterSequence: released }), released + 1, found.report.lastSequence + 3)
    })
  }

  it('of the process by SIGKILL leaves no half frame that counts', () => {
    const dist = join(import.meta.dirname, '../../dist')
    const program = `
      import { Journal } from ${JSON.stringify(join(dist, 'journal/index.js'))}
      const journal = Journal.open(${JSON.stringify(dir)}, { volume: Buffer.from('0123456789abcdef', 'hex'), afterSequence: 0, random: { bytes: n => Buffer.alloc(n, 5) }, bootId: 'boot 1' })
      for (let i = 1; i < 100; i++) { const b = Buffer.concat([Buffer.alloc(16), Buffer.from('payload ' + i)]); journal.append(b, b.length - 16) }`
    const run = (): void => {
      execFileSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, CAIRN_TEST_CRASH: 'journal.append.torn-write*42' } })
    }
    expect(run).toThrow(expect.objectContaining({ signal: 'SIGKILL' }))
    const { frames, report } = read()
    expect(report).toMatchObject({ frames: 41, cut: true, damaged: false, sameBoot: true })
    expect(frames.get(41)).toBe('payload 41')
  })
})

const canMount = process.getuid?.() === 0 && process.platform === 'linux'

describe.skipIf(!canMount)('a full disk', () => {
  beforeEach(() => {
    mkdirSync(dir)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', dir])
  })
  afterEach(() => {
    execFileSync('umount', [dir])
  })

  it('gives ENOSPC, keeps what was acknowledged, and works again with room', () => {
    const journal = open({ segmentBytes: 100_000 })
    const sizes = new Map<number, number>()
    const fill = (): void => {
      for (let i = 0; ; i++) {
        const size = 1000 + ((i * 7919) % 30_000)
        const sequence =
          i % 2 === 0 ? append(journal, Buffer.alloc(size, i)) : journal.appendParts(Buffer.alloc(FRAME_HEADROOM + 10, i), 10, [Buffer.alloc(size - 10, i)])
        sizes.set(sequence, size)
      }
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    const full = journal.lastSequence
    expect(full).toBeGreaterThan(10)
    expect(fill).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    const last = journal.lastSequence
    const check = (after: number, to: number): void => {
      const found = read({ afterSequence: after })
      expect(found.report.lastSequence).toBe(to)
      for (const [sequence, text] of found.frames) expect(text.length).toBe(sizes.get(sequence) ?? 3)
    }
    check(0, last)
    const middle = Math.floor(last / 2)
    journal.release(middle)
    while (statSync(dir).isDirectory() && journal.lastSequence < last + 3) append(journal, Buffer.from('new'))
    journal.sync()
    journal.close()
    check(middle, last + 3)
  })
})
