import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { Cairn } from '../src/sdk/cairn.js'
import { PINS_PREFIX } from '../src/store/pins.js'
import { type CrashPoint, onCrashPoint } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { allKeys } from '../src/volume/names.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-forks-'))
  engine = Engine.open({ home })
  engine.create('w')
})

afterEach(() => {
  onCrashPoint(undefined)
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

const fsOf = (name: string): ReturnType<typeof createFs> => createFs(new LocalBackend(new LocalOps(new FileSystem(engine.openVolume(name).session))))
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${i}`)
const heads = (): number => allKeys(engine.dev.context.store, 'volumes/').length

function fullDiskAt(points: readonly CrashPoint[]): void {
  onCrashPoint(point => {
    if (points.includes(point)) throw Object.assign(new Error(`ENOSPC at ${point}`), { code: 'ENOSPC', errno: -28, syscall: 'write' })
  })
}

describe('forks made together', () => {
  it('have one pin, numbers and content of their own, and the same base', () => {
    fsOf('w').writeFileSync('/a', 'a')
    const made = engine.forkAll('w', undefined, names(70))
    expect(made.map(({ name }) => name)).toEqual(names(70))
    expect(new Set(made.map(({ parent }) => parent?.commit)).size).toBe(1)
    expect(allKeys(engine.dev.context.store, PINS_PREFIX)).toHaveLength(1)
    const inodes = new Set<number>()
    for (const { name } of made) {
      fsOf(name).writeFileSync('/a', name)
      fsOf(name).writeFileSync('/new', '')
      inodes.add(fsOf(name).statSync('/new').ino)
    }
    expect(inodes.size).toBe(70)
    for (const { name } of made) expect(fsOf(name).readFileSync('/a', 'utf8')).toBe(name)
    expect(fsOf('w').readFileSync('/a', 'utf8')).toBe('a')
  })

  it('are all there or none: a name that is taken, before or meanwhile, or twice', () => {
    engine.create('f2')
    const before = heads()
    expect(() => engine.forkAll('w', undefined, names(4))).toThrow(
      expect.objectContaining({ code: 'ERR_VOLUME_EXISTS', message: expect.stringContaining("'f2'") }),
    )
    expect(() => engine.forkAll('w', undefined, ['x', 'y', 'x'])).toThrow(expect.objectContaining({ code: 'ERR_VOLUME_EXISTS' }))
    onCrashPoint(point => {
      if (point !== 'volume.fork.pending') return
      onCrashPoint(undefined)
      engine.create('g1')
    })
    expect(() => engine.forkAll('w', undefined, ['g0', 'g1', 'g2'])).toThrow(
      expect.objectContaining({ code: 'ERR_VOLUME_EXISTS', message: expect.stringContaining("'g1'") }),
    )
    expect(heads()).toBe(before + 1)
    expect(engine.volumes().map(({ name }) => name)).toEqual(['f2', 'g1', 'w'])
  })

  it.each<CrashPoint>(['store.put.before-temporary', 'store.put.after-temporary', 'store.put.after-rename'])('none when the disk refuses at %s', point => {
    engine.openVolume('w').flush()
    engine.fork('w', undefined, 'first')
    const before = heads()
    fullDiskAt([point])
    expect(() => engine.forkAll('w', undefined, names(20))).toThrow('ENOSPC')
    onCrashPoint(undefined)
    expect(heads()).toBe(before)
    expect(engine.volumes().map(({ name }) => name)).toEqual(['first', 'w'])
    expect(engine.forkAll('w', undefined, names(20))).toHaveLength(20)
  })

  it('cost one seal: the commit that they begin with is sealed with the changes before it', async () => {
    const own = mkdtempSync(join(tmpdir(), 'cairn-forks-'))
    const cairn = await Cairn.open({ home: own, via: 'process' })
    try {
      const { name } = await cairn.ensureVolume({ name: 'v' })
      const volume = await cairn.open(name)
      await volume.fs.promises.writeFile('/a', 'a')
      let seals = 0
      onCrashPoint(point => {
        if (point === 'seal.before-head') seals++
      })
      await cairn.fork(name, undefined, 'f')
      expect(seals).toBe(1)
      await cairn.forkAll(name, undefined, names(3))
      expect(seals).toBe(1)
      await volume.close()
    } finally {
      await cairn.close()
      rmSync(own, { recursive: true, force: true })
    }
  })
})

describe('a fork of an older state', () => {
  const checkpoints = (name: string): Array<string | undefined> =>
    engine
      .openVolume(name)
      .commits({ checkpointsOnly: true })
      .map(commit => commit.name)

  it('opens for the first time on a full disk, and hides what came later, to its own forks too', () => {
    for (const name of ['one', 'two']) {
      fsOf('w').writeFileSync('/a', name)
      engine.openVolume('w').checkpoint(name)
    }
    engine.fork('w', 'one', 'f')
    fullDiskAt(['journal.append.before-write', 'store.put.before-temporary', 'pack.write.before'])
    expect(fsOf('f').readFileSync('/a', 'utf8')).toBe('one')
    expect(checkpoints('f')).toEqual(['one'])
    onCrashPoint(undefined)
    engine.fork('f', undefined, 'child')
    engine.fork('child', undefined, 'grandchild')
    engine.crash()
    engine = Engine.open({ home })
    for (const name of ['f', 'child', 'grandchild']) expect(checkpoints(name)).toEqual(['one'])
    expect(checkpoints('w')).toEqual(['two', 'one'])
  })
})
