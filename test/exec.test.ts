import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CairnError } from '../src/errors.js'
import { findTools } from '../src/exec/index.js'
import { processesWith } from '../src/exec/processes.js'
import { listFuseMounts } from '../src/fuse/mount.js'
import { Cairn } from '../src/sdk/cairn.js'
import type { AuditRecord, ExecEvent, ExecOptions, LogEntry, OpenVolume } from '../src/sdk/types.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

const reason = whyNoMount()
const hasSandbox = reason === undefined && (await findTools()).bubblewrap !== undefined

/** Changes a file through a mapping, and keeps it mapped until its input ends. */
const MAPPED = `
import mmap, sys
with open('m', 'wb') as f: f.truncate(8192)
f = open('m', 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[0:6] = b'mapped'
print('ready', flush=True)
sys.stdin.read()`

describe.skipIf(reason !== undefined)(`a command in a volume${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let home: MountedHome
  let cairn: Cairn
  let volume: OpenVolume
  let name = ''
  let count = 0

  beforeAll(async () => {
    home = new MountedHome()
    cairn = await Cairn.open({ home: home.home, via: 'server', actor: 'ann' })
  })
  afterAll(async () => {
    await cairn.close()
    await home.end()
  })
  beforeEach(async () => {
    name = `w${++count}`
    await cairn.createVolume({ name })
    volume = await cairn.open(name)
  })

  const sh = (shell: string, options: ExecOptions & { encoding?: 'utf8' } = {}) => volume.exec({ shell }, options)
  const commits = async (): Promise<LogEntry[]> => {
    const all: LogEntry[] = []
    for await (const entry of cairn.log(name)) all.push(entry)
    return all
  }
  const file = (path: string): Promise<string> => volume.fs.promises.readFile(path, 'utf8')

  it('answers with its outputs, exactly what it changed, and the commits before and after', async () => {
    await volume.fs.promises.writeFile('/old', 'old')
    await volume.fs.promises.writeFile('/gone', 'x')
    const result = await volume.exec('sh', ['-c', 'echo out; echo err >&2; mkdir d; echo new > d/new; echo more >> old; rm gone; chmod 600 d/new; exit 4'])
    expect(result).toMatchObject({
      volume: name,
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 4,
      signal: null,
      timedOut: false,
      aborted: false,
      truncated: false,
    })
    expect(result.changes).toEqual([
      { path: '/d', kind: 'created', type: 'directory' },
      { path: '/d/new', kind: 'created', type: 'file', sizeAfter: 4 },
      { path: '/gone', kind: 'deleted', type: 'file', sizeBefore: 1 },
      { path: '/old', kind: 'modified', type: 'file', sizeBefore: 3, sizeAfter: 8 },
    ])
    const [after, before] = await commits()
    expect(after).toMatchObject({
      id: result.commit,
      kind: 'exec',
      exec: result.execId,
      actor: 'ann',
      message: expect.stringMatching(/^exec: sh -c echo out; /),
    })
    expect(before.id).toBe(result.checkpoint)
    await cairn.undo(name, { exec: result.execId })
    expect(await file('/gone')).toBe('x')
    expect(await file('/old')).toBe('old')
    expect(JSON.parse(JSON.stringify(result))).toEqual(result)
  })

  it('tells renames, and nothing when nothing changed', async () => {
    await sh('mkdir d; echo content > d/a')
    expect((await sh('mv d e; mv e/a e/b')).changes).toEqual([
      { path: '/e', kind: 'renamed', from: '/d', type: 'directory' },
      { path: '/e/b', kind: 'renamed', from: '/d/a', type: 'file', sizeBefore: 8, sizeAfter: 8 },
    ])
    const nothing = await sh('cat e/b > /dev/null')
    expect(nothing.changes).toEqual([])
    expect(nothing.commit).toBeUndefined()
  })

  it('records what was not committed before it apart, and what programs have mapped with it', async () => {
    await volume.fs.promises.writeFile('/before', '1')
    const result = await sh(`python3 -c "
import mmap
with open('m', 'wb') as f: f.truncate(8192)
with open('m', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0); m[0:6] = b'mapped'
"`)
    expect(result.changes).toEqual([{ path: '/m', kind: 'created', type: 'file', sizeAfter: 8192 }])
    await cairn.restore(name, { ref: result.checkpoint })
    expect(await volume.fs.promises.readdir('/')).toEqual(['before'])
    await cairn.restore(name, { ref: result.commit })
    expect((await file('/m')).slice(0, 6)).toBe('mapped')
  })

  it('finds what another program has mapped and changed, and does not count it as its own', async () => {
    const { mountpoint } = await cairn.mount({ name, path: join(home.folder, `mnt-${name}`) })
    const mapped = spawn('python3', ['-c', MAPPED], { cwd: mountpoint, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(mapped.stdout, 'data')
    const result = await sh('head -c 6 m; echo 1 > mine')
    expect(result).toMatchObject({ stdout: 'mapped', changes: [{ path: '/mine' }] })
    mapped.stdin.end()
    await once(mapped, 'close')
    await cairn.unmount(mountpoint)
  })

  it('takes its changes back when it fails, if it shall', async () => {
    await sh('echo good > f')
    const failed = await sh('echo bad > f; echo junk > g; false', { rollbackOnFailure: true })
    expect(failed).toMatchObject({ exitCode: 1, rolledBack: true })
    expect(failed.changes.map(({ path }) => path)).toEqual(['/f', '/g'])
    expect(await file('/f')).toBe('good\n')
    expect(await volume.fs.promises.readdir('/')).toEqual(['f'])
    expect((await sh('echo better > f', { rollbackOnFailure: true })).rolledBack).toBeUndefined()
    expect(await file('/f')).toBe('better\n')
  })

  it('works in a fork: merged on success, dropped on failure, kept with conflicts', async () => {
    await sh('echo one > f')
    const merged = await sh('echo two > g', { fork: true })
    expect(merged).toMatchObject({ volume: name, fork: { state: 'merged' }, changes: [{ path: '/g', kind: 'created' }] })
    expect(await file('/g')).toBe('two\n')
    expect(await sh('echo bad > g; exit 9', { fork: true })).toMatchObject({ exitCode: 9, fork: { state: 'dropped' } })
    expect(await file('/g')).toBe('two\n')
    expect(await sh('true', { fork: true })).toMatchObject({ fork: { state: 'unchanged' } })
    let begins = (): void => undefined
    const began = new Promise<void>(resolve => {
      begins = resolve
    })
    const meanwhile = async function* () {
      await began
      await volume.fs.promises.writeFile('/f', 'ours\n')
      yield 'go on\n'
    }
    const kept = await sh('echo theirs > f; echo go; read answer', { fork: true, stdin: Readable.from(meanwhile()), onStdout: () => begins() })
    expect(kept.fork).toMatchObject({ state: 'conflicts', conflicts: [{ path: '/f' }] })
    expect(await file('/f')).toBe('ours\n')
    const names = (await cairn.volumes()).map(one => one.name).filter(one => one.startsWith(`${name}-run`))
    expect(names).toEqual([kept.fork?.volume])
  })

  it('has the directory, the variables and the input that it is given, and nothing of this program', async () => {
    await volume.fs.promises.mkdir('/sub/dir', { recursive: true })
    process.env['SECRET_OF_THIS_PROGRAM'] = 'secret'
    const { stdout } = await sh('pwd; echo "$GREETING"; cat; env', { cwd: '/sub/dir', env: { GREETING: 'hello = you' }, stdin: 'input\n' })
    delete process.env['SECRET_OF_THIS_PROGRAM']
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/\/sub\/dir$/)
    expect(lines.slice(1, 3)).toEqual(['hello = you', 'input'])
    expect(stdout).not.toContain('secret')
  })

  it('loses nothing of what could not be merged from its fork', async () => {
    const onStdout = async (): Promise<void> => void (await cairn.setQuota(name, { bytes: 4096 }))
    const failed = sh('head -c 100000 /dev/zero > f; echo done', { fork: true, onStdout })
    const error = await failed.catch((one: CairnError) => one)
    expect((error as CairnError).message).toMatch(/^The command succeeded, and its work could not be merged: .*quota/)
    expect(error).toMatchObject({ code: 'ERR_EXEC_MERGE', exitCode: 125 })
    const [fork] = /w\d+-run-[0-9a-f]+/.exec((error as CairnError).remedy) ?? ['']
    await cairn.setQuota(name, {})
    expect((await cairn.merge(fork, { into: name })).state).toBe('merged')
    expect((await volume.fs.promises.stat('/f')).size).toBe(100_000)
  })

  it('is told as it goes, and ended when nobody listens any more', async () => {
    const events: ExecEvent[] = []
    for await (const event of volume.execStream({ shell: 'echo one; echo two >&2; echo made > f' })) events.push(event)
    const text = (type: string) => events.map(event => (event.type === type && event.type !== 'result' ? event.data.toString() : '')).join('')
    expect([text('stdout'), text('stderr')]).toEqual(['one\n', 'two\n'])
    expect(events.at(-1)).toMatchObject({ type: 'result', result: { exitCode: 0, changes: [{ path: '/f' }] } })
    for await (const event of volume.execStream({ shell: 'echo started; sleep 1000' }, { env: { STREAMED: '1' } })) {
      expect(event.type).toBe('stdout')
      break
    }
    expect(processesWith('STREAMED=1')).toEqual([])
  })

  it('is ended at its time, and by an abort, and what it did until then is told', async () => {
    expect(await sh('sleep 1000', { timeoutMs: 100 })).toMatchObject({ timedOut: true, changes: [] })
    const abort = new AbortController()
    const ended = await sh('echo other > g; echo go; sleep 1000', { signal: abort.signal, onStdout: () => abort.abort() })
    expect(ended).toMatchObject({ aborted: true, timedOut: false, changes: [{ path: '/g' }] })
  })

  it('keeps bytes that are no text, and says what was left out', async () => {
    const { stdout } = await volume.exec('printf', ['\\377\\000a'], { encoding: 'buffer' })
    expect(stdout).toEqual(Buffer.from([0xff, 0, 0x61]))
    const long = await sh('yes | head -c 1000000', { outputBytes: 1000 })
    expect(long).toMatchObject({ truncated: true, omittedBytes: { stdout: 999_000, stderr: 0 } })
    expect(long.stdout.length).toBeLessThan(1100)
  })

  it('writes all of its output into a file of the volume, within the rules, and through no symbolic link', async () => {
    await volume.fs.promises.mkdir('/logs')
    await volume.fs.promises.symlink('/tmp', '/out')
    const result = await sh('seq 1 2000; echo done >&2', { outputBytes: 100, outputFile: '/logs/all.txt' })
    expect(result).toMatchObject({ truncated: true, outputFile: { path: '/logs/all.txt', bytes: 8898 } })
    expect(result.changes).toMatchObject([{ path: '/logs/all.txt', kind: 'created', sizeAfter: 8898 }])
    expect((await file('/logs/all.txt')).split('\n')).toHaveLength(2002)
    const refused = (outputFile: string, more = {}) => sh('echo ran > ran', { outputFile, ...more }).then(String, (error: CairnError) => error.code)
    expect(await refused('/out/x')).toBe('ERR_EXEC_OUTPUT')
    expect(await refused('/none/x')).toBe('ERR_EXEC_OUTPUT')
    expect(await refused('/logs/../x')).toBe('ERR_EXEC_OPTION')
    expect(await refused('/x', { readOnly: true })).toBe('ERR_EXEC_OPTION')
    await cairn.setPolicy(name, 'version: 1\ndefault: allow\nlimits:\n  readOnly: [logs]\n')
    expect(await refused('/logs/all.txt')).toBe('ERR_EXEC_OUTPUT')
    await cairn.setPolicy(name, null)
    await cairn.setQuota(name, { bytes: 16_384 })
    const { exitCode, outputFile } = await sh('head -c 30000 /dev/zero', { outputFile: '/logs/more' })
    expect({ exitCode, outputFile }).toMatchObject({ exitCode: 0, outputFile: { path: '/logs/more', problem: 'EDQUOT' } })
    await volume.fs.promises.rm('/logs/more')
    expect(await volume.fs.promises.readdir('/')).toEqual(['logs', 'out'])
  })

  it('changes nothing that may not be changed', async () => {
    await sh('echo one > f')
    const result = await sh('echo two > f || echo refused; cat f', { readOnly: true })
    expect(result).toMatchObject({ stdout: 'refused\none\n', changes: [] })
    expect(result.commit).toBeUndefined()
  })

  it('refuses what cannot be, before anything ran', async () => {
    const code = async (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'done',
        (error: CairnError) => error.code,
      )
    expect(await code(sh('true', { actor: 5 as unknown as string }))).toBe('ERR_INVALID_ARG_VALUE')
    expect(await code(sh('true', { timeoutMs: 0 }))).toBe('ERR_EXEC_OPTION')
    expect(await code(sh('true', { timeoutMs: Number.NaN }))).toBe('ERR_EXEC_OPTION')
    expect(await code(sh('true', { env: { 'A=B': 'x' } }))).toBe('ERR_EXEC_OPTION')
    expect(await code(sh(' '))).toBe('ERR_EXEC_OPTION')
    expect(await code(sh('true', { fork: true, readOnly: true }))).toBe('ERR_EXEC_OPTION')
    expect(await code(sh('true', { cwd: '/none' }))).toBe('ERR_EXEC_CWD')
    expect(await code(sh('true', { cwd: '../..' }))).toBe('ERR_EXEC_CWD')
    await volume.fs.promises.symlink('/etc', '/out')
    expect(await code(sh('true', { cwd: '/out' }))).toBe('ERR_EXEC_CWD')
    expect(await code(volume.exec('no-such-program'))).toBe('ERR_EXEC_PROGRAM')
    expect(await code(volume.exec('./no-such-script'))).toBe('ERR_EXEC_PROGRAM')
    await expect(volume.exec('no such-program')).rejects.toMatchObject({ code: 'ERR_EXEC_PROGRAM', remedy: expect.stringContaining('--shell') })
    await expect(volume.exec('echo', 'a b' as unknown as string[])).rejects.toMatchObject({ message: 'That is no command.' })
    expect(await code(cairn.exec('no-such-volume', 'true'))).toBe('ERR_VOLUME_UNKNOWN')
    expect(await code(sh('true', { sandbox: 'none', network: 'none' }))).toBe('ERR_SANDBOX_NETWORK')
    expect(await code(sh('true', { readable: ['/no/such/folder'] }))).toBe('ERR_EXEC_READABLE')
    expect(await code(volume.at('~0').then(past => past.exec('true')))).toBe('ERR_EXEC_PAST')
    expect(listFuseMounts().filter(({ path }) => path.startsWith(home.home))).toEqual([])
  })

  it('is told apart from another one that runs in the same volume', async () => {
    const results = await Promise.all(['a', 'b', 'c'].map(one => sh(`echo ${one} > ${one}`)))
    expect(results.map(({ changes }) => changes.map(({ path }) => path))).toEqual([['/a'], ['/b'], ['/c']])
  })

  it('races: the highest score is merged, and nothing of the others, nor of the scoring', async () => {
    await sh('echo 0 > f')
    const attempts = ['echo 5 > f; touch a', 'echo 9 > f; touch b', 'echo 99 > f; exit 1', 'echo none > f']
    const result = await volume.race([...attempts, { program: 'no-such-program', args: [] }], { score: 'touch scored; echo score:; cat f', jobs: 2 })
    expect(result.winner).toBe(1)
    expect(result.merge?.state).toBe('merged')
    expect(result.attempts.map(({ score }) => score)).toEqual([5, 9, undefined, undefined, undefined])
    expect(result.attempts.map(({ error }) => error?.code)).toEqual([undefined, undefined, undefined, 'ERR_RACE_SCORE', 'ERR_EXEC_PROGRAM'])
    expect(await file('/f')).toBe('9\n')
    expect((await volume.fs.promises.readdir('/')).sort()).toEqual(['b', 'f'])
    expect((await cairn.volumes()).filter(one => one.name.startsWith(`${name}-`))).toEqual([])
    const told = (await volume.audit({ limit: 1 })[Symbol.asyncIterator]().next()).value
    const shown = {
      race: result.raceId,
      winner: 1,
      state: 'merged',
      attempts: [{ command: attempts[0], score: 5, exit: 0 }, { score: 9 }, { exit: 1 }, {}, {}],
    }
    expect(told).toMatchObject({ kind: 'race', actor: 'ann', exec: result.attempts[1].result?.execId, after: result.merge?.commit, detail: shown })
  })

  it('races without a score for who is there first, and keeps all forks where it shall', async () => {
    const result = await volume.race(['false', 'echo one > f', 'exit 3'], { merge: 'none' })
    expect(result.winner).toBe(1)
    expect(result.merge).toBeUndefined()
    expect(await volume.fs.promises.readdir('/')).toEqual([])
    expect((await cairn.volumes()).filter(one => one.name.startsWith(`${name}-race`)).length).toBe(3)
    expect((await volume.race(['false', 'exit 2'])).winner).toBeUndefined()
  })

  it('is judged by the policy of the volume, which also bounds it, and tells why it says no', async () => {
    await cairn.setPolicy(
      name,
      `version: 1
default: deny
rules:
  - name: no pushing
    match: {program: git, args: ['push', '**']}
    effect: deny
    reason: Nothing leaves this volume.
  - name: small work
    match: {program: [echo, cat, sleep, sh]}
    effect: allow
    limits: {timeout: 2s, output: 200}
`,
    )
    const long = await volume.exec('sleep', ['1000'], { timeoutMs: 100_000 })
    expect(long).toMatchObject({ timedOut: true, decision: { effect: 'allow', rule: 'small work' } })
    expect(await volume.exec('echo', ['x'.repeat(5000)])).toMatchObject({ truncated: true, network: 'none' })
    const denied = async (work: Promise<unknown>): Promise<CairnError> =>
      work.then(
        () => expect.fail('it ran'),
        (error: CairnError) => error,
      )
    expect(await denied(volume.exec('git', ['push', 'origin']))).toMatchObject({
      code: 'ERR_EXEC_DENIED',
      exitCode: 126,
      message: expect.stringContaining('Nothing leaves'),
    })
    expect((await denied(sh('echo made > f && git push origin'))).code).toBe('ERR_EXEC_DENIED')
    expect((await denied(volume.exec('echo', ['x'], { network: 'allow' }))).code).toBe('ERR_EXEC_DENIED')
    expect(await volume.fs.promises.readdir('/')).toEqual([])
    const entries: AuditRecord[] = []
    for await (const entry of volume.audit({ limit: 3 })) entries.push(entry)
    expect(entries.map(({ decision }) => decision?.effect)).toEqual(['deny', 'deny', 'deny'])
    expect(entries[1]).toMatchObject({ kind: 'exec', shell: 'echo made > f && git push origin', decision: { rule: 'no pushing' }, exit: null })
  })

  it('waits for a person where the policy asks one', async () => {
    await cairn.setPolicy(name, 'version: 1\ndefault: allow\nrules: [{match: {program: touch}, effect: ask, reason: Is it wanted?}]\n')
    const asked = volume.exec('touch', ['f'])
    for await (const { id, volume: of } of cairn.approvals.watch()) {
      if (of !== name) continue
      await cairn.approvals.approve(id, { reason: 'It is.' })
      break
    }
    expect((await asked).decision).toEqual({ effect: 'ask', rule: 'rule 1', reason: 'It is.', by: 'ann' })
    const refused = volume.exec('touch', ['g'], { onAsk: () => ({ approved: false, reason: 'Not now.' }) })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_EXEC_DENIED', message: expect.stringContaining('Not now.') })
    expect(await volume.fs.promises.readdir('/')).toEqual(['f'])
    const gone = new AbortController()
    const left = volume.exec('touch', ['h'], { signal: gone.signal, onAsk: () => gone.abort(new Error('left')) as undefined })
    await expect(left).rejects.toThrow('left')
    const { value: entry } = await volume.audit({ limit: 1 })[Symbol.asyncIterator]().next()
    expect(entry).toMatchObject({ decision: { effect: 'deny', reason: 'Whoever asked went away before anybody answered.' }, exit: null })
    // Its rule is written before it runs, and holds for the next.
    const always = await volume.exec('touch', ['i'], { env: { A: 'a secret' }, onAsk: () => ({ approved: true, always: true }) })
    expect(always).toMatchObject({ exitCode: 0, decision: { rule: 'approved touch' } })
    expect((await volume.exec('touch', ['i'])).decision).toMatchObject({ effect: 'checkpoint', rule: 'approved touch' })
    expect(JSON.stringify(await cairn.approvals.list({ all: true }))).not.toContain('a secret')
  })

  it('does not see what the policy hides, nor change what it protects, whatever it is called later', async () => {
    await volume.fs.promises.writeFile('/.env', 'KEY=secret')
    await volume.fs.promises.writeFile('/kept', 'kept')
    await cairn.setPolicy(name, 'version: 1\ndefault: allow\nunknown: allow\nlimits: {hidden: [.env], readOnly: [kept]}\n')
    // What stands in a script no policy reads.
    const script =
      'cat .env; ls .env; echo x > .env; echo x > kept; rm -f kept; mv kept away; cat kept; ln kept link && echo x > link; echo mine > own; mkdir d; mv own d/.env; ls d'
    await volume.fs.promises.writeFile('/script', script)
    expect((await volume.exec('sh', ['./script'])).stdout).toBe('kept')
    expect(await file('/.env')).toBe('KEY=secret')
    expect(await file('/kept')).toBe('kept')
  })

  it('is in the audit with what it was, did and changed', async () => {
    const result = await sh('echo one > f; exit 2', { reason: 'to see', actor: 'robot' })
    const entry = (await volume.audit({ exec: result.execId })[Symbol.asyncIterator]().next()).value
    expect(entry).toMatchObject({
      kind: 'exec',
      actor: 'robot',
      exit: 2,
      changes: { created: 1 },
      bytes: 4,
      paths: ['/f'],
      reason: 'to see',
      before: result.checkpoint,
      after: result.commit,
    })
  })

  it('is in the audit of the volume, too, when it worked in a fork', async () => {
    const result = await sh('echo one > f', { fork: true })
    const entry = (await volume.audit({ exec: result.execId })[Symbol.asyncIterator]().next()).value
    expect(entry).toMatchObject({ kind: 'exec', exit: 0, after: result.commit, detail: { fork: result.fork?.volume, state: 'merged' } })
    expect((await commits())[0]).toMatchObject({ id: result.commit, kind: 'merge', exec: result.execId })
    await cairn.undo(name, { exec: result.execId })
    expect(await volume.fs.promises.readdir('/')).toEqual([])
  })

  it('runs without a sandbox where that is asked for, and says so', async () => {
    const result = await sh('pwd; echo plain > f', { sandbox: 'none' })
    expect(result).toMatchObject({ sandbox: 'none', network: 'allow', changes: [{ path: '/f' }] })
    expect(result.stdout).not.toBe('/workspace\n')
  })

  it.skipIf(!hasSandbox)('sees a folder of this host when it is shown one', async () => {
    const folder = join(home.folder, `shown-${count}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'f'), 'from the host')
    const result = await sh(`cat ${folder}/f; echo x > ${folder}/g`, { readable: [folder] })
    expect(result.stdout).toBe('from the host')
    expect(existsSync(join(folder, 'g'))).toBe(false)
    rmSync(folder, { recursive: true })
  })

  it('goes on when the server is killed, and is recorded once', async () => {
    const stdin = new PassThrough()
    const result = await sh('echo 1 > a; echo ready; read line; echo 2 > b', {
      stdin,
      onStdout: () => void home.killServer().then(() => stdin.end('go\n')),
    })
    expect(result.changes.map(({ path }) => path)).toEqual(['/a', '/b'])
    const entries: AuditRecord[] = []
    for await (const entry of volume.audit({ exec: result.execId })) entries.push(entry)
    expect(entries).toMatchObject([{ exit: 0, changes: { created: 2 }, after: result.commit }])
  })
})
