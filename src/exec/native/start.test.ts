import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nativeProgram } from '../../sys/index.js'
import { processesWith } from '../processes.js'
import { findTools } from '../tools.js'

const { namespace } = process.platform === 'linux' ? await findTools() : {}
const start = nativeProgram('start') ?? ''
const isUsed = namespace !== undefined && 'start' in namespace
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-start-')))
afterAll(() => rmSync(folder, { recursive: true }))

/** By the rules of its head, with this process as its parent. */
function args(words: string[], { user = process.getuid?.() === 0 ? 0 : 1, bounds = [-1, -1, -1, -1], parent = process.pid } = {}): string[] {
  return [...[parent, user, ...bounds, 0].map(String), ...words]
}

function run(words: string[], options: Parameters<typeof args>[1] = {}) {
  const { stdout, stderr, status } = spawnSync(start, args(words, options), {
    cwd: folder,
    env: { PATH: `/no/such:${folder}/file:${folder}:/usr/bin:/bin` },
    encoding: 'utf8',
  })
  return { stdout, stderr, status }
}

function program(name: string, text: string, mode = 0o755): string {
  writeFileSync(join(folder, name), text)
  chmodSync(join(folder, name), mode)
  return join(folder, name)
}

it.skipIf(process.platform !== 'linux' || spawnSync('cc', ['--version']).status !== 0)('is compiled where there is a compiler', () => {
  expect(start).not.toBe('')
})

describe.skipIf(!isUsed)('what starts a command in a namespace', () => {
  it('finds it as a shell does, and hands on words and environment as they are', () => {
    program('file', 'no folder', 0o644)
    program('said', '#!/bin/sh\necho "$0|$#|$1|$2"; env\n')
    expect(run(['said', 'a b', '']).stdout.split('\n').slice(0, 2)).toEqual([`${folder}/said|2|a b|`, `PATH=/no/such:${folder}/file:${folder}:/usr/bin:/bin`])
    expect(run(['./said', 'x']).stdout).toMatch(/^\.\/said\|1\|x\|\n/)
  })

  it('runs a script that does not say what runs it, as sh', () => {
    program('bare', 'echo "of sh: $1"; exit 5\n')
    expect(run(['bare', 'word'])).toMatchObject({ stdout: 'of sh: word\n', status: 5 })
  })

  it('says what cannot be run, with the codes of a shell', () => {
    program('closed', '#!/bin/sh\n', 0o644)
    program('wrong', '#!/no/such/interpreter\n')
    expect(run(['no-such-program'])).toMatchObject({ stderr: 'cairn: no-such-program: not found\n', status: 127 })
    expect(run([`${'x/'.repeat(3000)}x`]).status).toBe(126)
    expect(run(['closed'])).toMatchObject({ stderr: 'cairn: closed: permission denied\n', status: 126 })
    expect(run([folder])).toMatchObject({ status: 126 })
    expect(run(['./wrong']).status).toBe(127)
  })

  it('bounds it', () => {
    const limits = run(['cat', '/proc/self/limits'], { bounds: [0, 2 ** 32, 7, 123] }).stdout
    const of = (name: string): string[] => (limits.split('\n').find(line => line.startsWith(name)) ?? '').slice(name.length).trim().split(/ +/).slice(0, 2)
    expect(['Max core file size', 'Max address space', 'Max cpu time', 'Max processes'].map(of)).toEqual([
      ['0', '0'],
      ['4294967296', '4294967296'],
      ['7', '7'],
      ['123', '123'],
    ])
  })

  it('shows it its own processes alone, as the user who asked', () => {
    for (const user of process.getuid?.() === 0 ? [0, 1] : [1]) {
      const { stdout } = run(['sh', '-c', 'set -- /proc/[0-9]*; echo $$ $*; id -u; id -g'], { user })
      expect(stdout.split('\n')).toEqual(['2 /proc/1 /proc/2', `${process.getuid?.()}`, `${process.getgid?.()}`, ''])
    }
  })

  it('is no first process to the command: signals mean what they mean everywhere', () => {
    expect(run(['sh', '-c', 'kill -TERM $$; echo lived']).status).toBe(143)
    expect(run(['sh', '-c', 'kill -ABRT $$; echo lived'])).toMatchObject({ stdout: '', status: 134 })
  })

  it('starts nothing for another parent than the one that it was told', () => {
    expect(run(['echo', 'ran'], { parent: process.ppid })).toMatchObject({ stdout: '', status: 125 })
    expect(spawnSync(start, ['1'], { encoding: 'utf8' })).toMatchObject({ stderr: 'cairn: start: not by itself\n', status: 125 })
  })

  it.each(process.getuid?.() === 0 ? [0, 1] : [1])('ends with its parent, and everything in it, whatever that ignores (%i)', async user => {
    const mark = `START_MARK=${process.pid}-${user}`
    const script = 'trap "" TERM HUP INT; (setsid sleep 1000 &); echo go; while :; do sleep 1000; done'
    const words = args(['sh', '-c', script], { user }).slice(1)
    const parent = spawn('sh', ['-c', '"$0" $$ "$@" & wait', start, ...words], {
      env: { PATH: '/usr/bin:/bin', START_MARK: `${process.pid}-${user}` },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await new Promise(resolve => parent.stdout.once('data', resolve))
    expect(processesWith(mark).length).toBeGreaterThan(3)
    const closed = new Promise(resolve => parent.stdout.once('close', resolve))
    parent.kill('SIGKILL')
    // Nobody holds its output any more.
    await closed
    expect(
      execFileSync(
        'sh',
        ['-c', `for i in $(seq 500); do [ -z "$(grep -la ${mark} /proc/[0-9]*/environ 2>/dev/null)" ] && echo gone && break; sleep 0.01; done`],
        { env: { PATH: '/usr/bin:/bin' }, encoding: 'utf8' },
      ),
    ).toBe('gone\n')
  })
})
