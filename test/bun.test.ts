import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from './support/mounted-home.js'

/** Bun, where there is one: on the path, or where CAIRN_TEST_BUN says. */
const bun = process.env['CAIRN_TEST_BUN'] ?? 'bun'
const version = spawnSync(bun, ['--version'], { encoding: 'utf8' })
const isHere = version.status === 0
const dist = fileURLToPath(new URL('../dist/index.js', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-bun-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!isHere)(`a program of Bun${isHere ? ` ${version.stdout.trim()}` : ' (skipped: there is none here)'}`, () => {
  it.each([
    ['the store of the home', '{}'],
    ['a folder that hosts share', `{ store: 'file://' + folder + '/shared' }`],
  ])('has a volume in %s, and its files as Bun.file', async (_, place) => {
    const program = `
      import { Cairn } from ${JSON.stringify(dist)}
      const folder = ${JSON.stringify(folder)}
      const cairn = await Cairn.open({ home: folder + '/home', via: 'process' })
      await cairn.ensureVolume({ name: 'w', ...${place} })
      const volume = await cairn.open('w')
      const { promises: fs } = volume.fs
      await fs.mkdir('/d')
      await fs.writeFile('/d/file.json', JSON.stringify({ text: 'x'.repeat(200_000) }))
      await volume.checkpoint('first')
      await volume.flush()
      const copy = await volume.materialize('/d/file.json')
      const file = await copy.blob({ type: 'application/json' })
      const isBuns = file.name === copy.path && file.constructor === Bun.file(copy.path).constructor
      const { text } = await file.json()
      const part = Buffer.from(await file.slice(1, 7).arrayBuffer()).toString()
      const { size } = file
      await copy.release()
      await volume.close()
      await cairn.close()
      console.log(JSON.stringify({ isBuns, size, length: text.length, part, type: file.type.split(';')[0] }))`
    writeFileSync(join(folder, 'program.mjs'), program)
    const { code, output } = await run(bun, [join(folder, 'program.mjs')])
    expect(code, output).toBe(0)
    expect(JSON.parse(output)).toEqual({ isBuns: true, size: 200_011, length: 200_000, part: '"text"', type: 'application/json' })
  })
})
