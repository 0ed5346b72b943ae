import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../node/index.js'
import { Engine } from './engine.js'

it('a commit that a request makes of what others changed does not count as the request', () => {
  const home = mkdtempSync(join(tmpdir(), 'cairn-tag-'))
  const engine = Engine.open({ home })
  try {
    engine.create('w')
    const volume = engine.openVolume('w')
    const { session } = volume
    createFs(new LocalBackend(new LocalOps(new FileSystem(session)))).writeFileSync('/a', 'a')
    session.actor = 'somebody else'
    session.tagRequest(1, 2, 3)
    session.tick()
    expect(volume.commits()).toHaveLength(1)
    expect(session.wasApplied(1, 2, 3)).toBe(false)
    session.put(Buffer.from('\x07x'), 2, Buffer.from('y'), 1)
    expect(session.commit()).toBe(0)
    expect(session.wasApplied(1, 2, 3)).toBe(true)
  } finally {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  }
})
