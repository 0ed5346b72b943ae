import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MountedHome, programs, run, until, whyNoMount } from './support/mounted-home.js'

let folder: string
let hosts: MountedHome[]
let children: Array<{ kill(): void }>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-readers-'))
  hosts = []
  children = []
})

afterEach(async () => {
  for (const child of children) child.kill()
  for (const host of hosts) await host.end()
  rmSync(folder, { recursive: true, force: true })
})

const sh = async (cwd: string, command: string): Promise<string> => {
  const { code, output } = await run('/bin/sh', ['-ec', command], { cwd })
  expect(code, `${command}: ${output}`).toBe(0)
  return output.trim()
}

/** A host that writes a volume, and one that reads it, both mounted; nothing goes on by itself. */
async function two(make: string, env: NodeJS.ProcessEnv = { CAIRN_METADATA_TTL: '1h' }) {
  const [writer, reader] = [new MountedHome(), new MountedHome(env)]
  hosts.push(writer, reader)
  for (const host of hosts) await host.must('init', 'ws', '--store', `file://${join(folder, 'there')}`)
  await writer.must('mount', 'ws', writer.mountpoint)
  await sh(writer.mountpoint, make)
  await writer.must('flush', 'ws')
  await reader.must('mount', 'ws', reader.mountpoint, '--read-only')
  const next = async (change: string): Promise<void> => {
    await sh(writer.mountpoint, change)
    await writer.must('flush', 'ws')
    await reader.must('refresh', 'ws')
  }
  return { writer, reader, next, at: reader.mountpoint, from: writer.mountpoint }
}

