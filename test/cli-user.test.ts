import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { whyNoMount } from './support/mounted-home.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const NOBODY = 65534
const SLOW_MS = 120_000

/** Only root can be somebody else. */
const skipped = whyNoMount() !== undefined || process.getuid?.() !== 0

/** Of the user: an installation and Node, which may be in folders that are closed to others, and a home. */
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-user-'))
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(root, part), join(folder, 'installed', part), { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const part of [...Object.keys(dependencies), '@koromix']) {
    cpSync(join(root, 'node_modules', part), join(folder, 'installed/node_modules', part), { recursive: true, dereference: true })
  }
  copyFileSync(process.execPath, join(folder, 'node'))
  chmodSync(join(folder, 'node'), 0o755)
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'user'))
  chownSync(join(folder, 'user'), NOBODY, NOBODY)
})

afterEach(() => {
  try {
    const { pid, serverPid } = JSON.parse(readFileSync(join(folder, 'user/.cairn/run/supervisor.json'), 'utf8')) as { pid: number; serverPid: number }
    for (const one of [pid, serverPid]) process.kill(one, 'SIGKILL')
  } catch {
    // It ended by itself, or never began.
  }
  rmSync(folder, { recursive: true, force: true })
})

/** A script of that user, in a namespace of its own, in which the device has this mode. Says every exit code that is not 0. */
function asUser(deviceMode: string, script: string): string {
  const commands = `cd ~; cairn() { "${folder}/node" "${folder}/installed/bin/cairn" "$@" 2>&1 || echo "exit $?"; }; ${script}`
  const become = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`
  const device = `mknod -m ${deviceMode} ${folder}/fuse c 10 229 && mount --bind ${folder}/fuse /dev/fuse`
  return execFileSync('unshare', ['-m', 'sh', '-c', `${device} && exec ${become} bash -c "$0"`, commands], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: join(folder, 'user') },
  })
}

describe.skipIf(skipped)('an ordinary user', () => {
  test(
    'mounts through fusermount3, works there, and unmounts',
    () => {
      const out = asUser(
        '666',
        `cairn init work; cairn mount work ./w; echo one > w/file; stat -c '%u %a' w w/file; cairn cat work:/file
        cairn doctor --json | grep -A1 '"fuse\\|"fusermount3' | grep -c true; cairn status; cairn unmount work; ls w; cairn cat work:/file
        cairn exec work -- sh -c 'id -u; echo two >> file; cat file; chmod 600 file'; cairn undo work --exec "$(cairn audit work --limit 1 --json | grep -o 'run-[0-9a-f]*' | head -1)" --json | grep -c '"state": "undone"'`,
      )
      expect(out.split('\n')).toEqual([
        expect.stringMatching(/^Created the volume work/),
        expect.stringMatching(/^work is mounted at .*\/user\/w\.$/),
        `${NOBODY} 755`,
        `${NOBODY} 644`,
        'one',
        '2',
        expect.stringMatching(/^Home: /),
        expect.stringMatching(/^Server: .* 1 mount$/),
        expect.stringMatching(/^work: /),
        expect.stringMatching(/^ {2}at .*\/user\/w$/),
        'Unmounted work.',
        'one',
        `${NOBODY}`,
        'one',
        'two',
        '1',
        '',
      ])
    },
    SLOW_MS,
  )

  test(
    'who may not open the device is told how to change that, by mount and by doctor',
    () => {
      const out = asUser('600', 'cairn init work; cairn mount work ./w; cairn doctor | grep -A1 "fuse:"')
      expect(out.split('\n').slice(1)).toEqual([
        expect.stringMatching(/^cairn: \/dev\/fuse cannot be opened: EACCES\..*chmod 666/),
        'exit 1',
        expect.stringMatching(/fuse: \/dev\/fuse cannot be opened \(EACCES\)/),
        expect.stringMatching(/chmod 666 \/dev\/fuse/),
        '',
      ])
    },
    SLOW_MS,
  )
})
