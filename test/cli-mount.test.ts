import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import { mountSupport } from '../src/sdk/doctor.js'
import { cairnMounts } from '../src/sdk/mount-table.js'
import { CliRun, launcher } from './cli-run.js'

const possible = mountSupport().every(check => check.ok)
const SLOW_MS = 120_000

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
})
afterAll(async () => {
  await cleanUp(run.home, run.folder)
})

describe.skipIf(!possible)('a mounted volume', () => {
  test(
    'mount, work from both sides, unmount twice',
    async () => {
      const at = run.path('mnt')
      expect((await run.spawned(['mount', 'work', at])).out).toContain(`mounted at ${at}`)
      expect(await run.json('mount', 'work', at)).toMatchObject({ name: 'work', mountpoint: at })
      writeFileSync(`${at}/from-mount`, 'written through the kernel\n')
      expect(await run.ok('cat', 'work:/from-mount')).toBe('written through the kernel\n')
      await run.ok('write', 'work:/from-command', 'written by a command')
      expect(readFileSync(`${at}/from-command`, 'utf8')).toBe('written by a command\n')
      expect(await run.json('status', 'work')).toMatchObject({ server: { running: true, mounts: [{ name: 'work', mountpoint: at }] } })
      await run.ok('checkpoint', 'save', 'work', 'mounted')
      expect(await run.ok('ls', 'work@mounted')).toBe('from-command\nfrom-mount\n')
      expect(await run.ok('unmount', 'work')).toMatch(/Unmounted/)
      expect(await run.ok('umount', at)).toMatch(/not mounted/)
      expect(readdirSync(at)).toEqual([])
    },
    SLOW_MS,
  )

  test(
    'who changed what is known, through the mount and beside it; an undo of one leaves the others',
    async () => {
      await run.ok('init', 'shared')
      const at = run.path('shared')
      await run.ok('mount', 'shared', at, '--actor', 'mounter')
      await run.ok('write', 'shared:/alice', '1', '--actor', 'alice')
      writeFileSync(`${at}/mounter`, '1')
      await run.ok('write', 'shared:/bob', '1', '--actor', 'bob')
      expect(await run.json('undo', 'shared', '--actor', 'alice')).toMatchObject({ state: 'undone', undone: [{ actor: 'alice' }] })
      expect(readdirSync(at).sort()).toEqual(['bob', 'mounter'])
      const actors = (await run.json<Array<{ kind: string; actor: string }>>('log', 'shared')).filter(({ kind }) => kind === 'auto').map(({ actor }) => actor)
      expect(actors).toEqual(['bob', 'mounter', 'alice'])
      writeFileSync(`${at}/new`, '1')
      expect((await run.ok('log', 'shared', '--names')).split('\n').slice(0, 2)).toEqual(['now         in no commit yet     +1', '  A /new'])
      // Names are enough here, of what is gone too.
      const inside = (...argv: string[]) => run.spawned(argv, { cwd: at })
      expect((await inside('log', 'bob')).out).toContain('bob')
      expect((await inside('restore', 'bob')).code).toBe(0)
      expect((await inside('versions', 'alice')).out).toContain('deleted')
      expect((await inside('diff', 'shared', '--', 'nothing')).code).toBe(0)
      await run.ok('unmount', 'shared')
    },
    SLOW_MS,
  )

  test(
    'a diff from a state of the past and a checkpoint have what a program wrote through a mapping',
    async () => {
      const at = run.path('mapped')
      await run.ok('init', 'mapped')
      await run.ok('mount', 'mapped', at)
      const size = 32 * 1024 * 1024
      writeFileSync(`${at}/f`, Buffer.alloc(size))
      await run.ok('checkpoint', 'save', 'mapped', 'before')
      const write = `import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); m[:] = b'x' * len(m); print('done', flush=True); sys.stdin.read()`
      const writer = spawn('python3', ['-c', write, `${at}/f`], { stdio: ['pipe', 'pipe', 'inherit'] })
      await once(writer.stdout, 'data')
      expect(await run.cairn('diff', 'mapped@before')).toMatchObject({ code: 1, out: expect.stringMatching(/^M \/f /) })
      await run.ok('checkpoint', 'save', 'mapped', 'after')
      expect((await run.ok('cat', 'mapped@after:/f')).replaceAll('x', '')).toBe('')
      writer.stdin.end()
      await once(writer, 'exit')
      await run.ok('unmount', 'mapped')
    },
    SLOW_MS,
  )

  test(
    'inside it plain paths are enough',
    async () => {
      const at = run.path('plain')
      await run.ok('mount', 'work', at)
      mkdirSync(`${at}/sub`)
      const inside = (...argv: string[]) => run.spawned(argv, { cwd: `${at}/sub` })
      expect((await inside('where')).out).toBe('work:/sub\n')
      expect((await inside('write', 'note', 'here')).code).toBe(0)
      expect((await inside('ls')).out).toBe('note\n')
      expect((await inside('cat', '../sub/note')).out).toBe('here\n')
      expect((await inside('mv', 'note', 'renamed')).code).toBe(0)
      expect((await inside('rm', './renamed')).code).toBe(0)
      expect((await inside('rm', '/etc/hostname')).code).toBe(2)
      expect((await inside('checkpoint', 'save', '.', 'inside')).out).toBe('Saved work@inside.\n')
      expect((await inside('cat', 'work@inside:/from-mount')).code).toBe(0)
      await run.ok('unmount', at)
    },
    SLOW_MS,
  )

  test(
    'nothing is copied into or over itself, however the two are spelled',
    async () => {
      const at = run.path('copied', 'mnt')
      await run.ok('mount', 'work', at)
      mkdirSync(`${at}/tree`)
      writeFileSync(`${at}/tree/f`, 'whole')
      for (const [from, to] of [
        ['work:/tree', `${at}/tree/in`],
        [`${at}/tree`, 'work:/tree/in'],
        [`${at}/tree`, `${at}/tree/../tree/in`],
      ]) {
        expect(await run.cairn('cp', '-r', from, to)).toMatchObject({ code: 1, err: expect.stringMatching(/into itself/) })
      }
      expect((await run.cairn('cp', 'work:/tree/f', `${at}/tree/f`)).err).toMatch(/same file/)
      expect((await run.cairn('cp', `${at}/tree/f`, 'work:/tree')).err).toMatch(/same file/)
      expect(readFileSync(`${at}/tree/f`, 'utf8')).toBe('whole')
      expect(readdirSync(`${at}/tree`)).toEqual(['f'])
      // A folder of the host that holds the mount.
      expect(await run.cairn('cp', '-r', run.path('copied'), 'work:/outer')).toMatchObject({ code: 1, err: expect.stringMatching(/into itself/) })
      expect(readdirSync(`${at}/outer/mnt`)).not.toContain('outer')
      await run.ok('rm', '-r', 'work:/tree', 'work:/outer')
      await run.ok('unmount', at)
    },
    SLOW_MS,
  )

  test(
    'the lines of the README, pasted into a shell',
    async () => {
      const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
      const lines = /```sh\n([^`]*cairn init work[^`]*)```/.exec(readme)?.[1] ?? 'false'
      mkdirSync(run.path('readme'))
      const env = { ...run.env, CAIRN_HOME: run.path('readme-home'), PATH: `${dirname(launcher)}:${process.env['PATH']}` }
      const out = execFileSync('bash', ['-c', lines], { cwd: run.path('readme'), env, encoding: 'utf8' })
      expect(out).toContain('Forked work to experiment.')
      expect(out).toContain('A /notes.md\n')
      expect(out).toMatch(/-rw-r--r-- .* package\.json\nUnmounted work\.\n$/)
      await cleanUp(run.path('readme-home'), undefined)
    },
    SLOW_MS,
  )

  test(
    'a copy goes on when the server is killed under it',
    async () => {
      const at = run.path('killed')
      await run.ok('mount', 'work', at)
      mkdirSync(run.path('many'))
      for (let i = 0; i < 1500; i++) writeFileSync(run.path('many', `${i}`), `${i}`)
      const copying = run.spawned(['cp', '-r', run.path('many'), 'work:/many'])
      while (!existsSync(`${at}/many/100`)) await nextTurn()
      const { serverPid } = JSON.parse(readFileSync(`${run.home}/run/supervisor.json`, 'utf8')) as { serverPid: number }
      process.kill(serverPid, 'SIGKILL')
      expect(await copying).toEqual({ code: 0, out: '', err: '' })
      for (let i = 0; i < 1500; i++) expect(readFileSync(`${at}/many/${i}`, 'utf8')).toBe(`${i}`)
      await run.ok('rm', '-r', 'work:/many')
      await run.ok('unmount', at)
    },
    SLOW_MS,
  )

  test(
    'commands to a server that hangs say so',
    async () => {
      const at = run.path('hangs')
      await run.ok('mount', 'work', at)
      const { serverPid } = JSON.parse(readFileSync(`${run.home}/run/supervisor.json`, 'utf8')) as { serverPid: number }
      process.kill(serverPid, 'SIGSTOP')
      try {
        const commands = [['status'], ['ls', 'work:/'], ['write', 'work:/x', 'text'], ['fork', 'work', 'other'], ['unmount', 'work'], ['volumes']]
        const ended = await Promise.all(commands.map(command => run.spawned(command)))
        for (const { code, err } of ended) expect([code, err]).toEqual([1, expect.stringContaining(`kill -9 ${serverPid}`)])
      } finally {
        process.kill(serverPid, 'SIGCONT')
      }
      await run.ok('unmount', at)
    },
    SLOW_MS,
  )

  test(
    'mount . says to run cd .',
    async () => {
      mkdirSync(run.path('here'))
      const { out } = await run.spawned(['mount', 'work', '.'], { cwd: run.path('here'), env: { PWD: run.path('here') } })
      expect(out).toContain('cd .')
      await run.ok('unmount', run.path('here'))
    },
    SLOW_MS,
  )

  test(
    'a part of it, read-only',
    async () => {
      const at = run.path('part')
      await run.ok('mkdir', '-p', 'work:/part')
      await run.ok('write', 'work:/part/f', 'x')
      await run.ok('mount', 'work:/part', at, '--read-only')
      expect(readdirSync(at)).toEqual(['f'])
      expect(() => writeFileSync(`${at}/g`, '')).toThrow(/EROFS/)
      const { code, err } = await run.cairn('rm', `${at}/f`)
      expect([code, err]).toEqual([1, expect.stringMatching(/read-only/)])
      await run.ok('unmount', at)
    },
    SLOW_MS,
  )

  test(
    'refuses a file, a full folder, a second place, a path inside itself',
    async () => {
      writeFileSync(run.path('afile'), '')
      mkdirSync(run.path('full'))
      writeFileSync(run.path('full/x'), '')
      const at = run.path('first')
      expect((await run.cairn('mount', 'work', run.path('afile'))).err).toMatch(/not a directory/)
      expect((await run.cairn('mount', 'work', run.path('full'))).err).toMatch(/not empty/)
      expect((await run.cairn('mount', 'nope', run.path('elsewhere'))).err).toMatch(/no volume 'nope'/)
      await run.ok('mount', 'work', at)
      expect((await run.cairn('mount', 'work', run.path('second'))).err).toContain(at)
      expect((await run.cairn('mount', 'work', `${at}/inside`)).code).toBe(1)
      expect((await run.cairn('mount', 'work', run.home)).code).toBe(1)
      await run.ok('unmount', 'work')
    },
    SLOW_MS,
  )

  test(
    '--foreground stays until it is told to end, then unmounts',
    async () => {
      const at = run.path('fore')
      const child = spawn(process.execPath, [launcher, 'mount', 'work', at, '--foreground'], { env: run.env, stdio: ['ignore', 'pipe', 'ignore'] })
      const ended = once(child, 'close')
      await once(child.stdout, 'data')
      expect(cairnMounts().some(mount => mount.path === at)).toBe(true)
      child.kill('SIGTERM')
      expect((await ended)[0]).toBe(0)
      expect(cairnMounts().some(mount => mount.path === at)).toBe(false)
    },
    SLOW_MS,
  )
})

