import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, describe, expect, it } from 'vitest'
import type { CairnError } from '../errors.js'
import { Bubblewrap, type SandboxOptions } from './bubblewrap.js'
import { ControlGroup, usedSecondsIn } from './control-group.js'
import { KeptTree } from './kept-tree.js'
import { PlainGroup, PlainNamespace } from './plain.js'
import { processesWith } from './processes.js'
import { type Ended, type RunOptions, runCommand } from './run.js'
import { seccompProgram } from './seccomp.js'
import { systemFolders } from './system-folders.js'
import { findTools, tryUnshare } from './tools.js'
import { WORKSPACE } from './tree-places.js'
import type { Enclosure } from './types.js'

const tools = process.platform === 'linux' ? await findTools() : {}
const folder = mkdtempSync(join(tmpdir(), 'cairn-run-'))
const seccompFile = join(folder, 'seccomp')
writeFileSync(seccompFile, seccompProgram() ?? '')
afterAll(() => rmSync(folder, { recursive: true }))
let marks = 0

/** Undefined for who may not keep one. */
async function treeOf(options: Pick<SandboxOptions, 'program' | 'ownUsers' | 'hidden'>): Promise<{ tree: KeptTree; stamp: string } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const made = new KeptTree()
  for (let tries = 0; tries < 500; tries++) {
    const { program, ownUsers, hidden } = options
    const room = made.take({ program, ownUsers, system: systemFolders(), hidden, stamp: '' }, folder, true)
    room?.release()
    if (room !== undefined) return { tree: made, stamp: '' }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return undefined
}
const tried = ControlGroup.make({ cpuSeconds: 1 })
const countsTime = tried?.bounds('cpuSeconds') === true
await tried?.remove()

/** Each way to run a command, where this machine has it; `mark` is in the environment of all that comes of it. */
const enclosures: Array<[name: string, make: (mark: string) => Enclosure]> = [['a process group', mark => new PlainGroup(mark, tools.setpriv)]]
const { namespace, bubblewrap } = tools
if (namespace !== undefined) enclosures.push(['a namespace of processes', () => new PlainNamespace(namespace)])
// The same where nothing was compiled.
const unshared = namespace !== undefined && 'start' in namespace ? await tryUnshare(namespace.asUser) : undefined
if (unshared !== undefined) enclosures.push(['a namespace of programs of the system', () => new PlainNamespace(unshared)])
if (bubblewrap !== undefined) {
  const { path: program, ...can } = bubblewrap
  const options = { program, ...can, workspace: folder, readOnly: false, network: 'none' as const, seccompFile, hidden: [] }
  enclosures.push(['bubblewrap', () => new Bubblewrap(options)])
  // The same where nothing was compiled.
  const { start: _, ...withoutStart } = options
  if (options.start !== undefined) enclosures.push(['bubblewrap and sh', () => new Bubblewrap(withoutStart)])
  const tree = await treeOf(options)
  if (tree !== undefined) {
    enclosures.push(['bubblewrap with a tree that is kept', () => new Bubblewrap({ ...options, kept: tree })])
    afterAll(() => tree.tree.end())
  }
}

