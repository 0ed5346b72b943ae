import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PageMiss } from '../../errors.js'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../node/index.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import { Engine } from '../../volume/engine.js'
import type { FileState } from '../../volume/file-content.js'
import type { Volume } from '../../volume/volume.js'
import { TreeWalk, WALK_FIELDS, WalkField, type WalkOptions } from './tree-walk.js'

describe('a walk over names', () => {
  let home: string
  let engine: Engine
  let volume: Volume
  let fs: VolumeFs

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-walk-'))
    engine = Engine.open({ home })
    engine.create('w')
    volume = engine.openVolume('w')
    fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  })

  afterEach(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  function walkOf(options: WalkOptions = {}, state: FileState = volume.stateAt()): TreeWalk {
    return new TreeWalk(state, volume.session.dirHash, 1, options)
  }

  function shown(walk: TreeWalk, skip: (name: string) => boolean = () => false): string[] {
    const all: string[] = []
    let leave: number[] = []
    for (let page = walk.next(leave); page !== undefined; page = walk.next(leave)) {
      leave = []
      const names = Buffer.from(page.names).toString('utf8').split('\0')
      for (let at = 0; at * WALK_FIELDS < page.numbers.length; at++) {
        const name = `${'  '.repeat(page.numbers[at * WALK_FIELDS + WalkField.depth])}${names[at]}`
        all.push(name)
        if (skip(names[at])) leave.push(page.numbers[at * WALK_FIELDS + WalkField.ino])
      }
    }
    return all
  }

  it('shows a directory before what is in it, names in order, and ends where it was told to', () => {
    for (const path of ['/b', '/b/c', '/a-z', '/a']) fs.mkdirSync(path)
    for (const path of ['/b/c/deep', '/b/one', '/a/two', '/é']) fs.writeFileSync(path, '')
    expect(shown(walkOf())).toEqual(['', '  a', '    two', '  a-z', '  b', '    c', '      deep', '    one', '  é'])
    expect(shown(walkOf({ maxDepth: 1 }))).toEqual(['', '  a', '  a-z', '  b', '  é'])
    expect(shown(walkOf({ maxDepth: 0 }))).toEqual([''])
  })

  it('shows each name of a large directory once, in pages, and leaves out what it is told to', () => {
    fs.mkdirSync('/large')
    fs.mkdirSync('/small')
    const names = Array.from({ length: 3000 }, (_, i) => `f${i}`)
    fs.writeFileSync('/small/f', '')
    for (const name of names) fs.linkSync('/small/f', `/large/${name}`)
    expect(shown(walkOf())).toEqual(['', '  large', ...names.sort().map(name => `    ${name}`), '  small', '    f'])
    expect(shown(walkOf(), name => name === 'large').length).toBeLessThan(limits.diffPageChanges + 4)
    expect(shown(walkOf(), name => name === 'small')).toContain('    f2999')
  })

  it('goes on where a page was missing, and loses nothing', () => {
    fs.mkdirSync('/d')
    for (let i = 0; i < 700; i++) fs.writeFileSync(`/d/f${i}`, '')
    const whole = shown(walkOf())
    const state = volume.stateAt()
    let reads = 0
    const tree = new Proxy(state.tree, {
      get(target, property) {
        if (property === 'get' && ++reads % 50 === 0) throw new PageMiss(() => {})
        const value = Reflect.get(target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }) as BTree
    const walk = walkOf({}, { tree, content: state.content })
    const all: string[] = []
    for (let tries = 0; tries < 1000; tries++) {
      try {
        const page = walk.next()
        if (page === undefined) break
        all.push(...Buffer.from(page.names).toString('utf8').split('\0').slice(0, -1))
      } catch (error) {
        expect(error).toBeInstanceOf(PageMiss)
      }
    }
    expect(all).toEqual(whole.map(name => name.trim()))
    expect(reads).toBeGreaterThan(limits.diffPageChanges / 3)
  })
})
