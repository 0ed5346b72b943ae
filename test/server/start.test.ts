import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cairnMounts } from '../../src/sdk/mount-table.js'
import { ensureServer, findServer } from '../../src/server/connect.js'
import { prepareHome } from '../../src/server/home.js'
import { PROTOCOL } from '../../src/server/version.js'
import { entry } from '../../src/sys/entry.js'
import { isAlive, killBoth, makeHome, openCairn, pidsOf, program, until } from './support.js'

const startAndTell = `const { ensureServer } = await dist('server/connect.js')
const client = await ensureServer(process.argv[1])
console.log('pid', (await client.hello()).pid)
client.close()`

describe('starting', () => {
  test('a server starts when it is needed and outlives who started it', async () => {
    const home = makeHome()
    const { code, output } = await program(startAndTell, [home.home]).ended
    expect([code, output.startsWith('pid ')]).toEqual([0, true])
    expect(isAlive(pidsOf(home).server)).toBe(true)
    const again = await findServer(home.home)
    expect((await again?.hello())?.['pid']).toBe(pidsOf(home).server)
    again?.close()
  })

  test('it logs no more than was asked for', async () => {
    const home = makeHome()
    ;(await ensureServer(home.home, { logLevel: 'warn' })).close()
    expect(home.log()).toBe('')
    process.kill(pidsOf(home).server, 'SIGKILL')
    await until(() => home.log().includes('ended unexpectedly'))
    expect(home.log()).not.toContain('serves')
  })

  test('many that start it at once find one server', async () => {
    const home = makeHome()
    const all = await Promise.all([1, 2, 3, 4].map(() => program(startAndTell, [home.home]).ended))
    expect(new Set(all.map(({ output }) => output))).toEqual(new Set([`pid ${pidsOf(home).server}\n`]))
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0])
  })

  test('a second supervisor says that another runs, and ends', async () => {
    const home = makeHome()
    ;(await ensureServer(home.home)).close()
    const { code, output } = await program(`process.argv.splice(1, 0, 'supervise')\nawait dist('server/supervise.js')`, [home.home]).ended
    expect([code, output]).toEqual([3, `Another server runs for ${home.home}.\n`])
  })

  test('one whose supervisor ended before it said what to serve ends, and holds no lock', async () => {
    const home = makeHome()
    prepareHome(home.home)
    const child = spawn(process.execPath, [entry('server/main'), home.home], { cwd: '/', stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    const ended = once(child, 'exit')
    child.stdio[3]?.destroy()
    expect(await ended).toEqual([null, 'SIGKILL'])
    ;(await ensureServer(home.home)).close()
  })

  test('without mounts, programs and requests it ends by itself, and leaves nothing', async () => {
    const home = makeHome()
    const { code } = await program(startAndTell, [home.home], { CAIRN_IDLE_MS: '500' }).ended
    expect(code).toBe(0)
    const log = join(home.home, 'run', 'server.log')
    await until(() => readFileSync(log, 'utf8').includes('ended'))
    await until(async () => (await findServer(home.home)) === undefined)
    await until(() => statSync(join(home.home, 'run', 'supervisor.json'), { throwIfNoEntry: false }) === undefined)
    expect(statSync(join(home.home, 'run', 'server.sock'), { throwIfNoEntry: false })).toBeUndefined()
  })

  test('it ends with its mounts when the home is deleted', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'a' })
    const path = join(home.home, '..', 'mounted-of-deleted')
    if (process.getuid?.() === 0) await cairn.mount({ name: 'a', path })
    const { server, supervisor } = pidsOf(home)
    rmSync(home.home, { recursive: true })
    await until(() => !isAlive(server) && !isAlive(supervisor))
    expect(cairnMounts().some(mount => mount.path === path)).toBe(false)
    expect(existsSync(home.home)).toBe(false)
    rmSync(path, { recursive: true, force: true })
  })

  test('status says when one that was killed is not there again yet, and opens nothing beside it', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'a' })
    const { server, supervisor } = pidsOf(home)
    process.kill(supervisor, 'SIGSTOP')
    try {
      process.kill(server, 'SIGKILL')
      await until(() => !isAlive(server))
      const { server: seen, volumes } = await (await openCairn(home)).status('a')
      expect(seen).toMatchObject({ running: false, restarting: true, supervisorPid: supervisor })
      expect(volumes).toMatchObject([{ name: 'a', servedBy: 'nobody' }])
    } finally {
      process.kill(supervisor, 'SIGCONT')
    }
    expect((await (await openCairn(home)).status()).server).toMatchObject({ running: true, supervisorPid: supervisor })
  })

  test('one that was killed is started again and knows its volumes', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'a' })
    const { server } = pidsOf(home)
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
    expect((await cairn.volumes()).map(volume => volume.name)).toEqual(['a'])
    expect(pidsOf(home).server).not.toBe(server)
  })

  test('one whose supervisor was killed goes on, and no second one comes beside it', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'a' })
    const { supervisor, server } = pidsOf(home)
    process.kill(supervisor, 'SIGKILL')
    await until(() => home.log().includes('the supervisor is gone'))
    expect((await cairn.volumes()).map(volume => volume.name)).toEqual(['a'])
    const { code } = await program(`process.argv.splice(1, 0, 'supervise')\nawait dist('server/supervise.js')`, [home.home]).ended
    expect(code).toBe(3)
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
    const later = await openCairn(home, 'server')
    expect((await later.volumes()).map(volume => volume.name)).toEqual(['a'])
  })

  test('when both were killed the next start is as the first', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'a' })
    await killBoth(home)
    const later = await openCairn(home, 'server')
    expect((await later.volumes()).map(volume => volume.name)).toEqual(['a'])
  })

  test('files are for their owner only', async () => {
    const home = makeHome()
    ;(await ensureServer(home.home)).close()
    const mode = (path: string): string => (statSync(join(home.home, path)).mode & 0o777).toString(8)
    expect([mode('.'), mode('run')]).toEqual(['700', '700'])
    for (const name of ['server.lock', 'server.sock', 'server.json', 'supervisor.json', 'server.log'])
      expect([name, mode(`run/${name}`)]).toEqual([name, '600'])
  })

  test('a long path of the home is no hindrance', async () => {
    const home = makeHome()
    home.home = join(home.home, 'x'.repeat(100), 'y'.repeat(100))
    const client = await ensureServer(home.home)
    expect(Buffer.byteLength(client.socketPath)).toBeLessThanOrEqual(100)
    expect((await client.hello())['pid']).toBe(pidsOf(home).server)
    client.close()
  })
})

