import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { main } from '../src/cli/main.js'
import { processesWith } from '../src/exec/processes.js'
import { listFuseMounts } from '../src/fuse/mount.js'
import { MountedHome, until, whyNoMount } from './support/mounted-home.js'

const reason = whyNoMount()

describe.skipIf(reason !== undefined)(`cairn exec${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let home: MountedHome
  beforeAll(async () => {
    home = new MountedHome()
    await home.must('init', 'w')
  })
  afterAll(() => home.end())

  interface Ran {
    code: number
    out: string
    err: string
  }
  /** The command as a process of its own, with something to read. */
  function cairn(args: readonly string[], input = ''): Promise<Ran> {
    return new Promise(resolve => {
      const child = execFile(process.execPath, [MountedHome.command, ...args], { env: home.env }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err })
      })
      child.stdin?.end(input)
    })
  }

  /** The same in this process. */
  async function here(...args: string[]): Promise<{ code: number; out: string }> {
    let out = ''
    const write = (chunk: string | Uint8Array): boolean => {
      out += chunk.toString()
      return true
    }
    const stdout = { write, once: () => undefined }
    const code = await main(args, { stdin: Readable.from([]), stdout, stderr: { ...stdout, write: () => true }, env: home.env })
    return { code, out }
  }

  it('runs a command as env does: input, outputs and exit code are its own', async () => {
    const ran = await cairn(['exec', 'w', '--', 'sh', '-c', 'cat; echo err >&2; echo made > f; exit 7'], 'from stdin\n')
    expect(ran).toEqual({ code: 7, out: 'from stdin\n', err: 'err\n' })
    expect(await cairn(['cat', 'w:/f'])).toMatchObject({ out: 'made\n' })
    expect(await cairn(['proxy', 'exec', 'w', '--', 'echo', '--json', '-x'])).toEqual({ code: 0, out: '--json -x\n', err: '' })
  })

  it('tells all as JSON', async () => {
    const { code, out } = await cairn(['exec', 'w', '--json', '--shell', 'printf "\\377"; echo more >> f'])
    const answer = JSON.parse(out)
    expect(code).toBe(0)
    expect(answer).toMatchObject({
      volume: 'w',
      exitCode: 0,
      stdoutBase64: '/w==',
      stderr: '',
      changes: [{ path: '/f', kind: 'modified', sizeBefore: 5, sizeAfter: 10 }],
    })
    expect(answer.decision.effect).toBe('allow')
  })

  it('says by its exit code what it was that failed', async () => {
    const code = async (...args: string[]): Promise<number> => (await here('exec', ...args)).code
    expect(await code('w', '--timeout', '300ms', '--', 'sleep', '1000')).toBe(124)
    expect(await code('w', '--', 'no-such-program')).toBe(127)
    expect(await code('w', '--', 'sh', '-c', 'kill -9 $$')).toBe(137)
    for (const args of [
      ['none', '--', 'true'],
      ['w', '--cwd', '/none', '--', 'true'],
      ['w', '--timeout', '0', '--', 'true'],
      ['w', '--timeout', 'soon', '--', 'true'],
      ['w', '--sandbox', 'some', '--', 'true'],
      ['w', '--env', '=x', '--', 'true'],
      ['w', '--fork', '--in-place', '--', 'true'],
      ['w', '--'],
      ['w'],
      ['w', '--outputfile', '/x', '--', 'true'],
      ['w', 'v', '--', 'true'],
      ['w', '--timeout'],
    ]) {
      expect(await code(...args), args.join(' ')).toBe(125)
    }
    const { out } = await here('exec', 'w', '--json', '--timeout', '0', '--', 'true')
    expect(JSON.parse(out).error).toMatchObject({ code: 'ERR_EXEC_OPTION', message: '--timeout is 0.' })
  })

  it('races attempts, and tells who won', async () => {
    const { code, out } = await here('race', 'w', '--attempts', 'echo a > won; exit 1', 'echo b > won')
    expect(code).toBe(0)
    expect(out.split('\n').slice(0, 2).join()).toMatch(/^ {4}1 {2}exit 1 +echo a > won; exit 1,\* {3}2 {2}.*echo b > won$/)
    expect(out).toContain('Attempt 2 is the best; 1 change merged into w.')
    expect((await here('race', 'w', '--attempts', 'false')).code).toBe(1)
    const unscored = await here('race', 'w', '--attempts', 'true', '--score', 'echo good')
    expect(unscored).toMatchObject({ code: 1, out: expect.stringContaining('Attempt 1: The score ended with 0 and said no number.') })
    expect((await here('race', 'w')).code).toBe(125)
    expect((await here('race', 'w', '--attempts', 'true', '--jobs', '0')).code).toBe(125)
  })

  it('ends the command and all that it started when it is ended itself, politely or not', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const mark = `LOST=${signal}`
      const args = ['exec', 'w', '--env', mark, '--', 'sh', '-c', '(setsid sleep 1000 &) ; echo started; sleep 1000']
      const child = spawn(process.execPath, [MountedHome.command, ...args], { env: home.env, stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      expect(processesWith(mark).length).toBeGreaterThan(1)
      child.kill(signal)
      await once(child, 'close')
      await until(() => processesWith(mark).length === 0 && !listFuseMounts().some(({ path }) => path.startsWith(home.home)))
    }
  })
})
