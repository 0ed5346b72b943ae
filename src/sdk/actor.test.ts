import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Cairn } from './cairn.js'

let home: string
let cairn: Cairn

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-actor-'))
  cairn = await Cairn.open({ home, via: 'process', actor: 'usual' })
  await cairn.createVolume({ name: 'v' })
})

afterEach(async () => {
  await cairn.close()
  rmSync(home, { recursive: true })
})

test('what is changed through a volume opened with an actor is that actor’s; else it is that of the connection', async () => {
  const [usual, other] = [await cairn.open('v'), await cairn.open('v', { actor: 'other' })]
  await usual.fs.promises.writeFile('/f', '1')
  await other.fs.promises.writeFile('/f', '2')
  await usual.fs.promises.writeFile('/f', '3')
  other.fs.writeFileSync('/f', '4')
  await other.transaction(async tx => tx.writeFile('/f', '5'))
  expect((await usual.versions('/f')).map(version => version.endedBy)).toEqual(['other', 'usual', 'other', 'other', undefined])
})

test('so are the steps of its history', async () => {
  const volume = await cairn.open('v', { actor: 'other' })
  await volume.fs.promises.writeFile('/f', '1')
  await volume.checkpoint('first')
  await volume.fs.promises.writeFile('/f', '2')
  await volume.restore({ ref: 'first' })
  await volume.undo()
  const actors: string[] = []
  for await (const { kind, actor } of volume.log()) actors.push(`${kind} ${actor}`)
  expect(actors).toEqual(['undo other', 'restore other', 'auto other', 'checkpoint other'])
})