describe('a start that fails says why', () => {
  test('a file where the home should be', async () => {
    const home = makeHome()
    writeFileSync(home.home, '')
    await expect(ensureServer(home.home)).rejects.toMatchObject({ code: 'ERR_HOME', remedy: expect.stringContaining('CAIRN_HOME') })
  })

  test('a home of a newer format', async () => {
    const home = makeHome()
    await (await openCairn(home, 'process')).createVolume({ name: 'a' })
    const format = ['format', 'format.json', 'home.json', 'version']
      .map(name => join(home.home, name))
      .find(path => statSync(path, { throwIfNoEntry: false }) !== undefined)
    expect(format).toBeDefined()
    const text = readFileSync(format ?? '', 'utf8')
    writeFileSync(format ?? '', text.replace(/\d+/, '999'))
    const local = await (await openCairn(home, 'process')).volumes().catch((error: unknown) => error)
    const served = await ensureServer(home.home).catch((error: unknown) => error)
    expect(local).toBeInstanceOf(Error)
    expect(served).toMatchObject({ code: (local as { code: string }).code, message: (local as Error).message })
  })
})

describe('a server of another version', () => {
  const pretend = async (home: string, hello: object): Promise<{ close: () => Promise<void>; stops: () => number }> => {
    prepareHome(home)
    let stops = 0
    const server = createServer((request, response) => {
      if (request.url === '/v1/hello') response.end(JSON.stringify(hello))
      else {
        stops++
        response.end()
      }
    })
    mkdirSync(join(home, 'run'), { recursive: true })
    await new Promise<void>(resolve => server.listen(join(home, 'run', 'server.sock'), resolve))
    const close = async (): Promise<void> => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
    return { close, stops: () => stops }
  }

  test('that is in use, with which nobody here can talk, is named', async () => {
    const home = makeHome()
    const other = await pretend(home.home, { version: '9.9.9', protocol: 999, pid: 1, mounts: 1, clients: 0 })
    await expect(findServer(home.home)).rejects.toMatchObject({ code: 'ERR_SERVER_VERSION', message: expect.stringContaining('9.9.9') })
    expect(other.stops()).toBe(0)
    await other.close()
  })

  test('that is in use and speaks the same is used', async () => {
    const home = makeHome()
    const other = await pretend(home.home, { version: '9.9.9', protocol: PROTOCOL, pid: 1, mounts: 1, clients: 0 })
    const client = await findServer(home.home)
    expect(client).toBeDefined()
    client?.close()
    await other.close()
  })
})
