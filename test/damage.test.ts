import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CairnError } from '../src/errors.js'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../src/node/index.js'
import type { FsckReport } from '../src/volume/api.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { MountedHome } from './support/mounted-home.js'
import { seeded } from './support/seeded.js'

/** More rounds look longer: CAIRN_DAMAGE_ROUNDS=5000. */
const ROUNDS = Number(process.env['CAIRN_DAMAGE_ROUNDS'] ?? 120)
const SEED = Number(process.env['CAIRN_DAMAGE_SEED'] ?? 1)

let folder: string
let whole: string
let bad: string
/** Ids of the volumes by name. */
const ids = new Map<string, string>()
const expected = new Map<string, Map<string, Buffer>>()

const fsOf = (volume: Volume): VolumeFs => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

function bytesOf(i: number): Buffer {
  const sizes = [0, 40, 1500, 5000, 70_000, 140_000]
  const bytes = Buffer.alloc(sizes[i % sizes.length])
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7 + (at >> 8) + i) & 255
  return bytes
}

function addFiles(name: string, fs: VolumeFs, from: number, to: number): void {
  const files = expected.get(name) ?? new Map<string, Buffer>()
  expected.set(name, files)
  for (let i = from; i < to; i++) {
    if (i % 10 === 0) fs.mkdirSync(`/d${i}`)
    const path = `/d${i - (i % 10)}/f${i}`
    fs.writeFileSync(path, bytesOf(i))
    files.set(path, bytesOf(i))
  }
}

/** Two volumes, sealed in part, the rest in journal and spool as a kill leaves it; a fork and a checkpoint. */
function makeHome(home: string): void {
  const engine = Engine.open({ home })
  for (const name of ['w', 'other']) {
    ids.set(name, engine.create(name).id)
    const volume = engine.openVolume(name)
    addFiles(name, fsOf(volume), 0, 30)
    volume.checkpoint('point')
    if (name === 'w') ids.set('fork', engine.fork('w', undefined, 'fork').id)
    addFiles(name, fsOf(volume), 30, 50)
  }
  engine.crash()
  expected.set('fork', new Map([...(expected.get('w') ?? [])].filter(([path]) => Number(path.split('f')[1]) < 30)))
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-damage-'))
  whole = join(folder, 'whole')
  bad = join(folder, 'bad')
  makeHome(whole)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && statSync(join(entry.parentPath, entry.name)).size > 0)
    .map(entry => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()
}

/** A failure that may be shown to a user: damage by name, or a POSIX error. Anything else is a fault of ours. */
function isClear(error: unknown): boolean {
  if (error instanceof CairnError) return error.message.length > 0 && error.remedy.length > 0
  return (error as NodeJS.ErrnoException).code === 'EIO'
}

interface Seen {
  /** It could not be opened, or some of it not be read. */
  failed: boolean
  /** Files that are not there, or shorter: the end of a journal that was cut. */
  lost: number
}

/** Opens and reads all of a volume. Whatever can be read must be right. */
function readAll(engine: Engine, name: string): Seen {
  const seen: Seen = { failed: false, lost: 0 }
  const attempt = <T>(what: () => T): T | undefined => {
    try {
      return what()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        seen.lost++
        return undefined
      }
      if (!isClear(error)) throw error
      seen.failed = true
      return undefined
    }
  }
  const volume = attempt(() => engine.openVolume(name))
  if (volume === undefined) return { failed: true, lost: 0 }
  const fs = fsOf(volume)
  for (const [path, bytes] of expected.get(name) ?? []) {
    const found = attempt(() => fs.readFileSync(path))
    if (found === undefined) continue
    if (found.length < bytes.length) seen.lost++
    expect(found.equals(bytes.subarray(0, found.length)), `${name}:${path} differs`).toBe(true)
  }
  const damaged = attempt(() => volume.fsck())
  if (seen.failed) expect(damaged?.ok ?? false).toBe(false)
  if (damaged?.ok === true) expect(seen.failed).toBe(false)
  attempt(() => volume.close())
  return seen
}