/** A program that is in the middle of using a mount: it answers each question with a line. */
async function user(cwd: string) {
  const child = spawn('python3', [join(programs, 'holder.py')], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  return async (question: string): Promise<string> => {
    const answer = once(lines, 'line')
    child.stdin.write(`${question}\n`)
    return ((await answer) as [string])[0]
  }
}

/** What a program sees now of a file that it has open, maps and can name. */
const sees = async (ask: (question: string) => Promise<string>, name: string): Promise<string[]> => [
  await ask(`read ${name}`),
  await ask(`mapped ${name}`),
  await ask(`stat ${name}`),
  await ask(`fstat ${name}`),
]
const STALE = 'Stale file handle'
const MISSING = 'No such file or directory'

describe.skipIf(whyNoMount() !== undefined)('programs on a mount that follows another host', () => {
  it('see in what they have open, mapped and stand in what was published, and nothing of before', async () => {
    const make = [
      'for f in kept cut grown moved over gone linked dir xattr mode; do echo "$f before" > $f; done; ln linked link2',
      'mkdir -p in/side many; echo x > in/side/file; for i in $(seq 500); do echo $i > many/$i; done; head -c 5000000 /dev/zero | tr "\\0" a > big',
    ]
    const { next, at } = await two(make.join('; '))
    const [ask, inside] = [await user(at), await user(join(at, 'in/side'))]
    const names = ['kept', 'cut', 'grown', 'moved', 'over', 'gone', 'linked', 'dir']
    for (const name of names) for (const verb of ['open', 'map']) expect(await ask(`${verb} ${name}`)).toBe(`${name} before`)
    for (const verb of ['open', 'map']) expect(await ask(`${verb} big`)).toBe('5000000 bytes, 5000000 of them a')
    const listed = (await ask('list many 100')).split(' ')
    await next(
      [
        'truncate -s 3 cut; printf " and after" >> grown; mv moved moved2; echo new > t; mv t over; rm gone; echo "linked after" > link2; rm dir; mkdir dir; touch dir/inside',
        'setfattr -n user.a -v b xattr; chmod 600 mode; printf XYZ | dd of=big bs=1 seek=2500000 conv=notrunc 2>/dev/null; rm many/1??; touch many/new; mv in in2',
      ].join('; '),
    )
    expect(await sees(ask, 'kept')).toEqual(['kept before', 'kept before', '12', '12 bytes, 1 links'])
    expect(await sees(ask, 'cut')).toEqual(['cut', 'cut', '3', '3 bytes, 1 links'])
    expect(await sees(ask, 'grown')).toEqual(['grown before and after', 'grown before', '23', '23 bytes, 1 links'])
    expect(await sees(ask, 'moved')).toEqual(['moved before', 'moved before', MISSING, '13 bytes, 1 links'])
    expect(await sees(ask, 'over')).toEqual([STALE, STALE, '4', STALE])
    expect(await sees(ask, 'gone')).toEqual([STALE, STALE, MISSING, STALE])
    expect(await sees(ask, 'linked')).toEqual(['linked after', 'linked after', '13', '13 bytes, 2 links'])
    expect(await sees(ask, 'dir')).toEqual([STALE, STALE, '4096', STALE])
    expect(await sees(ask, 'big')).toEqual([...Array(2).fill('5000000 bytes, 4999997 of them a'), '5000000', '5000000 bytes, 1 links'])
    // Nothing that was there before and is there still is left out, and nothing comes twice.
    const rest = (await ask('goon')).split(' ')
    const all = [...listed, ...rest]
    expect(new Set(all).size).toBe(all.length)
    for (let i = 1; i <= 500; i++) if (i < 100 || i > 199) expect(all).toContain(`${i}`)
    expect(rest.filter(name => /^1..$/.test(name) && !listed.includes(name)).length).toBeLessThan(100)
    expect(await inside('open file')).toBe('x')
    const now = 'ls; ls many | wc -l; stat -c %a mode; cat link2 over in2/side/file; getfattr --only-values -n user.a xattr; ls dir'
    expect((await sh(at, now)).split('\n')).toEqual([
      'big',
      'cut',
      'dir',
      'grown',
      'in2',
      'kept',
      'link2',
      'linked',
      'many',
      'mode',
      'moved2',
      'over',
      'xattr',
      '401',
      '600',
      'linked after',
      'new',
      'x',
      'binside',
    ])
    await next('rm -r in2')
    expect(await inside('list . 5')).toBe(STALE)
  })

  it('see in `.cairn` the commits that there are, also after the server was killed; and two forks follow at once', async () => {
    const { writer, reader, next, at, from } = await two('echo one > f')
    await writer.must('checkpoint', 'save', 'ws', 'first')
    await writer.must('fork', 'ws', 'fork')
    await reader.must('init', 'fork', '--store', `file://${join(folder, 'there')}`)
    const [write, read] = [join(writer.scratch, 'fork'), join(reader.scratch, 'fork')]
    await writer.must('mount', 'fork', write)
    await reader.must('mount', 'fork', read, '--read-only')
    await sh(write, 'echo fork > f')
    await writer.must('flush', 'fork')
    await next('echo two > f')
    await writer.must('checkpoint', 'save', 'ws', 'second')
    await next('echo three > f; exec 3> held; echo unlinked >&3; rm held; sync')
    await reader.must('refresh', 'fork')
    expect(await sh(at, 'cat f .cairn/at/first/f .cairn/checkpoints/second/f; ls .cairn/checkpoints')).toBe('three\none\ntwo\nfirst\nsecond')
    expect(await sh(read, 'cat f .cairn/at/first/f')).toBe('fork\none')
    expect(await sh(at, 'cat .cairn/versions/f/0001-*')).toBe('one')
    expect((await run('/bin/sh', ['-c', 'echo status > .cairn/control'], { cwd: at })).output).toContain('Read-only file system')
    // What the kernel keeps of a commit is never shown as another one's, whatever order the next server is asked in.
    await sh(from, 'cat .cairn/at/second/f')
    await reader.killServer()
    expect(await sh(at, 'cat .cairn/at/second/f .cairn/at/first/f .cairn/versions/f/0001-*')).toBe('two\none\none')
    await writer.must('checkpoint', 'delete', 'ws', 'first')
    await next('echo four > f')
    expect(await sh(at, 'ls .cairn/checkpoints; cat .cairn/checkpoints/first/f 2>&1 || true')).toMatch(/^second\n.*No such file/)
    for (const name of ['ws', 'fork']) {
      await reader.must('unmount', name)
      await writer.must('unmount', name)
    }
    expect(reader.log()).not.toContain('answered EIO')
    for (const id of readdirSync(join(reader.home, 'volumes'))) expect(readdirSync(join(reader.home, 'volumes', id, 'read'))).not.toContain('shown')
  })

  it('see what there is after a server was killed of whose mount nobody knows what it showed; and a deleted volume for as long as it is kept', async () => {
    const { writer, reader, at, from } = await two('mkdir d; echo one > d/f; echo gone > d/gone')
    expect(await sh(at, 'cat d/f d/gone; cat d/new 2>/dev/null || true')).toBe('one\ngone')
    await sh(from, 'echo two > d/f; rm d/gone; echo new > d/new')
    await writer.must('flush', 'ws')
    for (const id of readdirSync(join(reader.home, 'volumes'))) rmSync(join(reader.home, 'volumes', id, 'read'), { recursive: true })
    await reader.killServer()
    await until(() => readFileSync(join(at, 'd/f'), 'utf8') === 'two\n' && existsSync(join(at, 'd/new')))
    expect(await sh(at, 'cat d/f d/new; stat d/gone 2>&1 || true')).toMatch(/^two\nnew\n.*No such file/)
    await writer.must('unmount', 'ws')
    await writer.must('delete', 'ws')
    expect((await reader.cairn('refresh', 'ws')).output).toMatch(/was deleted by another host\. .*undelete/)
    expect(await sh(at, 'cat d/f')).toBe('two')
    await reader.must('unmount', 'ws')
    expect((await reader.cairn('ls', 'ws:/')).output).toMatch(/any more: it was deleted\. .*undelete/)
  })

  it('keep nobody from writing, also where this host wrote a moment ago', async () => {
    // What is said with the command is stronger than the environment.
    const [a, b] = [new MountedHome({ CAIRN_METADATA_TTL: '1h' }), new MountedHome()]
    hosts.push(a, b)
    for (const host of hosts) await host.must('init', 'ws', '--store', `file://${join(folder, 'there')}`)
    await a.must('mount', 'ws', a.mountpoint, '--metadata-ttl', '50ms')
    expect(await a.must('mount', 'ws', a.mountpoint, '--metadata-ttl', '1h')).toContain('The server of this home runs already')
    await sh(a.mountpoint, 'echo one > f')
    await a.must('unmount', 'ws')
    await a.must('mount', 'ws', a.mountpoint, '--read-only')
    await b.must('write', 'ws:/f', 'two')
    await until(() => readFileSync(join(a.mountpoint, 'f'), 'utf8') === 'two\n')
  })

  it('are shown the last state while the store is away, also by the next server, and what changed when it is back', async () => {
    const { writer, reader, at, from } = await two('echo one > f; echo rest > g', { CAIRN_METADATA_TTL: '50ms' })
    expect(await sh(at, 'cat f g')).toBe('one\nrest')
    const there = join(folder, 'there')
    renameSync(there, `${there}-away`)
    await reader.killServer()
    expect(await sh(at, 'cat f; ls')).toBe('one\nf\ng')
    renameSync(`${there}-away`, there)
    await sh(from, 'echo two > f; rm g')
    await writer.must('flush', 'ws')
    await until(() => readFileSync(join(at, 'f'), 'utf8') === 'two\n')
    expect(await sh(at, 'ls')).toBe('f')
  })
})
