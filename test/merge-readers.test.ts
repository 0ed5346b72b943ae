import './support/without-syncs.js'
import { describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { type MergeResult, mergeFork, rebaseFork } from '../src/history/merge/merge.js'
import { mergeMethods } from '../src/server/merge-methods.js'
import { OpenVolumes } from '../src/server/open-volumes.js'
import type { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { publish, shape, useHosts } from './support/readers.js'

const shared = useHosts()
const { host } = shared

function attached(name: string, ...volumes: string[]): Engine {
  const engine = host(name)
  for (const volume of volumes) engine.attach(volume, shared.address)
  return engine
}

/** A volume that host a writes, with something published that is in no commit. */
async function written(): Promise<{ a: Engine; ws: Volume }> {
  const a = attached('a', 'ws')
  const ws = a.openVolume('ws')
  shape(ws).writeFileSync('/old', 'o')
  ws.checkpoint('named')
  shape(ws).writeFileSync('/text', 'one\n')
  await publish(a, ws)
  return { a, ws }
}

async function change(engine: Engine, volume: Volume, path: string, text: string): Promise<void> {
  shape(volume).writeFileSync(path, text)
  await publish(engine, volume)
}

const contents = (volume: Volume): Record<string, string> =>
  Object.fromEntries((shape(volume).readdirSync('/') as string[]).sort().map(name => [name, shape(volume).readFileSync(`/${name}`, 'utf8') as string]))

/** Merges as the command does: by the names of volumes. */
function methodsOf(engine: Engine): ReturnType<typeof mergeMethods> {
  const volumes = new OpenVolumes(engine, session => new FileSystem(session), 0)
  return mergeMethods(
    volumes,
    (name, work) =>
      volumes.use(name, open => {
        open.volume.flush()
        return work({ bytes: 0 }, open)
      }),
    (_, { prepare, change }) => change(prepare()),
  )
}

describe('a fork of what another host writes', () => {
  it('parted where it was made, also where that is no commit', async () => {
    const { a, ws } = await written()
    const b = attached('b', 'ws')
    const { parent } = b.fork('ws', undefined, 'fork')
    const fork = b.openVolume('fork')
    expect(fork.commits().map(({ id }) => id)).toEqual([parent?.commit, ws.history.resolve('named').id])
    shape(fork).writeFileSync('/by-b', 'b')
    fork.close()
    await change(a, ws, '/text', 'two\n')
    a.attach('fork', shared.address)
    const taken = a.openVolume('fork')
    expect(mergeFork(ws, taken)).toMatchObject({ state: 'merged', base: parent?.commit, conflicts: [], changes: [{ kind: 'created', path: '/by-b' }] })
    expect(contents(ws)).toEqual({ old: 'o', text: 'two\n', 'by-b': 'b' })
    expect(ws.fsck()).toMatchObject({ ok: true, findings: [] })
    expect(mergeFork(ws, taken)).toMatchObject({ state: 'unchanged' })
  })

  it('keeps that commit when nobody has opened it, when it is forked again, and when its writer is killed', async () => {
    await written()
    const b = attached('b', 'ws')
    const { parent } = b.fork('ws', undefined, 'fork')
    const c = attached('c', 'fork')
    const reader = c.openVolume('fork', { readOnly: true })
    expect(reader.commits()[0].id).toBe(parent?.commit)
    expect(c.fork('fork', undefined, 'again').parent?.commit).toBe(parent?.commit)
    const again = c.openVolume('again')
    shape(again).writeFileSync('/again', 'a')
    c.crash()
    const d = attached('d', 'fork', 'again', 'ws')
    const [fork, found] = [d.openVolume('fork'), attached('c').openVolume('again')]
    expect(found.commits().map(({ id }) => id)).toContain(parent?.commit)
    expect(contents(found)).toEqual({ old: 'o', text: 'one\n', again: 'a' })
    found.close()
    expect(mergeFork(fork, d.openVolume('again'))).toMatchObject({ base: parent?.commit, conflicts: [] })
    expect(fork.fsck()).toMatchObject({ ok: true, findings: [] })
  })
})

describe('a merge with what another host writes', () => {
  it('takes what is published, again and again, and what came over is no conflict later, in either direction', async () => {
    const { a, ws } = await written()
    const b = attached('b', 'ws')
    b.fork('ws', undefined, 'fork')
    const methods = methodsOf(b)
    const rebase = async (): Promise<MergeResult> => methods.rebase('', 'fork')
    shape(b.openVolume('fork')).writeFileSync('/by-b', 'b')
    for (const text of ['two\n', 'three\n']) {
      await change(a, ws, '/text', text)
      expect(await rebase()).toMatchObject({ state: 'merged', conflicts: [] })
      // There is nothing newer: no other commit is needed to stand for it.
      expect(await rebase()).toMatchObject({ state: 'unchanged' })
      const fork = b.openVolume('fork')
      expect(contents(fork)).toEqual({ old: 'o', text, 'by-b': 'b' })
      expect(fork.commits().filter(({ kind }) => kind === 'merge').length).toBe(text === 'two\n' ? 1 : 2)
      expect(fork.fsck()).toMatchObject({ ok: true, findings: [] })
      fork.close()
    }
    await change(a, ws, '/text', 'four\n')
    const fork = b.openVolume('fork')
    await publish(b, fork)
    // Now the other way round, while b writes the fork.
    a.attach('fork', shared.address)
    const reader = a.openVolume('fork', { readOnly: true })
    expect(mergeFork(ws, reader)).toMatchObject({ state: 'merged', conflicts: [] })
    expect(contents(ws)).toEqual({ old: 'o', text: 'four\n', 'by-b': 'b' })
    expect(ws.fsck()).toMatchObject({ ok: true, findings: [] })
    await change(b, fork, '/by-b', 'b again')
    a.refresh(reader)
    expect(rebaseFork(ws, reader)).toMatchObject({ state: 'merged', conflicts: [] })
    expect(contents(ws)).toEqual({ old: 'o', text: 'four\n', 'by-b': 'b again' })
  })

  it('is made by no writer that another one has overtaken', async () => {
    const { a, ws } = await written()
    const b = attached('b', 'ws')
    const c = attached('c', 'ws')
    // a does not know yet.
    await change(c, c.openVolume('ws', { force: true }), '/text', 'by c\n')
    b.fork('ws', undefined, 'fork')
    a.attach('fork', shared.address)
    expect(() => mergeFork(ws, a.openVolume('fork'))).toThrow(expect.objectContaining({ code: 'ERR_FENCED' }))
  })
})