describe.each(enclosures)('a command in %s', (name, make) => {
  const cwd = name.startsWith('bubblewrap') ? WORKSPACE : folder
  async function run(script: string, options: Partial<RunOptions> = {}): Promise<Ended> {
    const mark = `CAIRN_TEST_MARK=${process.pid}-${++marks}`
    const [key, value] = mark.split('=')
    const env = { PATH: '/usr/bin:/bin', [key]: value }
    const ended = await runCommand({ program: 'sh', args: ['-c', script], cwd, env }, { enclosure: make(mark), ...options })
    expect(processesWith(mark)).toEqual([])
    return ended
  }

  it('tells its exit code and both outputs apart, byte for byte', async () => {
    const ended = await run('printf "a\\000\\377"; printf b >&2; exit 7')
    expect(ended).toMatchObject({ exitCode: 7, signal: null, timedOut: false, aborted: false })
    expect(ended.stdout.bytes()).toEqual(Buffer.from([0x61, 0, 0xff]))
    expect(ended.stderr.bytes().toString()).toBe('b')
  })

  it('names the signal that ended it, and says nothing of its own', async () => {
    const ended = await run('kill -SEGV $$')
    expect(ended).toMatchObject({ exitCode: 139, signal: 'SIGSEGV' })
    expect(ended.stderr.bytes().toString()).toBe('')
  })

  it('reads what it is given, bytes or a stream', async () => {
    const sent = Buffer.from([0, 1, 255, 10])
    expect((await run('cat', { stdin: sent })).stdout.bytes()).toEqual(sent)
    expect((await run('cat', { stdin: Readable.from([sent, sent]) })).stdout.bytes()).toEqual(Buffer.concat([sent, sent]))
    // Nobody reads it, and nothing breaks.
    expect((await run('exit 3', { stdin: Buffer.alloc(1 << 20) })).exitCode).toBe(3)
    expect((await run('cat')).stdout.totalBytes).toBe(0)
  })

  it('tells output as it comes', async () => {
    const seen: string[] = []
    const input = new Readable({ read() {} })
    const ended = run('echo one; read answer; echo $answer', {
      stdin: input,
      onStdout: chunk => {
        seen.push(chunk.toString())
        // The first line came while the command still waits for this.
        if (seen.length === 1) input.push('two\n')
      },
    })
    expect((await ended).exitCode).toBe(0)
    expect(seen.join('')).toBe('one\ntwo\n')
  })

  it('is read no further while whoever is told asks it to wait', async () => {
    let isHeld = false
    let heldWhenTold = 0
    let bytes = 0
    // It lives until all is read: what is left in the pipe at its end is read at once.
    const stdin = new PassThrough()
    const ended = await run('head -c 1000000 /dev/zero; read line', {
      stdin,
      onStdout: async chunk => {
        if (isHeld) heldWhenTold++
        bytes += chunk.length
        if (bytes === 1_000_000) stdin.end('go\n')
        isHeld = true
        for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
        isHeld = false
      },
    })
    expect(ended.exitCode).toBe(0)
    expect([bytes, heldWhenTold]).toEqual([1_000_000, 0])
  })

  it('keeps head and tail of huge output', async () => {
    const { stdout } = await run('yes 0123456789 | head -c 20000000; echo end', { outputBytes: 1000 })
    expect(stdout.totalBytes).toBe(20_000_004)
    expect(stdout.bytes().length).toBeLessThan(1100)
    expect(stdout.tail.toString()).toMatch(/end\n$/)
  })

  it('is ended when its time is over', async () => {
    expect(await run('sleep 1000', { timeoutMs: 50, graceMs: 20_000 })).toMatchObject({ timedOut: true, aborted: false })
  })

  it('is asked to end by SIGTERM, which it may answer', async () => {
    const abort = new AbortController()
    const wait = 'trap "echo bye; exit 5" TERM; echo go; while :; do sleep 0.05; done'
    const ended = await run(wait, { signal: abort.signal, onStdout: () => abort.abort(), graceMs: 20_000 })
    expect(ended).toMatchObject({ aborted: true, timedOut: false, exitCode: 5 })
    expect(ended.stdout.bytes().toString()).toBe('go\nbye\n')
    expect(await run('sleep 1000', { signal: AbortSignal.abort() })).toMatchObject({ aborted: true })
  })

  it('is killed when it ignores that', async () => {
    const abort = new AbortController()
    const deaf = 'trap "" TERM; (while :; do sleep 1; done) & echo go; while :; do sleep 1; done'
    const ended = await run(deaf, { signal: abort.signal, onStdout: () => abort.abort(), graceMs: 50 })
    expect(ended).toMatchObject({ aborted: true, exitCode: 137, signal: 'SIGKILL' })
  })

  it('leaves nothing behind: daemons that detach, and that hold its output', async () => {
    const started = await run('setsid sleep 1000 & (setsid setsid sleep 1000 >/dev/null 2>&1 &) ; nohup sleep 1000 >/dev/null & echo started')
    expect(started.stdout.bytes().toString()).toBe('started\n')
  })

  it('may use no more memory than it is given', async () => {
    const much = await run('head -c 400m /dev/zero | tail -c 400m | wc -c', { resources: { memoryBytes: 100 * 1024 ** 2 } })
    expect(much.stdout.bytes().toString()).not.toContain('419430400')
  })

  it('may start only so many processes, and a fork bomb ends with it', async () => {
    const many = await run('i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i + 1)); echo $i; done', { resources: { processes: 60 } })
    expect(many.exitCode).not.toBe(0)
    expect(Number(many.stdout.bytes().toString().trim().split('\n').pop())).toBeLessThan(60)
    const bomb = await run('bomb() { bomb | bomb & }; bomb 2>/dev/null & while :; do :; done', { resources: { processes: 60 }, timeoutMs: 500, graceMs: 0 })
    expect(bomb.timedOut).toBe(true)
  })

  it('that does not exist ends with 127', async () => {
    const ended = await runCommand({ program: 'no-such-program', args: [], cwd, env: { PATH: '/usr/bin:/bin' } }, { enclosure: make('X_MARK=1') })
    expect(ended.exitCode).toBe(127)
  })
})