type Kind = 'flip' | 'zeros' | 'garbage' | 'cut' | 'empty'
const kinds: readonly Kind[] = ['flip', 'flip', 'flip', 'zeros', 'garbage', 'cut', 'empty']

function damage(path: string, kind: Kind, next: (below: number) => number): void {
  const bytes = readFileSync(path)
  const at = next(bytes.length)
  if (kind === 'flip') bytes[at] ^= 1 << next(8)
  else if (kind === 'zeros') bytes.fill(0, at, Math.min(bytes.length, at + 1 + next(5000)))
  else if (kind === 'garbage') for (let i = at; i < Math.min(bytes.length, at + 100); i++) bytes[i] = next(256)
  writeFileSync(path, kind === 'cut' ? bytes.subarray(0, at) : kind === 'empty' ? Buffer.alloc(0) : bytes)
}

describe('damage in any file of a home', () => {
  it(`is an error that names it, never wrong data, and leaves other volumes alone (${ROUNDS} rounds)`, () => {
    const files = filesIn(whole)
    let failures = 0
    const wrong: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const next = seeded(SEED * 1_000_003 + round)
      rmSync(bad, { recursive: true, force: true })
      cpSync(whole, bad, { recursive: true })
      const file = files[next(files.length)]
      const kind = kinds[next(kinds.length)]
      damage(join(bad, file), kind, next)
      try {
        if (damagedRound(file, kind)) failures++
      } catch (error) {
        wrong.push(`round ${round}, ${kind} in ${file}: ${(error as Error).stack?.split('\n').slice(0, 6).join('\n')}`)
      }
    }
    expect(wrong).toEqual([])
    expect(failures).toBeGreaterThan(ROUNDS / 4)
  }, 900_000)

  function damagedRound(file: string, kind: Kind): boolean {
    let engine: Engine
    try {
      engine = Engine.open({ home: bad })
    } catch (error) {
      if (!isClear(error)) throw error
      return true
    }
    let failed = false
    try {
      const listed = engine.volumes().map(volume => volume.name)
      for (const name of ['w', 'other', 'fork']) {
        const seen = readAll(engine, name)
        failed ||= seen.failed || seen.lost > 0
        const own = file.includes(ids.get(name) ?? '') || (name === 'fork' && file.includes(ids.get('w') ?? '')) || file === `store/names/${name}`
        if (!own) expect({ name, ...seen, listed: listed.includes(name) }).toEqual({ name, failed: false, lost: 0, listed: true })
        // Only a journal that ends early looks like one that was never longer.
        if (seen.lost > 0 && !seen.failed)
          expect({ kind, file }).toEqual({ kind: expect.stringMatching(/cut|empty|zeros|flip|garbage/), file: expect.stringMatching(/\.journal$/) })
        if (seen.lost > 0 && !seen.failed && (kind === 'flip' || kind === 'garbage')) throw new Error(`${seen.lost} files are lost without a word`)
      }
    } finally {
      engine.crash()
    }
    return failed
  }
})

