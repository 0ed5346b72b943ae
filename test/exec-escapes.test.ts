import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findTools } from '../src/exec/index.js'
import { processesWith } from '../src/exec/processes.js'
import { Cairn } from '../src/sdk/cairn.js'
import type { ExecOptions, ExecResult, OpenVolume } from '../src/sdk/types.js'
import { limits } from '../src/sys/index.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

const why = whyNoMount() ?? ((await findTools()).bubblewrap === undefined ? 'no bubblewrap' : undefined)

/** Ways out of the sandbox, each of them tried. What must not be reached is really there, outside. */
describe.skipIf(why !== undefined)(`from inside the sandbox${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let home: MountedHome
  let cairn: Cairn
  let volume: OpenVolume
  let outside: string
  let empty: string
  let web: Server

  beforeAll(async () => {
    home = new MountedHome()
    outside = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-outside-')))
    writeFileSync(join(outside, 'secret'), 'the secret')
    empty = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-empty-')))
    cairn = await Cairn.open({ home: home.home, via: 'server' })
    await cairn.createVolume({ name: 'other' })
    const other = await cairn.open('other')
    await other.fs.promises.writeFile('/secret', 'the other secret')
    await cairn.createVolume({ name: 'w' })
    volume = await cairn.open('w')
    web = createServer((_, response) => response.end('the web secret'))
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    web.close()
    await cairn.close()
    await home.end()
    for (const folder of [outside, empty]) rmSync(folder, { recursive: true })
  })

  /** The first is what shows a folder of the host, the second what a program that runs many commands comes to. */
  const ways: Array<[name: string, options: () => ExecOptions & { encoding?: 'utf8' }]> = [
    ['mounted by bubblewrap for itself', () => ({ readable: [empty] })],
    ['that is kept where it can be', () => ({})],
  ]
  const sh = (shell: string, options: ExecOptions & { encoding?: 'utf8' } = {}): Promise<ExecResult> =>
    volume.exec({ shell }, { sandbox: 'strict', ...options })
  const python = (program: string, options: ExecOptions & { encoding?: 'utf8' } = {}): Promise<ExecResult> =>
    volume.exec('python3', ['-c', program], { sandbox: 'strict', ...options })

  it.each(ways)('no path leads to the host: "..", symbolic links, absolute paths, names in /proc (a tree %s)', async (_, way) => {
    const up = '../'.repeat(20)
    const { stdout, stderr } = await sh(
      `
      cat ${up}${outside}/secret; cat ${outside}/secret; ln -s ${outside} link; cat link/secret; echo spoilt > link/secret; echo spoilt > ${up}${outside}/secret
      cat /proc/1/root${outside}/secret /proc/self/root${outside}/secret /proc/self/cwd/..${outside}/secret; ls ${home.home}; ls /root /home /var/lib /sys /mnt /srv`,
      way(),
    )
    expect(stdout).toBe('')
    expect(stderr).toContain('No such file or directory')
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('the secret')
    await volume.fs.promises.rm('/link')
  })

  it.each(ways)('the system cannot be written, nor the settings of the kernel (a tree %s)', async (_, way) => {
    const { stdout } = await python(
      `
import os, pathlib
folders = ['/', '/usr/bin', '/etc', '/opt', '/dev', '/run', '/var', '/proc/sys/kernel']
settings = [str(path) for folder in ('kernel', 'vm', 'fs', 'net') for path in pathlib.Path('/proc/sys/' + folder).rglob('*') if path.is_file()]
for path in [folder.rstrip('/') + '/x' for folder in folders] + settings + ['/proc/sysrq-trigger', '/proc/mtrr', '/etc/passwd', '/bin/sh']:
    try:
        os.close(os.open(path, os.O_WRONLY | (0 if os.path.exists(path) else os.O_CREAT)))
        print(path)
    except OSError: pass
try:
    os.link('/etc/passwd', 'hard')
    print('linked')
except OSError: pass
print(len(settings) > 50)`,
      way(),
    )
    expect(stdout).toBe('True\n')
  })

  it.each(ways)('what takes memory beside its own is bounded: /tmp and /dev/shm (a tree %s)', async (_, way) => {
    const { stdout } = await sh('df -B1 --output=size /tmp /dev/shm | tail -n +2; : > /dev/shm/x && echo written', way())
    expect(stdout.replaceAll(' ', '')).toBe(`${limits.execTemporaryBytes}\n${limits.execTemporaryBytes}\nwritten\n`)
  })

  it.each(['strict', 'none'])('what was open where the command was asked for is not handed on (sandbox %s)', sandbox => {
    const folder = openSync(outside, 'r')
    const more = Array<'ignore'>(27).fill('ignore')
    const options = sandbox === 'none' ? ['--sandbox', 'none'] : ['--sandbox', 'strict']
    const { stdout, status } = spawnSync(
      process.execPath,
      [MountedHome.command, 'exec', 'w', ...options, '--', 'sh', '-c', 'cat /proc/self/fd/30/secret; echo over'],
      {
        env: home.env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe', ...more, folder],
      },
    )
    closeSync(folder)
    expect({ stdout, status }).toEqual({ stdout: 'over\n', status: 0 })
  })

  it.each(ways)('secrets of /etc are covered, whoever runs it (a tree %s)', async (_, way) => {
    const { stdout } = await sh('cat /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh/ssh_host_*_key 2>/dev/null; grep -c root: /etc/passwd', way())
    expect(stdout).toBe('1\n')
  })

  it('other processes are neither seen nor reached', async () => {
    const { server } = home.pids()
    const { stdout } = await sh(
      `ls -d /proc/[0-9]* | wc -l; kill -0 ${server} && echo alive; kill -9 ${process.pid} ${server} && echo killed; ls /proc/${server}/root 2>/dev/null`,
    )
    expect(stdout.split('\n').slice(1).join('')).toBe('')
    expect(Number(stdout.split('\n')[0])).toBeLessThan(10)
    const traced = await python(`
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, ${server}, 0, 0))`)
    expect(traced.stdout).toBe('-1\n')
  })

  it.each(ways)('no more rights are to be had: setuid, capabilities, user namespaces, mounts (a tree %s)', async (_, way) => {
    const { stdout } = await sh(
      `
      grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs)' /proc/self/status | tr -d '\\t '
      cp /bin/sh mine && chmod 4755 mine; ./mine -p -c 'grep ^CapEff /proc/self/status' | tr -d '\\t '
      unshare -U true 2>/dev/null && echo unshared; unshare -m true 2>/dev/null && echo unshared; mount -t tmpfs none /tmp 2>/dev/null && echo mounted
      mkdir -p d; mount --bind / d 2>/dev/null && echo bound; umount /workspace 2>/dev/null && echo unmounted; mknod dev b 8 0 2>/dev/null && cat dev && echo device; chroot / true 2>/dev/null && echo chrooted`,
      way(),
    )
    expect(stdout.trim().split('\n')).toEqual([
      'CapPrm:0000000000000000',
      'CapEff:0000000000000000',
      'CapBnd:0000000000000000',
      'NoNewPrivs:1',
      'CapEff:0000000000000000',
    ])
  })

  it('refused calls are refused', async () => {
    const { stdout } = await python(`
