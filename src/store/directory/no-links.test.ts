import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { posixError } from '../../errors.js'
import { storeCases } from '../../testing/store-suite.js'
import { DirectoryStore } from './directory-store.js'

/** As on exFAT and some network filesystems. */
vi.mock('node:fs', async original => ({
  ...(await original<typeof import('node:fs')>()),
  linkSync: (from: string, to: string) => {
    refusals++
    throw posixError(1, 'link', from, to)
  },
}))

let refusals = 0

for (const { name, run } of storeCases.filter(c => c.name.startsWith('ifAbsent') || c.name.startsWith('ifMatch'))) {
  it(`without links, ${name}`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'cairn-store-'))
    const opened = [new DirectoryStore(root, '')]
    const again = (): DirectoryStore => {
      opened.push(new DirectoryStore(root, ''))
      return opened[opened.length - 1]
    }
    await run({ store: opened[0], again })
    for (const store of opened) store.closeSync()
    rmSync(root, { recursive: true })
    if (name.startsWith('ifAbsent')) expect(refusals).toBeGreaterThan(20)
  })
}
