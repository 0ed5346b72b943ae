import { describe, expect, test } from 'vitest'
import type { OpenVolume } from '../../src/sdk/types.js'
import { makeHome, openCairn, program, until } from './support.js'

type Failing = (volume: OpenVolume) => Promise<unknown>

const failures: ReadonlyArray<[string, Failing]> = [
  ['stat', v => v.fs.promises.stat('/no/such')],
  ['open', v => v.fs.promises.open('/file', 'wx')],
  ['mkdir', v => v.fs.promises.mkdir('/file')],
  ['readdir', v => v.fs.promises.readdir('/file')],
  ['rename', v => v.fs.promises.rename('/no', '/other')],
  ['rmdir', v => v.fs.promises.rmdir('/dir')],
  ['link', v => v.fs.promises.link('/no', '/b')],
  ['readlink', v => v.fs.promises.readlink('/file')],
  ['symlinks that loop', v => v.fs.promises.stat('/loop')],
  ['a name too long', v => v.fs.promises.writeFile(`/${'n'.repeat(256)}`, '')],
  ['rm of a directory', v => v.fs.promises.rm('/dir')],
  ['a bad argument', v => v.fs.promises.readFile(5.5 as unknown as string)],
  ['a bad flag', v => v.fs.promises.open('/file', 'zz')],
  [
    'a handle that was closed',
    async v => {
      const fs = v.fs.promises
      const { backend } = v.fs
      const handle = await fs.open('/file', 'r')
      const { fd } = handle
      await handle.close()
      return backend.call('fstat', [fd])
    },
  ],
  [
    'reading what was opened to write',
    async v => {
      const handle = await v.fs.promises.open('/file', 'a')
      return handle.read(Buffer.alloc(1)).finally(() => handle.close())
    },
  ],
]

const facts = (error: unknown): unknown => ({ ...(error as object), message: (error as Error).message, kind: Object.getPrototypeOf(error).constructor.name })

function attempt(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return facts(error)
  }
}

async function prepared(via: 'server' | 'process'): Promise<OpenVolume> {
  const cairn = await openCairn(makeHome(), via)
  await cairn.createVolume({ name: 'v' })
  const volume = await cairn.open('v')
  await volume.fs.promises.mkdir('/dir')
  await volume.fs.promises.writeFile('/dir/inner', '1')
  await volume.fs.promises.writeFile('/file', 'text')
  await volume.fs.promises.symlink('/loop', '/loop')
  return volume
}

