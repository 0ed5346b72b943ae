import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cairn } from './cairn.js'

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-options-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

it('refuses a mode and a durability that there are not, rather than take the default', async () => {
  const cairn = await Cairn.open({ home, via: 'process' })
  await cairn.createVolume({ name: 'w' })
  await expect(cairn.open('w', { mode: 'read-only' as 'readonly' })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_VALUE',
    message: "There is no mode 'read-only'.",
    remedy: "Give 'readonly' or 'readwrite'.",
  })
  await expect(cairn.open('w', { durability: 'Remote' as 'remote' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  await expect(cairn.mount({ name: 'w', path: join(home, 'm'), durability: 'Remote' as 'remote' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  await expect(Cairn.open({ home, durability: 'Remote' as 'remote' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  await (await cairn.open('w', { mode: 'readwrite', durability: 'local' })).close()
  await cairn.close()
})
