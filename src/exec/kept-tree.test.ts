import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { entry } from '../sys/index.js'
import { endOf } from './children.js'
import { KeptTree, type TreeLayout, treeWords } from './kept-tree.js'
import { systemFolders } from './system-folders.js'
import { findTools, programAt } from './tools.js'
import type { Room } from './types.js'

const isRoot = process.platform === 'linux' && process.getuid?.() === 0
const { bubblewrap } = isRoot ? await findTools() : {}
// Below /tmp a sandbox would not show it.
const folder = realpathSync(mkdtempSync(join(isRoot ? '/run' : tmpdir(), 'cairn-tree-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const tree = new KeptTree()
afterAll(() => tree.end())
const secret = join(folder, 'secret')

/** A system with one folder more, which has a secret. */
function layout(stamp: string): TreeLayout {
  const system = systemFolders()
  return {
    program: bubblewrap?.path ?? '',
    ownUsers: bubblewrap?.ownUsers ?? false,
    system: { ...system, folders: [...system.folders, folder] },
    hidden: [{ path: secret, isFolder: false }],
    stamp,
  }
}

/** Undefined where it cannot be had. */
async function roomIn(layout: TreeLayout): Promise<Room | undefined> {
  for (let tries = 0; tries < 1000; tries++) {
    const room = tree.take(layout, folder, true)
    if (room !== undefined) return room
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return undefined
}

async function output(room: Room, { program, system }: TreeLayout, script: string): Promise<string> {
  const file = join(folder, 'output')
  const fds = [openSync('/dev/null', 'r'), openSync(file, 'w'), openSync('/dev/null', 'w')]
  const args = ['--unshare-pid', '--cap-drop', 'ALL', ...treeWords(system), '--', '/bin/sh', '-c', script]
  const pid = room.spawn({ file: program, args, env: {}, cwd: '/', fds })
  for (const fd of fds) closeSync(fd)
  expect(pid).toBeGreaterThan(0)
  await endOf(pid)
  room.release()
  return readFileSync(file, 'utf8')
}

writeFileSync(secret, 'old secret\n', { mode: 0o600 })
const first = bubblewrap && (await roomIn(layout('first')))
first?.release()
// Files whose tests are all skipped have no end.
if (first === undefined) rmSync(folder, { recursive: true })

describe.skipIf(first === undefined)('the tree that sandboxes of this program share', () => {
  it('covers what is secret again when another file was put in its place', async () => {
    const read = `[ -e ${secret} ] && cat ${secret} 2>/dev/null || echo covered; ls /workspace | grep -c secret`
    const before = layout('before')
    const room = await roomIn(before)
    writeFileSync(`${secret}.new`, 'new secret\n')
    expect(room && (await output(room, before, read))).toBe('covered\n2\n')
    renameSync(`${secret}.new`, secret)
    const after = layout('after')
    expect(tree.take(after, folder, true)).toBeUndefined()
    const next = await roomIn(after)
    expect(next && (await output(next, after, read))).toBe('covered\n1\n')
  })

  it('shows a command its own /tmp, /dev/shm and terminals, and nothing that another one left there', async () => {
    const script =
      'ls -A /tmp /dev/shm; ls /dev/pts; touch /tmp/mine /dev/shm/mine && ls /tmp /dev/shm; for d in / /dev /run /etc /usr /workspace; do touch $d/x && echo $d; done'
    for (let i = 0; i < 2; i++) {
      const same = layout('same')
      const room = await roomIn(same)
      expect(room && (await output(room, same, script))).toBe('/dev/shm:\n\n/tmp:\nptmx\n/dev/shm:\nmine\n\n/tmp:\nmine\n')
    }
  })

  it('gives what it starts the mask of this program', async () => {
    const before = process.umask(0o027)
    try {
      const same = layout('same')
      const room = await roomIn(same)
      expect(room && (await output(room, same, 'umask; ls -ld / /run /var | cut -c1-10'))).toBe('0027\ndrwxr-xr-x\ndrwxr-xr-x\ndrwxr-xr-x\n')
    } finally {
      process.umask(before)
    }
  })

  const unshare = programAt('unshare')
  it.skipIf(unshare === undefined || !existsSync('/etc/passwd'))('mounts nothing that others see, even where mounts are shared with them', () => {
    const script = `
      const [{ KeptTree }, { readFileSync }] = await Promise.all([import(${JSON.stringify(entry('exec/kept-tree'))}), import('node:fs')])
      const look = () => readFileSync('/proc/self/mountinfo', 'utf8') + readFileSync('/etc/passwd', 'utf8')
      const before = look()
      const tree = new KeptTree()
      let room
      while (room === undefined) {
        room = tree.take(${JSON.stringify({ ...layout(''), hidden: [{ path: '/etc/passwd', isFolder: false }] })}, '/usr', true)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      console.log(/ shared:/.test(before), look() === before)
      process.exit(0)`
    const args = ['--mount', '--propagation', 'shared', process.execPath, '--input-type=module', '-e', script]
    const { stdout, stderr } = spawnSync(unshare ?? '', args, { encoding: 'utf8', timeout: 60_000 })
    expect([stdout, stderr]).toEqual(['true true\n', ''])
  })
})
