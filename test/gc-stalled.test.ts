import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { collected } from '../src/testing/collected.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-stalled-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
const HOUR = 3600 * 1000

/** Waits until the kernel says that it is stopped: the signal comes a moment after the line. */
async function isStopped(pid: number): Promise<void> {
  while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await new Promise(resolve => setImmediate(resolve))
}

describe('a writer that is stopped for hours in the middle of a seal', () => {
  it.each(['seal.before-pages', 'seal.before-sync', 'seal.before-head', 'seal.after-head', 'store.put.after-temporary'])(
    'at %s loses nothing to the collections meanwhile, and goes on',
    async point => {
      const before = Engine.open({ home })
      before.create('w')
      const old = before.openVolume('w')
      shape(old).writeFileSync('/old', Buffer.alloc(2_000_000, 'old '))
      before.fork('w', undefined, 'f')
      before.close()
      const child = spawn(process.execPath, [join(import.meta.dirname, 'programs/stalled-child.mjs'), home, point], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const ended = once(child, 'exit')
      try {
        expect((await lines.next()).value).toBe('stopped')
        await isStopped(child.pid ?? 0)
        const engine = Engine.open({ home })
        const later = { now: () => Date.now() + 48 * HOUR, monotonic: () => performance.now() }
        for (let i = 0; i < 3; i++) collected(engine, { clock: later })
        // Another volume of the store lives on meanwhile.
        const fork = engine.openVolume('f')
        shape(fork).writeFileSync('/by-fork', 'f')
        fork.close()
        for (let i = 0; i < 2; i++) collected(engine, { clock: later, thorough: true })
        engine.close()
      } finally {
        child.kill('SIGCONT')
      }
      expect((await lines.next()).value).toBe('done')
      expect((await ended)[0]).toBe(0)
      const after = Engine.open({ home })
      collected(after)
      const volume = after.openVolume('w')
      const fs = shape(volume)
      const names = ['first', 'last', ...Array.from({ length: 20 }, (_, i) => `later-${i}`)]
      expect(fs.readdirSync('/').sort()).toEqual(names.sort())
      for (let i = 0; i < 20; i++) expect(fs.readFileSync(`/later-${i}`).equals(Buffer.alloc(100_000, `later ${i} `))).toBe(true)
      expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
      const fork = after.openVolume('f')
      expect(shape(fork).readFileSync('/old').equals(Buffer.alloc(2_000_000, 'old '))).toBe(true)
      after.close()
    },
  )
})
