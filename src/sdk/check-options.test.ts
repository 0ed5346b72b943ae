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

it('refuses a mode, a durability and a time that there are not, rather than take the default', async () => {
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
  const volume = await cairn.open('w', { mode: 'readwrite', durability: 'local' })
  for (const timeoutMs of [Number.NaN, -1, '5s' as unknown as number])
    await expect(volume.flush({ timeoutMs })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', message: `There is no timeoutMs ${timeoutMs}.` })
  await volume.flush({ timeoutMs: 0 })
  await expect(volume.prefetch(undefined as unknown as string)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  await volume.close()
  await cairn.close()
})