import ctypes, socket, fcntl, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
calls = {'x86_64': [165, 272, 321, 425, 298, 304, 323, 250, 161], 'aarch64': [40, 97, 280, 425, 241, 265, 282, 219, 51]}[platform.machine()]
for call in calls:
    ctypes.set_errno(0)
    if libc.syscall(call, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM: print('call', call, ctypes.get_errno())
for family in (17, 31, 40):
    try: socket.socket(family, socket.SOCK_STREAM); print('family', family)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT: print('family', family, error)
socket.socketpair(); print('done')`)
    expect(stdout).toBe('done\n')
  })

  it('there is no network, and with one only when it is allowed', async () => {
    const { port } = web.address() as AddressInfo
    const ask = `
import urllib.request
try: print(urllib.request.urlopen('http://127.0.0.1:${port}', timeout=5).read().decode())
except OSError as error: print('none')`
    expect((await python(ask)).stdout).toBe('none\n')
    const allowed = await volume.exec('python3', ['-c', ask], { sandbox: 'strict', network: 'allow' })
    expect(allowed).toMatchObject({ stdout: 'the web secret\n', network: 'allow' })
  })

  it.each(ways)('other volumes and the socket of the server are not there (a tree %s)', async (_, way) => {
    const { stdout } = await sh(
      `find / -xdev \\( -type s -o -name '*.sock' -o -name 'server.json' \\) -not -path '/proc/*' 2>/dev/null; ls -A /workspace/.cairn/at 2>/dev/null | grep -c other; cat /proc/mounts | grep -c fuse`,
      way(),
    )
    expect(stdout).toBe('0\n1\n')
  })

  it('nothing stays: daemons, ignored signals, fork bombs, endless output', async () => {
    const { stdout } = await sh('(setsid nohup sh -c "trap \'\' TERM HUP INT; while :; do sleep 1; done" >/dev/null 2>&1 &); echo gone', {
      env: { ESCAPE: '1' },
    })
    expect(stdout).toBe('gone\n')
    const bomb = await sh('bomb() { bomb | bomb & }; bomb 2>/dev/null & while :; do :; done', {
      timeoutMs: 500,
      graceMs: 0,
      processes: 100,
      env: { ESCAPE: '1' },
    })
    expect(bomb.timedOut).toBe(true)
    const flood = await sh('yes', { timeoutMs: 300, graceMs: 0, outputBytes: 4096 })
    expect(flood).toMatchObject({ timedOut: true, truncated: true })
    expect(flood.stdout.length).toBeLessThan(5000)
    expect(processesWith('ESCAPE=1')).toEqual([])
  })

  it('what starts the sandbox has nothing of the environment of the command, such as a library to load', async () => {
    const { stdout } = await sh('tr "\\0" "\\n" < /proc/1/environ | grep -v ^PWD=', { env: { LD_PRELOAD: '/workspace/none.so', BASH_ENV: `${outside}/x` } })
    expect(stdout).toBe('')
  })

  it('a folder that is to be readable does not show that of the volumes, by whatever path', async () => {
    symlinkSync(home.folder, join(outside, 'link'))
    for (const folder of ['/', '/.', '/usr/..', home.home, join(home.home, 'run'), join(outside, 'link'), join(outside, 'link', 'home')])
      await expect(sh('true', { readable: [folder] }), folder).rejects.toMatchObject({ code: 'ERR_EXEC_READABLE', exitCode: 125 })
    const { stdout } = await sh(`ls -A ${home.home}; cat ${outside}/secret`, { readable: [home.folder, `${outside}/./`] })
    expect(stdout).toBe('the secret')
    rmSync(join(outside, 'link'))
  })

  it('the environment of this program is not handed on', async () => {
    const text = execFileSync(process.execPath, [MountedHome.command, 'exec', 'w', '--', 'env'], {
      env: { ...home.env, API_TOKEN: 'the token' },
      encoding: 'utf8',
    })
    expect(text).toContain('CAIRN_EXEC=run-')
    expect(text).not.toContain('the token')
  })
})
