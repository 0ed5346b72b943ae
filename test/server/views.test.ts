import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { listFuseMounts } from '../../src/fuse/index.js'
import type { Cairn } from '../../src/sdk/cairn.js'
import type { ViewOptions } from '../../src/sdk/types.js'
import { canMount, type Home, isAlive, makeHome, openCairn, pidsOf, program, until } from './support.js'

describe.skipIf(!canMount)('views of a volume', () => {
  let home: Home
  let cairn: Cairn

  beforeEach(async () => {
    home = makeHome()
    cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'v' })
  })

  const isMounted = (path: string): boolean => listFuseMounts().some(one => one.path === path)
  const view = async (options: ViewOptions = {}): Promise<{ at: (path: string) => string; view: Awaited<ReturnType<Cairn['openView']>> }> => {
    const opened = await cairn.openView('v', options)
    return { at: path => join(opened.mountpoint, path), view: opened }
  }
  const log = async (): Promise<(string | undefined)[]> => {
    const found: (string | undefined)[] = []
    for await (const { actor } of cairn.log('v')) found.push(actor)
    return found
  }
  const failure = (work: () => unknown): string | undefined => {
    try {
      work()
      return undefined
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  }

  test('show at once what is changed through another, and through the mount beside them', async () => {
    await cairn.mount({ name: 'v', path: home.mountpoint })
    const [a, b] = [await view(), await view()]
    const places = [a.at, b.at, (path: string) => join(home.mountpoint, path)]
    for (let i = 0; i < 60; i++) {
      const [from, to] = [places[i % 3], places[(i + 1) % 3]]
      expect(existsSync(to(`new${i}`))).toBe(false)
      writeFileSync(from(`new${i}`), `${i}`)
      expect(readFileSync(to(`new${i}`), 'utf8')).toBe(`${i}`)
      writeFileSync(from(`new${i}`), `${i} and more`)
      expect(readFileSync(to(`new${i}`), 'utf8')).toBe(`${i} and more`)
      renameSync(from(`new${i}`), from(`old${i}`))
      expect(existsSync(to(`new${i}`))).toBe(false)
      expect(statSync(to(`old${i}`)).size).toBe(`${i} and more`.length)
      if (i % 2 === 0) unlinkSync(from(`old${i}`))
      expect(existsSync(to(`old${i}`))).toBe(i % 2 === 1)
    }
    expect(readdirSync(a.at('/'))).toEqual(readdirSync(b.at('/')))
    expect(readdirSync(home.mountpoint)).toHaveLength(30)
  })

  test('tell apart what each changes while both are at work: log, blame, changes, undo', async () => {
    await (await cairn.open('v')).fs.promises.writeFile('/shared', 'first\n')
    const [one, two] = [await view({ actor: 'one', exec: 'run1' }), await view({ actor: 'two', exec: 'run2' })]
    for (let i = 0; i < 40; i++) {
      writeFileSync(one.at(`one${i}`), `${i}\n`)
      writeFileSync(two.at(`two${i}`), `${i}\n`)
    }
    writeFileSync(one.at('shared'), 'first\nby one\n')
    writeFileSync(two.at('shared'), 'first\nby one\nby two\n')
    rmSync(one.at('one0'))
    renameSync(two.at('two0'), two.at('zero'))
    const paths = async (opened: typeof one): Promise<string[]> => (await opened.view.changes()).changes.map(({ kind, path }) => `${kind} ${path}`).sort()
    const numbers = Array.from({ length: 39 }, (_, i) => i + 1)
    expect(await paths(one)).toEqual([...numbers.map(i => `created /one${i}`), 'modified /shared'].sort())
    expect(await paths(two)).toEqual([...numbers.map(i => `created /two${i}`), 'created /zero', 'modified /shared'].sort())
    expect(new Set(await log())).toEqual(new Set(['one', 'two', cairn.actor]))
    expect((await cairn.blame('v', '/shared')).map(({ text, actor }) => [text, actor])).toEqual([
      ['first', cairn.actor],
      ['by one', 'one'],
      ['by two', 'two'],
    ])
    expect((await cairn.blame('v', '/one7')).map(({ actor }) => actor)).toEqual(['one'])
    await cairn.undo('v', { exec: 'run2', resolution: 'ours' })
    expect(readdirSync(one.at('/')).filter(name => name.startsWith('two') || name === 'zero')).toEqual([])
    expect(readdirSync(one.at('/')).filter(name => name.startsWith('one'))).toHaveLength(39)
    expect(readFileSync(two.at('shared'), 'utf8')).toBe('first\nby one\n')
  })

  test('keep rules in what is now and in the past, also for what others make and move', async () => {
    const open = (await cairn.open('v')).fs.promises
    await open.mkdir('/conf')
    await open.writeFile('/conf/.env', 'KEY=1')
    await open.writeFile('/conf/app', 'app')
    await open.mkdir('/ro')
    await open.writeFile('/ro/a', 'a')
    const { id } = await cairn.checkpoint('v', 'before')
    const { at, view: opened } = await view({ rules: { hidden: ['conf/.env', '*.key'], readOnly: ['ro'] }, actor: 'agent' })
    expect(statSync(join(opened.mountpoint, '..')).mode & 0o777).toBe(0o700)
    const past = [`.cairn/at/${id}`, '.cairn/checkpoints/before', '.cairn/versions']
    for (const folder of ['', ...past]) {
      expect(existsSync(at(`${folder}/conf/.env`))).toBe(false)
      expect(existsSync(at(`${folder}/conf/app`))).toBe(true)
      expect(readdirSync(at(`${folder}/conf`))).not.toContain('.env')
    }
    expect(readdirSync(at('.cairn'))).not.toContain('control')
    expect(failure(() => writeFileSync(at('.cairn/control'), 'status\n'))).toBe('EROFS')
    expect(failure(() => writeFileSync(at('ro/a'), 'b'))).toBe('EROFS')
    expect(failure(() => closeSync(openSync(at('ro/a'), 'r+')))).toBe('EROFS')
    expect(failure(() => writeFileSync(at('conf/.env'), 'KEY=2'))).toBe('EACCES')
    // Moved file by file, and what cannot be seen stays.
    expect(spawnSync('mv', [at('conf'), at('moved')]).status).toBe(1)
    expect([existsSync(at('moved/app')), existsSync(at('moved/.env'))]).toEqual([true, false])
    expect(await open.readFile('/conf/.env', 'utf8')).toBe('KEY=1')
    await open.writeFile('/moved/x', 'x')
    expect(existsSync(at('moved/x'))).toBe(true)
    await open.rename('/moved/x', '/moved/x.key')
    expect([existsSync(at('moved/x')), existsSync(at('moved/x.key'))]).toEqual([false, false])
    await open.rename('/moved/x.key', '/ro/x')
    expect(readFileSync(at('ro/x'), 'utf8')).toBe('x')
    expect(failure(() => unlinkSync(at('ro/x')))).toBe('EROFS')
    await opened.close()
    const granted = await view({ control: true, readOnly: true })
    expect(readdirSync(granted.at('.cairn'))).toContain('control')
    expect(failure(() => writeFileSync(granted.at('new'), ''))).toBe('EROFS')
    expect(await cairn.openView('v', { rules: { hidden: ['/'] } }).catch(error => error.code)).toBe('ERR_VIEW_RULES')
    expect(await cairn.openView('nope').catch(error => error.code)).toBe('ERR_VOLUME_UNKNOWN')
    expect((await cairn.status()).server.views?.map(({ mountpoint, readOnly }) => [mountpoint, readOnly])).toEqual([[granted.view.mountpoint, true]])
  })

  test('go away with the program that opened them, and leave the mount and unlinked files of others as they are', async () => {
    await cairn.mount({ name: 'v', path: home.mountpoint })
    const mine = await view()
    const client = program(
      `const { Cairn } = await dist('index.js')
       const { openSync, writeSync, writeFileSync } = await import('node:fs')
       const cairn = await Cairn.open({ home: process.argv[1] })
       const view = await cairn.openView('v', { actor: 'lost' })
       writeSync(openSync(view.mountpoint + '/kept', 'w'), 'acknowledged')
       console.log('at ' + view.mountpoint)
       setInterval(() => {}, 1000)`,
      [home.home],
    )
    const mountpoint = (await client.printed('at ')).slice(3)
    const held = openSync(mine.at('gone'), 'w+')
    unlinkSync(join(home.mountpoint, 'gone'))
    expect(isMounted(mountpoint)).toBe(true)
    client.child.kill('SIGKILL')
    await until(() => !isMounted(mountpoint) && !existsSync(mountpoint))
    writeSync(held, 'still there')
    fsyncSync(held)
    const text = Buffer.alloc(11)
    expect(readSync(held, text, 0, 11, 0)).toBe(11)
    expect(text.toString()).toBe('still there')
    closeSync(held)
    expect(readFileSync(join(home.mountpoint, 'kept'), 'utf8')).toBe('acknowledged')
    expect(await log()).toContain('lost')
    await mine.view.close()
    await mine.view.close()
    expect([isMounted(mine.view.mountpoint), existsSync(mine.view.mountpoint), isMounted(home.mountpoint)]).toEqual([false, false, true])
    expect(await cairn.unmount('v')).toBe(true)
  })

  test('outlive their server: what is open goes on, and what each changed is still told apart', async () => {
    await (await cairn.open('v')).fs.promises.mkdir('/ro')
    const one = await view({ actor: 'one', exec: 'run1', rules: { readOnly: ['ro'], hidden: ['secret'] } })
    const two = await view({ actor: 'two', exec: 'run2' })
    writeFileSync(two.at('two'), '2')
    const handle = openSync(one.at('one'), 'w')
    writeSync(handle, 'before ')
    const { server } = pidsOf(home)
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
    writeSync(handle, 'after')
    closeSync(handle)
    mkdirSync(two.at('dir'))
    writeFileSync(two.at('secret'), 's')
    expect(readFileSync(two.at('one'), 'utf8')).toBe('before after')
    expect(failure(() => mkdirSync(one.at('ro/new')))).toBe('EROFS')
    expect(existsSync(one.at('secret'))).toBe(false)
    expect((await one.view.changes()).changes).toMatchObject([{ kind: 'created', path: '/one', sizeAfter: 12 }])
    expect((await two.view.changes()).changes.map(({ path }) => path).sort()).toEqual(['/dir', '/secret', '/two'])
    await one.view.close()
    expect([isMounted(one.view.mountpoint), isMounted(two.view.mountpoint)]).toEqual([false, true])
    await cairn.close()
    await until(() => !isMounted(two.view.mountpoint))
  })
})