it('may use no more processor time than it is given', async () => {
  const command = { program: 'sh', args: ['-c', 'while :; do :; done'], cwd: folder, env: {} }
  const ended = await runCommand(command, { enclosure: new PlainGroup('X_MARK=1', undefined), resources: { cpuSeconds: 1 } })
  expect(['SIGXCPU', 'SIGKILL']).toContain(ended.signal)
})

it.skipIf(!countsTime)('nor may all that it starts together', async () => {
  const script = "while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'; done"
  const command = { program: 'sh', args: ['-c', script], cwd: folder, env: { PATH: '/usr/bin:/bin' } }
  const ended = await runCommand(command, { enclosure: new PlainGroup('X_MARK=2', undefined), resources: { cpuSeconds: 1 }, timeoutMs: 60_000 })
  expect(ended).toMatchObject({ exitCode: 152, signal: 'SIGXCPU', timedOut: false })
  expect(ended.isWhole('cpuSeconds')).toBe(true)
})

it('reads how much processor time was used from both versions of control groups', () => {
  writeFileSync(join(folder, 'cpuacct.usage'), '1500000000\n')
  writeFileSync(join(folder, 'cpu.stat'), 'nice_usec 7\nusage_usec 2500000\nuser_usec 1\n')
  expect([usedSecondsIn(folder, 1), usedSecondsIn(folder, 2), usedSecondsIn('/no/such', 2)]).toEqual([1.5, 2.5, 0])
})

describe.skipIf(bubblewrap === undefined)('the sandbox', () => {
  const { path: program = '', ownUsers = false, start } = bubblewrap ?? {}
  const options = { program, ownUsers, disablesUsers: false, ...(start === undefined ? {} : { start }) }
  const common = { ...options, workspace: folder, readOnly: false, network: 'none' as const, seccompFile, hidden: [] }
  const sandboxed = (script: string, more: Partial<typeof common> & { readable?: string[] } = {}, env: Record<string, string> = {}): Promise<Ended> =>
    runCommand(
      { program: 'sh', args: ['-c', script], cwd: WORKSPACE, env: { PATH: '/usr/bin:/bin', ...env } },
      { enclosure: new Bubblewrap({ ...common, ...more }) },
    )

  it('shows the workspace as the only tree that can be written', async () => {
    const ended = await sandboxed(
      'echo new > made; for d in / /usr /etc /proc/sys/kernel /dev /run; do touch $d/x 2>/dev/null && echo $d; done; ls -d /root /home /sys 2>/dev/null',
    )
    // What is made in /dev is gone with it.
    expect(ended.stdout.bytes().toString().replace('/dev\n', '')).toBe('')
    expect(readFileSync(join(folder, 'made'), 'utf8')).toBe('new\n')
    expect((await sandboxed('touch other', { readOnly: true } as never)).exitCode).toBe(1)
    expect(existsSync(join(folder, 'other'))).toBe(false)
  })

  it('is told from a failure of its own, in which nothing ran', async () => {
    const failure = (await sandboxed('true', { readable: ['/no/such/folder'] }).catch(error => error)) as CairnError
    expect(failure).toMatchObject({ code: 'ERR_EXEC_START', exitCode: 125 })
    expect(failure.message).toContain('/no/such/folder')
  })

  it('is not led by the environment of the command', async () => {
    const ended = await sandboxed(
      'echo "$SECRET"; cat /proc/self/environ | tr "\\0" "\\n"',
      {},
      { SECRET: 'a=b c', LD_PRELOAD: '/workspace/none.so', BASH_ENV: 'x' },
    )
    const text = ended.stdout.bytes().toString()
    expect(text).toContain('a=b c\n')
    expect(text).not.toContain('HOME=')
  })

  it('hands on no descriptor but the three, nor do those who hold it have any that leads out', async () => {
    const ended = await runCommand(
      {
        program: 'sh',
        args: ['-c', 'cd /proc; for p in [0-9]*; do ls -l $p/fd; done | grep -v -E " [012] -> |pipe:|anon_inode|/dev/null|/proc/|total"'],
        cwd: WORKSPACE,
        env: { PATH: '/usr/bin:/bin' },
      },
      { enclosure: new Bubblewrap(common), resources: { processes: 100, memoryBytes: 2 ** 30 } },
    )
    expect(ended.stdout.bytes().toString()).toBe('')
  })

  it('covers what is hidden', async () => {
    const hidden = [
      { path: '/etc/passwd', isFolder: false },
      { path: '/etc/init.d', isFolder: true },
    ].filter(({ path }) => existsSync(path))
    expect((await sandboxed('cat /etc/passwd; ls /etc/init.d', { hidden } as never)).stdout.totalBytes).toBe(0)
  })
})
