import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../node/index.js'
import type { Clock } from '../../sys/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'

const names = ['a', 'b', 'c']
const hourMs = 3600_000
let home: string
let engine: Engine
let volume: Volume
let fs: VolumeFs
let nowMs = 1_700_000_000_000
let size = 0
const clock: Clock = { now: () => (nowMs += 0.01), monotonic: () => nowMs }

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-pruner-'))
  engine = Engine.open({ home, clock })
  engine.create('w')
  volume = engine.openVolume('w')
  fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  size = 0
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function listed(name: string): string[] {
  return volume.versions.list(name).map(version => `${version.number} ${version.ended} ${version.size}`)
}

/** What must not change of each name's versions but that there are fewer. */
function prune(options: { keep?: number }): void {
  const before = new Map(names.map(name => [name, listed(name)]))
  volume.versions.prune(options)
  for (const name of names) for (const version of listed(name)) expect(before.get(name), `a version of ${name}`).toContain(version)
}

/** `w a`: a write; `l a b`, `r a b`: a link, a rename; `u a`: unlinked; `h n`: n hours go by; `p n`: pruned to n, without it by age. */
function play(steps: string): void {
  for (const step of steps.split(', ')) {
    const [op, name = '', to] = step.split(' ')
    if (op === 'w') fs.writeFileSync(`/${name}`, 'x'.repeat(++size))
    else if (op === 'l') fs.linkSync(`/${name}`, `/${to}`)
    else if (op === 'r') fs.renameSync(`/${name}`, `/${to}`)
    else if (op === 'u') fs.unlinkSync(`/${name}`)
    else if (op === 'h') nowMs += Number(name) * hourMs
    else if (op === 'p') prune(name === '' ? {} : { keep: Number(name) })
  }
}

describe('pruning keeps the numbers of what stays', () => {
  it.each([
    ['a link', 'w a, l a c, w a, p 0, w a', { a: ['2 modified 2', '3 current 3'], c: ['2 modified 2', '3 current 3'] }],
    ['a link and fewer kept', 'w a, w a, l a c, w a, w c, p 1', { a: ['3 modified 3', '4 current 4'], c: ['3 modified 3', '4 current 4'] }],
    ['a rename', 'w a, w a, r a b, w b, w b, w a, p 1', { a: ['3 current 5'], b: ['3 modified 3', '4 current 4'] }],
    ['a rename and none kept', 'w a, w a, r a b, w b, w b, w a, p 0', { a: ['3 current 5'], b: ['4 current 4'] }],
    ['a rename there and back', 'w a, w a, r a b, w b, r b a, w a, w a, p 1', {}],
    ['a rename over a file', 'w a, w a, w b, w b, r a b, w b, w b, p 1', {}],
    ['a rename of a linked file over another', 'w a, w a, l a c, w b, w b, r a b, w b, w b, p 1', {}],
    ['names that go', 'w a, w a, l a c, w a, u a, w c, w a, p 1', { a: ['4 current 5'], c: ['3 modified 3', '4 current 4'] }],
    ['one pruning after the other', 'w a, w a, l a c, w a, w a, p 1, w a, w a, p 1, w c, u a, w a, p 0, w a, u c, p 0', { a: ['9 current 9'] }],
    ['saving by rename, hours apart', 'w a, h 2, w t, r t a, w t, r t a, h 2, w t, r t a, w t, r t a, w t, r t a, h 30, p, w a, p', {}],
    ['hours apart', 'w a, h 2, w a, w a, w a, h 1, l a b, w a, w b, h 30, p, w a, u a, h 3, p, w b, h 900, p', { b: ['8 current 8'] }],
  ])('%s', (_, steps, expected) => {
    play(steps)
    for (const [name, versions] of Object.entries(expected)) expect(listed(name), name).toEqual(versions)
    expect(volume.fsck().findings).toEqual([])
  })
  it('forgets what it knows of names once they mean something else for good', () => {
    play('w a, w a, l a c, w a, p 0, u a, w c, p 0, w c, p 0')
    const { ino } = fs.statSync('/c')
    expect(listed('c')).toEqual(['5 current 5'])
    expect(volume.versions.past().prunedStates(ino, 0, Number.MAX_SAFE_INTEGER)).toEqual([])
  })
})
