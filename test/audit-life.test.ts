import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { AuditRecord } from '../src/sdk/types.js'

/** What becomes of a volume as a whole is in its own chain. */
describe('the audit chain tells', () => {
  let folder: string
  const opened: Cairn[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-audit-life-'))
  })
  afterEach(async () => {
    for (const cairn of opened.splice(0)) await cairn.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const host = async (name: string, reason?: string): Promise<Cairn> => {
    const cairn = await Cairn.open({ home: join(folder, name), via: 'process', actor: name, ...(reason === undefined ? {} : { reason }) })
    opened.push(cairn)
    return cairn
  }
  /** All but sessions, of which there are as many entries as they take time. */
  const kinds = async (cairn: Cairn, volume: string): Promise<AuditRecord[]> => {
    const found: AuditRecord[] = []
    for await (const entry of cairn.audit(volume)) if (!['begin', 'open', 'close'].includes(entry.kind)) found.unshift(entry)
    return found
  }
  const write = async (cairn: Cairn, volume: string, path: string, text: string): Promise<void> => {
    const open = await cairn.open(volume)
    await open.fs.promises.writeFile(path, text)
    await open.close()
  }

  it('of renaming, deleting and bringing back a volume, with actor and reason', async () => {
    const cairn = await host('ann', 'spring cleaning')
    await cairn.createVolume({ name: 'w' })
    await cairn.renameVolume('w', 'v')
    await cairn.renameVolume('v', 'v')
    await cairn.deleteVolume('v')
    await cairn.undeleteVolume('v')
    const by = { actor: 'ann', reason: 'spring cleaning' }
    expect(await kinds(cairn, 'v')).toMatchObject([
      { kind: 'rename', ...by, detail: { from: 'w', to: 'v' } },
      { kind: 'delete', ...by, detail: { name: 'v' } },
      { kind: 'undelete', ...by, detail: { name: 'v' } },
    ])
    expect(await cairn.verifyAudit('v')).toMatchObject({ ok: true })
  })

  it('of what was pruned, and of nothing when nothing was', async () => {
    const cairn = await host('ann')
    await cairn.createVolume({ name: 'w' })
    await cairn.prune('w', { keep: 1 })
    for (const text of ['one', 'two', 'three']) await write(cairn, 'w', '/f', text)
    await cairn.prune('w', { keep: 1, dryRun: true })
    const { dropped, bytes } = await cairn.prune('w', { keep: 1 })
    expect(dropped).toBeGreaterThan(0)
    expect(await kinds(cairn, 'w')).toMatchObject([{ kind: 'prune', detail: { versions: dropped, bytes } }])
  })

  it('of a host that takes a volume from another, and of what is recovered there', async () => {
    const [a, b] = [await host('a'), await host('b')]
    const store = `file://${join(folder, 'shared')}`
    await a.ensureVolume({ name: 'w', store })
    const lost = await a.open('w')
    await lost.fs.promises.writeFile('/a', 'a')
    await a.flush('w')
    await b.ensureVolume({ name: 'w', store })
    await b.takeLease('w', { steal: true, force: true })
    await write(b, 'w', '/b', 'b')
    await lost.fs.promises.writeFile('/lost', 'lost')
    await a.close()
    expect(await kinds(b, 'w')).toMatchObject([{ kind: 'take-over', actor: 'b', detail: { from: expect.stringContaining('process') } }])
    const again = await host('a', 'the laptop was asleep')
    const [made] = await again.recover('w')
    expect(made.name).toBe('w-recovered')
    expect(await kinds(again, made.name)).toMatchObject([{ kind: 'recover', actor: 'a', reason: 'the laptop was asleep', detail: { of: 'w' } }])
  })
})