describe('cairn demo', () => {
  const leftovers = () => readdirSync(tmpdir()).filter(name => name.startsWith('cairn-demo-')).length

  test(
    'shows every step and leaves nothing',
    async () => {
      const before = leftovers()
      const { code, out, err } = await run.spawned(['demo', '--json'])
      expect([code, err]).toEqual([0, ''])
      const report = JSON.parse(out) as { ok: boolean; mounted: boolean; steps: Array<{ step: string; ms: number }> }
      expect(report).toMatchObject({ ok: true, mounted: possible })
      const steps = report.steps.map(one => one.step).join('\n')
      for (const word of ['kill -9', 'compare every file', 'checkpoint', 'fork', 'diff']) expect(steps).toContain(word)
      expect(leftovers()).toBe(before)
    },
    SLOW_MS,
  )

  test.skipIf(!possible || process.getuid?.() !== 0)(
    'does the rest in process where /dev/fuse is something else',
    async () => {
      const hidden = ['-m', 'bash', '-c', 'mount --bind /dev/null /dev/fuse && exec "$0" "$@"', process.execPath, launcher]
      const report = JSON.parse(execFileSync('unshare', [...hidden, 'demo', '--json'], { env: run.env, encoding: 'utf8' })) as Record<string, unknown>
      expect(report).toMatchObject({ ok: true, mounted: false, reason: expect.stringMatching(/not the FUSE device/) })
      const { stdout, status } = spawnSync('unshare', [...hidden, 'doctor', '--json'], { env: run.env, encoding: 'utf8' })
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, mountSupport: { found: false, fix: expect.any(String) }, storageBackend: { found: true } })
      expect(status).toBe(1)
    },
    SLOW_MS,
  )

  test(
    'cleans up on Ctrl-C',
    async () => {
      const before = leftovers()
      const child = spawn(process.execPath, [launcher, 'demo'], { env: run.env, stdio: ['ignore', 'pipe', 'ignore'] })
      const ended = once(child, 'close')
      let out = ''
      child.stdout.on('data', text => {
        out += text
        if (out.includes('make a volume')) child.kill('SIGINT')
      })
      expect((await ended)[0]).toBe(130)
      expect(leftovers()).toBe(before)
      expect(existsSync('/proc/self/mountinfo') && cairnMounts().some(mount => mount.path.includes('cairn-demo-'))).toBe(false)
    },
    SLOW_MS,
  )
})