describe('the command line on a damaged home', () => {
  let home: MountedHome

  const onHome = async (file: (name: string) => boolean, change: (bytes: Buffer) => Buffer): Promise<void> => {
    home = new MountedHome()
    cpSync(whole, home.home, { recursive: true })
    const found = filesIn(home.home).filter(file)
    expect(found.length).toBeGreaterThan(0)
    for (const name of found) writeFileSync(join(home.home, name), change(readFileSync(join(home.home, name))))
  }

  const flipMiddle = (bytes: Buffer): Buffer => {
    bytes[bytes.length >> 1] ^= 0x10
    return bytes
  }

  /** One sentence that says what is wrong, exit 1, and no stack. */
  const expectTold = async (args: string[], what: RegExp): Promise<void> => {
    const { code, output } = await home.cairn(...args)
    expect({ args, code, output }).toEqual({ args, code: 1, output: expect.stringMatching(what) })
    expect(output).not.toMatch(/^ {4}at |unexpected/m)
  }

  const own = (name: string): string => ids.get('w') ?? name

  it.each([
    ['a pack', (file: string) => file.startsWith('store/packs/') && file.includes(own('w')), flipMiddle, ['fsck', 'w'], /packs\/.*damaged|checksum|packs\//],
    ['the head', (file: string) => file === `store/volumes/${own('w')}/head`, flipMiddle, ['ls', 'w:/'], /head is damaged/],
    ['a cut head', (file: string) => file === `store/volumes/${own('w')}/head`, (b: Buffer) => b.subarray(0, 50), ['ls', 'w:/'], /head is damaged/],
    ['the name', (file: string) => file === 'store/names/w', () => Buffer.from('{'), ['ls', 'w:/'], /names\/w is damaged/],
    ['the journal', (file: string) => file.includes(own('w')) && file.endsWith('.journal'), flipMiddle, ['ls', 'w:/'], /journal of volume .* is damaged/],
    ['store.json', (file: string) => file === 'store/store.json', () => Buffer.from('?'), ['ls', 'w:/'], /store\.json is damaged/],
    [
      'a store of a newer format',
      (file: string) => file === 'store/store.json',
      (b: Buffer) => Buffer.from(b.toString().replace(/"format":\s*1/, '"format":99')),
      ['ls', 'w:/'],
      /newer/,
    ],
    ['a home of a newer format', (file: string) => file === 'home.json', () => Buffer.from('{"format":99}'), ['volumes'], /made by a newer version of Cairn/],
  ])('%s', async (_, file, change, args, what) => {
    await onHome(file, change)
    try {
      await expectTold(args, what)
      if (!what.source.includes('newer') && !what.source.includes('store')) {
        // The other volume is there and works, in the list too.
        expect(await home.must('cat', 'other:/d0/f1')).toBe(bytesOf(1).toString())
        expect(await home.must('volumes')).toMatch(/^other /m)
        expect(await home.cairn('fsck', 'other')).toMatchObject({ code: 0 })
      }
    } finally {
      await home.end()
    }
  })

  it('a block, before mounting when that is asked for, in one sentence', async () => {
    const packs = filesIn(whole).filter(file => file.startsWith(`store/packs/${own('w')}`))
    const largest = packs.sort((a, b) => statSync(join(whole, b)).size - statSync(join(whole, a)).size)[0]
    await onHome(file => file === largest, flipMiddle)
    try {
      const told = /^cairn: The volume w is damaged: packs\/\S+ at \d+: its checksum does not match, and \d+ more\. Run `cairn fsck w` [^\n]*\n$/
      await expectTold(['mount', 'w', join(home.folder, 'mnt'), '--check-storage'], told)
      expect(existsSync(join(home.folder, 'mnt'))).toBe(false)
    } finally {
      await home.end()
    }
  })

  it('a page that what was written later needs: fsck tells that, and how far the damage goes', async () => {
    await onHome(file => file.startsWith('store/packs/') && file.includes(own('w')), flipMiddle)
    try {
      expect(await home.cairn('ls', 'w:/')).toMatchObject({ code: 1, output: expect.stringMatching(/is damaged/) })
      const { code, output } = await home.cairn('fsck', 'w', '--json')
      const { ok, findings, pages, inodes } = JSON.parse(output) as FsckReport
      expect([code, ok, pages > 0, inodes > 0]).toEqual([1, false, true, true])
      expect(findings[0]).toMatchObject({
        object: expect.stringMatching(/^packs\//),
        problem: expect.stringMatching(/^its checksum .*the volume from being opened$/),
      })
      const damaged = filesIn(home.home).filter(file => file.startsWith('store/packs/') && file.includes(own('w')))
      const named = new Set(findings.map(finding => /^packs\/[0-9a-f/-]+/.exec(finding.object)?.[0]))
      expect(damaged.filter(file => !named.has(file.slice('store/'.length)))).toEqual([])
    } finally {
      await home.end()
    }
  })

  it('has nothing to do with files that only help', async () => {
    await onHome(
      name => name.endsWith('lock'),
      () => Buffer.from('garbage'),
    )
    try {
      expect(existsSync(join(home.home, 'home.json'))).toBe(true)
      expect(await home.must('cat', 'w:/d0/f1')).toBe(bytesOf(1).toString())
    } finally {
      await home.end()
    }
  })
})
