import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from './support/mounted-home.js'

const checkout = fileURLToPath(new URL('..', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-package-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a program says that imports the package by its name. */
async function said(program: string): Promise<unknown> {
  const args = ['--input-type=module', '-e', `const folder = ${JSON.stringify(folder)}\n${program}`]
  const { code, output } = await run(process.execPath, args, { cwd: checkout, env: { ...process.env, CAIRN_IDLE_MS: '1000' } })
  expect(code, output).toBe(0)
  return JSON.parse(output)
}

describe('the package, as programs import it', () => {
  it('has all of its threads and processes, and errors of one class', async () => {
    const program = `
      import { Cairn, CairnError } from 'cairnfs'
      const cairn = await Cairn.open({ home: folder + '/home', via: 'process' })
      await cairn.ensureVolume({ name: 'w', store: 'file://' + folder + '/shared' })
      const volume = await cairn.open('w')
      await volume.fs.promises.writeFile('/f', 'text')
      volume.fs.writeFileSync('/g', 'more')
      await volume.checkpoint('first')
      await volume.flush()
      const { ok } = await cairn.fsck('w')
      await cairn.gc({ store: 'w' })
      const error = await cairn.open('nobody').catch(error => error)
      const isOurs = error instanceof CairnError
      await volume.close()
      await cairn.close()
      const other = await Cairn.open({ home: folder + '/home', via: 'server' })
      const served = await other.open('w')
      const text = served.fs.readFileSync('/f', 'utf8')
      await served.close()
      const { server } = await other.status()
      await other.close()
      process.kill(server.supervisorPid, 'SIGKILL')
      process.kill(server.pid, 'SIGKILL')
      console.log(JSON.stringify({ ok, code: error.code, isOurs, text, running: server.running }))`
    expect(await said(program)).toEqual({ ok: true, code: 'ERR_VOLUME_UNKNOWN', isOurs: true, text: 'text', running: true })
  })

  it('tries out a store of somebody else', async () => {
    const program = `
      import { CairnError } from 'cairnfs'
      import { storeCases } from 'cairnfs/testing'
      const failed = await Promise.allSettled(storeCases.map(({ run }) => run({ store: { get: async () => { throw new CairnError('ERR_STORE_ACCESS', 'x', 'y') } }, again: () => ({}) })))
      console.log(JSON.stringify(failed.every(({ status }) => status === 'rejected')))`
    expect(await said(program)).toBe(true)
  })
})
