import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ENFILE, ESTALE } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import { limits } from '../sys/index.js'
import { Engine } from '../volume/engine.js'
import type { Volume } from '../volume/volume.js'
import { View } from './numbers.js'
import { Views, type ViewsOptions } from './views.js'

describe('numbers of views', () => {
  let home: string
  let engine: Engine
  let volume: Volume

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-views-'))
    engine = Engine.open({ home })
    engine.create('v')
    volume = engine.openVolume('v')
  })

  afterEach(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  function views(options: Partial<ViewsOptions> = {}): Views {
    return new Views({ volume, mountId: 7, rootIno: 1, sub: '/', resumed: false, isHeld: () => false, letGo: () => undefined, ...options })
  }

  function commit(text = ''): string {
    const fs = new FileSystem(volume.session)
    const ino = fs.find(1, 'file') > 0 ? fs.find(1, 'file') : fs.mknod(1, 'file', 0o100644, 0)
    fs.write(ino, 0, Buffer.from(text), 0, text.length)
    return volume.checkpoint().id
  }

  it('are the same for one name of one commit, and differ for another name and another commit', () => {
    const [one, two] = [commit('1'), commit('2')]
    const v = views()
    const number = v.enter('at/~0', two)
    expect(number).toBe(View.firstCommit)
    expect(v.enter('at/~0', two)).toBe(number)
    expect(v.enter('checkpoints/x', two)).toBe(number + 1)
    expect(v.enter('at/~0', one)).toBe(number + 2)
    expect(v.get(number)).toBe(v.get(number + 1))
    expect(v.get(number + 3)).toBeUndefined()
    expect(v.enter('at/x', '0'.repeat(26))).toBe(-ESTALE)
  })

  it('are given again when the kernel forgot the root, those used longest ago first, and never before', () => {
    const id = commit()
    const v = views()
    const held = v.enter('at/held', id)
    for (let i = 0; i < limits.idleViews; i++) v.forgotten(v.enter(`at/${i}`, id), 1, 1)
    const first = v.enter('at/0', id)
    expect(first).toBe(held + 1)
    v.forgotten(first, 5, 1)
    v.forgotten(first, 1, 1)
    const next = v.enter('at/next', id)
    expect(next).toBe(held + 2)
    expect(v.enter('at/held', id)).toBe(held)
    expect(v.enter('at/0', id)).toBe(first)
  })

  it('are taken up by the next server, which asks the kernel before it gives them away', () => {
    const id = commit()
    const before = views()
    const numbers = Array.from({ length: limits.idleViews }, (_, i) => before.enter(`at/${i}`, id))
    const asked: number[] = []
    const after = views({
      resumed: true,
      isHeld: (view, ino) => {
        asked.push(view)
        return view === numbers[0] && ino === 1
      },
    })
    expect(after.get(numbers[0])?.getattr(1)).toBe(0)
    expect(after.enter('at/1', id)).toBe(numbers[1])
    after.forgotten(numbers[2], 1, 1)
    after.forgotten(numbers[1], 1, 2)
    for (let i = 0; i < limits.idleViews; i++) after.forgotten(after.enter(`at/new${i}`, id), 1, 1)
    expect(asked).toContain(numbers[0])
    expect(asked).not.toContain(numbers[2])
    expect(after.enter('at/0', id)).toBe(numbers[0])
  })

  it('leave nothing behind, also of a mount that ended without a word', () => {
    const id = commit()
    const number = views().enter('at/a', id)
    expect(views({ mountId: 8, resumed: true }).get(number)).toBeUndefined()
    const v = views({ mountId: 9 })
    expect(v.enter('at/b', id)).toBe(number)
    v.end()
    expect(views({ mountId: 9, resumed: true }).get(number)).toBeUndefined()
  })

  it('run out, after the kernel was asked to let go', () => {
    const id = commit()
    const asked = new Set<string>()
    const v = views({
      letGo: names => {
        for (const name of names) asked.add(name)
      },
    })
    const all = View.last - View.firstCommit + 1
    for (let i = 0; i < all; i++) expect(v.enter(`at/${i}`, id)).toBeLessThanOrEqual(View.last)
    expect(v.enter('at/more', id)).toBe(-ENFILE)
    expect(asked.has('at/0')).toBe(true)
    v.forgotten(View.firstCommit + 5, 1, 1)
    expect(v.enter('at/more', id)).toBe(View.firstCommit + 5)
  })
})