describe('through the server', () => {
  test('failures are the same as in process', async () => {
    const [local, served] = [await prepared('process'), await prepared('server')]
    for (const [name, run] of failures) {
      const [here, there] = [await run(local).catch(facts), await run(served).catch(facts)]
      expect([name, there]).toStrictEqual([name, here])
      expect(here).toHaveProperty('message')
    }
  })

  test('unknown volumes and refs are named the same', async () => {
    const home = makeHome()
    const [local, served] = [await openCairn(home, 'process'), await openCairn(home, 'server')]
    const [here, there] = [await local.open('nope').catch(facts), await served.open('nope').catch(facts)]
    expect(there).toStrictEqual(here)
    expect(there).toMatchObject({ code: 'ERR_VOLUME_UNKNOWN', kind: 'CairnError' })
    await served.createVolume({ name: 'v' })
    await expect(served.open('v', { ref: 'nope' })).rejects.toMatchObject({ code: 'ERR_REF_UNKNOWN' })
  })

  test('a large file goes in pieces and comes back whole', async () => {
    const volume = await prepared('server')
    const bytes = Buffer.alloc(5 * 1024 * 1024 + 3)
    for (let i = 0; i < bytes.length; i += 97) bytes[i] = i
    await volume.fs.promises.writeFile('/large', bytes)
    expect(bytes.equals(await volume.fs.promises.readFile('/large'))).toBe(true)
  })

  test('the synchronous forms work too, with the same handles and errors', async () => {
    const { fs } = await prepared('server')
    fs.mkdirSync('/s/t', { recursive: true })
    fs.writeFileSync('/s/t/f', 'sync')
    expect(fs.readFileSync('/s/t/f', 'utf8')).toBe('sync')
    expect(fs.readdirSync('/s')).toEqual(['t'])
    expect(fs.existsSync('/nope')).toBe(false)
    const [here, there] = [await fs.promises.stat('/no').catch(facts), attempt(() => fs.statSync('/no'))]
    expect(there).toStrictEqual(here)
    const fd = fs.openSync('/s/t/f', 'r+')
    fs.writeSync(fd, 'SYN')
    fs.fsyncSync(fd)
    const read = await new Promise((resolve, reject) => fs.readFile(fd, 'utf8', (error, text) => (error ? reject(error) : resolve(text))))
    expect(read).toBe('c')
    fs.closeSync(fd)
    const large = Buffer.alloc(3 << 20, 7)
    fs.writeFileSync('/large', large)
    expect(large.equals(fs.readFileSync('/large'))).toBe(true)
  })

  test('a transaction is all or nothing, and conflicts', async () => {
    const volume = await prepared('server')
    await volume.transaction(async tx => {
      await tx.writeFile('/a', '1')
      await tx.writeFile('/b', await tx.readFile('/a'))
    })
    expect(await volume.fs.promises.readFile('/b', 'utf8')).toBe('1')
    const lost = volume.transaction(async tx => {
      await tx.writeFile('/c', await tx.readFile('/a'))
      await volume.fs.promises.writeFile('/a', '2')
    })
    await expect(lost).rejects.toMatchObject({ code: 'ERR_CONFLICT', retry: 'reopen' })
    await expect(volume.fs.promises.stat('/c')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a staged file appears when it is closed, or never', async () => {
    const volume = await prepared('server')
    const staged = volume.openWrite('/file')
    staged.write('new')
    expect(await volume.fs.promises.readFile('/file', 'utf8')).toBe('text')
    await staged.close()
    expect(await volume.fs.promises.readFile('/file', 'utf8')).toBe('new')
    const dropped = volume.openWrite('/other')
    dropped.write('x')
    await dropped.discard()
    expect((await volume.fs.promises.readdir('/')).filter(name => name.includes('other'))).toEqual([])
  })

  test('a client that is killed lets go of what it held: handles, transactions, volumes', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'v' })
    const client = program(
      `const { Cairn } = await dist('index.js')
      const cairn = await Cairn.open({ home: process.argv[1], via: 'server' })
      const volume = await cairn.open('v')
      const handle = await volume.fs.promises.open('/held', 'w')
      await handle.write('x'.repeat(100000))
      await volume.fs.promises.unlink('/held')
      await volume.transaction(async tx => {
        await tx.writeFile('/never', '')
        console.log('inside')
        await new Promise(() => setInterval(() => {}, 1000))
      })`,
      [home.home],
    )
    await client.printed('inside')
    const inodes = async (): Promise<number> => (await cairn.status('v')).volumes[0].inodes
    const before = await inodes()
    await expect(cairn.deleteVolume('v')).rejects.toMatchObject({ code: 'ERR_VOLUME_IN_USE' })
    client.child.kill('SIGKILL')
    await until(async () => (await inodes()) === before - 1)
    const volume = await cairn.open('v')
    expect(await volume.fs.promises.readdir('/')).toEqual([])
    await volume.close()
    await cairn.deleteVolume('v')
    expect(await cairn.volumes()).toEqual([])
  })

  test('an open volume lives through the death of the server; handles do not', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'v' })
    const volume = await cairn.open('v')
    await volume.fs.promises.writeFile('/a', 'kept')
    const handle = await volume.fs.promises.open('/a', 'r')
    const { server } = (await import('./support.js')).pidsOf(home)
    process.kill(server, 'SIGKILL')
    expect(await volume.fs.promises.readFile('/a', 'utf8')).toBe('kept')
    await expect(handle.read(Buffer.alloc(4), 0, 4, 0)).rejects.toMatchObject({ retry: 'reopen' })
    await volume.fs.promises.writeFile('/b', 'too')
    expect((await volume.fs.promises.readdir('/')).sort()).toEqual(['a', 'b'])
  })

  test('two programs that use a volume without a server take turns', async () => {
    const home = makeHome()
    await (await openCairn(home, 'process')).createVolume({ name: 'v' })
    const code = `const { Cairn } = await dist('index.js')
      const cairn = await Cairn.open({ home: process.argv[1] })
      for (let i = 0; i < 5; i++) {
        const volume = await cairn.open('v')
        await volume.fs.promises.writeFile('/' + process.argv[2] + i, '')
        await volume.close()
      }
      await cairn.close()`
    const ends = await Promise.all(['a', 'b', 'c'].map(name => program(code, [home.home, name]).ended))
    expect(ends).toEqual(ends.map(() => ({ code: 0, output: '' })))
    const volume = await (await openCairn(home)).open('v')
    expect(await volume.fs.promises.readdir('/')).toHaveLength(15)
  })
})
