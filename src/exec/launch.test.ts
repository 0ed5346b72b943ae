import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { cFunction } from '../sys/ffi.js'
import { type Launched, launchByNode, launchDirectly } from './launch.js'
import type { Start } from './types.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-launch-')))
afterAll(() => rmSync(folder, { recursive: true }))

const ways = [
  ['by Node', launchByNode],
  ['directly', launchDirectly],
] as const

describe.skipIf(process.platform !== 'linux').each(ways)('a process that is started %s', (_, launch) => {
  const sh = (script: string, more: Partial<Start> = {}): Start => ({
    file: '/bin/sh',
    args: ['-c', script, 'sh', 'a b', 'ü'],
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', AB: '1 ü' },
    descriptors: [],
    ...more,
  })
  const captured = { stdin: 'ignore', output: 'pipe' } as const
  const textOf = ({ stdio }: Launched, fd: number): Promise<string> => text(stdio[fd] as Readable)

  const closed = ({ stdio }: Launched): Promise<unknown> =>
    Promise.all(stdio.map(stream => stream && (stream.closed || new Promise(resolve => stream.once('close', resolve)))))

  it('has its arguments, its environment, its directory, and nothing to read', async () => {
    const child = launch(sh('echo "$0-$1-$2"; pwd; env | grep -av -E "^(PWD|_)=" | LC_ALL=C sort; cat; echo err >&2; exit 7'), captured)
    expect(await Promise.all([textOf(child, 1), textOf(child, 2), child.ended])).toEqual([
      `sh-a b-ü\n${folder}\nAB=1 ü\nPATH=/usr/bin:/bin\n`,
      'err\n',
      [7, null],
    ])
  })

  it('tells the signal that ended it, ignores none, and is in a session of its own', async () => {
    const child = launch(sh('grep SigIgn /proc/self/status; grep SigBlk /proc/self/status; cut -d" " -f6 /proc/$$/stat; echo $$; kill -SEGV $$'), captured)
    const lines = (await textOf(child, 1)).trim().split('\n')
    expect(lines).toEqual(['SigIgn:\t0000000000000000', 'SigBlk:\t0000000000000000', `${child.pid}`, `${child.pid}`])
    expect(await child.ended).toEqual([null, 'SIGSEGV'])
  })

  it('reads what is written to it, and what it is handed; and nothing of it is left open here', async () => {
    writeFileSync(join(folder, 'file'), 'of a file')
    const before = readdirSync('/proc/self/fd')
    const long = 'x'.repeat(300_000)
    const descriptors: Start['descriptors'] = [{ write: Buffer.from(long) }, { read: true }, { fd: openSync(join(folder, 'file'), 'r') }]
    const child = launch(sh('cat; wc -c <&3; cat <&5; echo told >&4', { descriptors }), { stdin: 'pipe', output: 'pipe' })
    ;(child.stdio[0] as Writable).end('written\n')
    const [out, told, end] = await Promise.all([textOf(child, 1), textOf(child, 4), child.ended])
    expect([out, told, end]).toEqual(['written\n300000\nof a file', 'told\n', [0, null]])
    await closed(child)
    expect(readdirSync('/proc/self/fd')).toHaveLength(before.length)
  })

  it('keeps apart descriptors that have the numbers of each other', async () => {
    const [one, two] = ['one', 'two'].map(name => {
      writeFileSync(join(folder, name), name)
      return openSync(join(folder, name), 'r')
    })
    // Many descriptors of its own, so that the numbers of these two are among them.
    const descriptors: Start['descriptors'] = Array.from({ length: Math.max(one, two) }, () => ({ fd: openSync('/dev/null', 'r') }))
    closeSync((descriptors[one - 3] as { fd: number }).fd)
    closeSync((descriptors[two - 3] as { fd: number }).fd)
    descriptors[one - 3] = { fd: two }
    descriptors[two - 3] = { fd: one }
    const child = launch(sh(`cat /dev/fd/${one}; cat /dev/fd/${two}`, { descriptors }), captured)
    expect(await textOf(child, 1)).toBe('twoone')
    expect(await child.ended).toEqual([0, null])
  })

  it('that is not there is told, and what was to be handed to it is closed', async () => {
    const before = readdirSync('/proc/self/fd').length
    const start = sh('', { file: '/no/such/program', descriptors: [{ fd: openSync('/dev/null', 'r') }, { read: true }] })
    for (const wrong of [start, sh('', { cwd: '/no/such/folder' })]) {
      const child = launch(wrong, captured)
      await expect(child.ended).rejects.toThrow(/ENOENT/)
      expect(child.pid).toBeUndefined()
      await closed(child)
    }
    expect(readdirSync('/proc/self/fd')).toHaveLength(before)
  })

  it('is told to have ended whatever else starts and ends at once', async () => {
    const all = Array.from({ length: 20 }, (_, i) => launch(sh(`exit ${i}`), captured))
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(all.map((_, i) => [i, null]))
    for (const { pid } of all) expect(existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/comm`, 'utf8')).not.toBe('sh\n')
  })
})

it.skipIf(process.platform !== 'linux')('nothing that this program was left open is handed on to a process that is started directly', async () => {
  const left = cFunction<[number]>('int dup(int fd)')(0)
  const start = { file: '/bin/sh', args: ['-c', `[ -e /proc/self/fd/${left} ] || echo closed`], cwd: folder, env: {}, descriptors: [] }
  const child = launchDirectly(start, { stdin: 'ignore', output: 'pipe' })
  expect(await text(child.stdio[1] as Readable)).toBe('closed\n')
  closeSync(left)
})
