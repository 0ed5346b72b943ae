import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { allCommands } from '../src/cli/table.js'
import type { DoctorReport } from '../src/sdk/types.js'
import { CliRun, launcher } from './cli-run.js'

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
})
afterAll(() => run.remove())

describe('usage', () => {
  test.each([
    [['lss'], /no command "lss"\. Did you mean ls\?/],
    [['frobnicate'], /no command "frobnicate"\. Run `cairn --help`/],
    [['ls', '--lng'], /no option --lng\. Did you mean --long\?/],
    [['ls', '-Z'], /no option -Z/],
    [['checkpoint', 'sav'], /no command "sav"\. Did you mean save\?/],
    [['cp', 'a'], /needs TARGET/],
    [['rename', 'a', 'b', 'c'], /more operands/],
    [['mkdir', '-m'], /needs a value/],
    [['completion', 'bsh'], /Did you mean bash\?/],
    [['chmod', '9', 'work:/'], /not a mode/],
    [['chmod', '644', 'work:/', '-Z'], /no option -Z/],
    [['tree', '-L', 'x', 'work'], /whole number/],
    [['truncate', 'work:/x'], /needs a size/],
    [['ls', 'work:x'], /Write work:\/x\./],
    [['ls', ':/'], /no default/],
    [['cat', '/etc/passwd'], /in no mounted volume/],
    [['rm', '/etc/passwd'], /files of the host are changed only by/],
    [['mv', './x', 'work:/'], /files of the host/],
    [['chmod', '600', '../x'], /files of the host/],
    [['cp', './a', './b'], /both on the host/],
    [['rm', '-r', 'work:/'], /root of the volume/],
    [['chown', 'nobody-here', 'work:/'], /no user "nobody-here"/],
  ])('%j', async (argv, words) => {
    const { code, out, err } = await run.cairn(...argv)
    expect(err).toMatch(words)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(out).toBe('')
    expect(code).toBe(2)
  })

  test.each(['', 'a/b', '..', 'a b', 'x'.repeat(300), '.hidden', 'a:b'])('init %j is refused', async name => {
    const { code, err } = await run.cairn('init', name)
    expect([code, err]).toEqual([2, expect.stringContaining('volume name')])
  })

  test('an error as JSON stands on stdout and nowhere else', async () => {
    for (const argv of [['ls', 'nope'], ['lss'], ['ls', '--lng']]) {
      const { code, out, err } = await run.cairn(...argv, '--json')
      const { error } = JSON.parse(out) as { error: Record<string, string> }
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'remedy'])
      expect(err).toBe('')
      expect(code).toBe(argv[1] === 'nope' ? 1 : 2)
    }
  })

  test('every command has help with an example', async () => {
    for (const { name } of allCommands()) {
      const words = name.split(' ')
      const help = await run.ok(...words, '--help')
      expect(help).toContain('Examples:')
      expect(await run.ok('help', ...words)).toBe(help)
    }
  })

  test('cairn alone, help and --help list all commands', async () => {
    const overview = await run.ok()
    // Other names of commands are understood, and not listed.
    for (const { name, hidden } of allCommands()) expect(overview.includes(`  ${name} `)).toBe(hidden !== true)
    expect(await run.ok('help')).toBe(overview)
    expect(await run.ok('--help')).toBe(overview)
    expect(await run.ok('checkpoint')).toContain('save')
  })

  test('version', async () => {
    expect((await run.ok('version')).trim()).toBe((await run.json<{ version: string }>('version')).version)
    expect(await run.ok('--version')).toBe(await run.ok('version'))
  })
})

describe('volumes', () => {
  test('init twice says that it exists', async () => {
    expect(await run.ok('init', 'work')).toMatch(/exists already/)
    expect(await run.json('init', 'work')).toMatchObject({ name: 'work', created: false })
  })

  test('an unknown one gets the nearest', async () => {
    expect((await run.cairn('ls', 'wrok')).err).toMatch(/Did you mean work\?/)
    expect((await run.cairn('fsck', 'elsewhere')).err).toMatch(/cairn volumes/)
  })

  test('rename, delete, undelete, delete for ever', async () => {
    await run.ok('init', 'old')
    await run.ok('rename', 'old', 'new')
    await run.ok('delete', 'new')
    expect(await run.ok('volumes', '-q')).not.toContain('new')
    expect(await run.ok('volumes', '--deleted')).toContain('new')
    await run.ok('undelete', 'new')
    expect(await run.ok('volumes', '-q')).toContain('new')
    await run.ok('delete', 'new', '--now')
    expect((await run.cairn('undelete', 'new')).code).toBe(1)
  })

  test('use gives :/path a meaning; the environment is stronger', async () => {
    await run.ok('init', 'other')
    await run.ok('write', 'other:/o', 'x')
    await run.ok('use', 'other')
    expect(await run.ok('ls', ':/')).toBe('o\n')
    run.env = { ...run.env, CAIRN_VOLUME: 'work' }
    expect(await run.ok('ls', ':/')).not.toContain('o\n')
    run.env = { ...run.env, CAIRN_VOLUME: undefined }
    expect((await run.cairn('use', 'othr')).err).toMatch(/Did you mean other\?/)
    await run.ok('use', '--none')
    expect((await run.cairn('ls', ':/')).code).toBe(2)
  })

  test('status, where, df, flush and fsck of a volume that nobody mounted', async () => {
    expect(await run.json('status')).toMatchObject({ home: run.home, server: { running: false } })
    expect(await run.json('where')).toMatchObject({ home: run.home, path: null })
    expect(await run.json('df', 'work')).toMatchObject([{ volume: 'work' }])
    expect(await run.json('flush', 'work')).toMatchObject({ volume: 'work' })
    expect(await run.json('fsck', 'work')).toMatchObject({ ok: true, findings: [] })
  })

  test('init puts a volume below the address that an argument or the settings name, and the prefix of an argument is stronger', async () => {
    const [near, far] = [run.path('near'), run.path('far')]
    expect(await run.json('init', 'p1', '--store', near, '--prefix', 'a/b')).toMatchObject({ store: join(near, 'a/b') })
    expect(await run.json('init', 'p2', '--storage', 'file', '--bucket', `file://${near}2`, '--prefix', '/c')).toMatchObject({ store: `file://${near}2/c` })
    run.env = { ...run.env, CAIRN_STORE: far, CAIRN_PREFIX: 'set' }
    expect(await run.json('init', 'p3')).toMatchObject({ store: join(far, 'set') })
    expect(await run.json('init', 'p4', '--prefix', 'said')).toMatchObject({ store: join(far, 'said') })
    expect(await run.json('init', 'p5', '--dev')).toMatchObject({ store: 'dev' })
    run.env = { ...run.env, CAIRN_STORE: undefined, CAIRN_PREFIX: undefined }
    expect(await run.cairn('init', 'p6', '--prefix', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('--prefix says where below a store') })
    for (const [option, value, wants] of [
      ['--metadata-ttl', 'soon', 'a time such as 500ms'],
      ['--log-level', 'loud', 'error, warn, info or debug'],
    ])
      expect(await run.cairn('mount', 'p1', run.path('m'), option, value)).toMatchObject({
        code: 2,
        err: `cairn: ${option} is "${value}". Give ${wants}${option === '--metadata-ttl' ? ' or 2s' : ''}.\n`,
      })
  })

  test('config show names the origin of each setting', async () => {
    run.env = { ...run.env, CAIRN_LOG_LEVEL: 'debug' }
    const { settings } = await run.json<{ settings: Record<string, { value: unknown; origin: string; name?: string }> }>('config', 'show')
    run.env = { ...run.env, CAIRN_LOG_LEVEL: undefined }
    expect(settings['home']).toEqual({ value: run.home, origin: 'environment', name: 'CAIRN_HOME' })
    expect(settings['logLevel']).toMatchObject({ value: 'debug', origin: 'environment' })
    expect(settings['cacheSize']).toMatchObject({ origin: 'default' })
    const argument = await run.json<{ settings: { home: unknown } }>('config', 'show', '--home', '/elsewhere')
    expect(argument.settings.home).toEqual({ value: '/elsewhere', origin: 'argument' })
  })

  test('read-only settings refuse changes and allow looks', async () => {
    run.env = { ...run.env, CAIRN_READ_ONLY: '1' }
    const refused = await run.cairn('write', 'work:/x', 'x')
    const looked = await run.cairn('ls', 'work')
    expect((await run.cairn('delete', 'work')).err).toMatch(/CAIRN_READ_ONLY/)
    run.env = { ...run.env, CAIRN_READ_ONLY: undefined }
    expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/CAIRN_READ_ONLY/)])
    expect(looked.code).toBe(0)
  })

  test('a broken configuration file is named with its line', async () => {
    mkdirSync(run.path('config/cairn'), { recursive: true })
    writeFileSync(run.path('config/cairn/config.yaml'), 'volume: work\ncacheSize: much\n')
    run.env = { ...run.env, XDG_CONFIG_HOME: run.path('config') }
    const { code, err } = await run.cairn('ls')
    run.env = { ...run.env, XDG_CONFIG_HOME: undefined }
    expect([code, err]).toEqual([2, expect.stringMatching(/config\.yaml, line 2: cacheSize is "much"/)])
  })
})

describe('files', () => {
  beforeEach(async () => {
    await run.cairn('delete', 'work', '--now')
    await run.ok('init', 'work')
  })

  test('write and cat, from text and from stdin, over and at the end', async () => {
    await run.ok('write', 'work:/a', 'one', 'line')
    expect((await run.fed('more\n', 'write', '-a', 'work:/a')).code).toBe(0)
    expect(await run.ok('cat', 'work:/a')).toBe('one line\nmore\n')
    const { code, out, err } = await run.cairn('cat', 'work:/a', 'work:/none', 'work:/a')
    expect([code, out]).toEqual([1, 'one line\nmore\none line\nmore\n'])
    expect(err).toMatch(/work:\/none does not exist/)
    expect((await run.cairn('cat', 'work:/')).err).toMatch(/is a directory/)
  })

  test('ls in its forms', async () => {
    await run.ok('mkdir', '-p', 'work:/d/e')
    await run.ok('write', 'work:/d/.hidden', 'x')
    await run.ok('write', 'work:/d/f', 'four')
    expect(await run.ok('ls', 'work')).toBe('d\n')
    expect(await run.ok('ls', 'work:/d')).toBe('e\nf\n')
    expect(await run.ok('ls', '-a', 'work:/d')).toBe('.\n..\n.hidden\ne\nf\n')
    expect(await run.ok('ls', '-R', 'work:/d')).toBe('work:/d:\ne\nf\n\nwork:/d/e:\n')
    expect(await run.ok('ls', '-l', 'work:/d/f')).toMatch(/^-rw-r--r-- 1 \S+ \S+ 5 .* work:\/d\/f\n$/)
    expect(await run.ok('ls', '-d', 'work:/d')).toBe('work:/d\n')
    expect(await run.json('ls', 'work:/d')).toMatchObject([
      { name: 'e', type: 'directory' },
      { name: 'f', type: 'file', size: 5, path: 'work:/d/f' },
    ])
    expect((await run.cairn('ls', 'work:/none')).code).toBe(1)
  })

  test('tree and du', async () => {
    await run.ok('mkdir', '-p', 'work:/d/e')
    await run.ok('write', 'work:/d/f', 'x')
    await run.ok('ln', '-s', 'f', 'work:/d/l')
    expect(await run.ok('tree', 'work:/d')).toBe('work:/d\n├── e\n├── f\n└── l -> f\n\n1 directory, 2 files\n')
    expect(await run.ok('tree', '-L', '1', 'work')).toBe('work:/\n└── d\n\n1 directory, 0 files\n')
    await run.ok('truncate', '-s', '10M', 'work:/d/holes')
    const [{ bytes }] = await run.json<Array<{ bytes: number }>>('du', '-s', 'work')
    expect(bytes).toBeLessThan(1024 * 1024)
  })

  test('mv renames, moves into directories, and refuses what it must', async () => {
    await run.ok('write', 'work:/a', 'a')
    await run.ok('write', 'work:/b', 'b')
    await run.ok('mkdir', 'work:/d')
    expect((await run.cairn('mv', '-n', 'work:/a', 'work:/b')).err).toMatch(/work:\/b exists already/)
    expect(await run.ok('cat', 'work:/b')).toBe('b\n')
    await run.ok('mv', 'work:/a', 'work:/b', 'work:/d/')
    expect(await run.ok('ls', 'work:/d')).toBe('a\nb\n')
    expect((await run.cairn('mv', 'work:/d', 'work:/d/a/x')).code).toBe(1)
    expect((await run.cairn('mv', 'work:/d/a', 'work:/d/b', 'work:/none')).code).toBe(2)
    expect((await run.cairn('mv', 'work:/d', 'other:/')).err).toMatch(/not in one volume/)
  })

  test.each([
    [['mkdir', 'work:/none/d'], 'The directory of work:/none/d'],
    [['write', 'work:/none/f', 'x'], 'The directory of work:/none/f'],
    [['touch', 'work:/none/f'], 'The directory of work:/none/f'],
    [['truncate', '-s', '1', 'work:/none/f'], 'The directory of work:/none/f'],
    [['ln', '-s', 'x', 'work:/none/l'], 'The directory of work:/none/l'],
    [['cp', launcher, 'work:/none/f'], 'The directory of work:/none/f'],
    [['mv', 'work:/there', 'work:/none/f'], 'work:/there, or the directory of work:/none/f,'],
    [['cat', 'work:/none/f'], 'work:/none/f'],
    [['chmod', '600', 'work:/none'], 'work:/none'],
  ])('%j says what is missing', async (args, what) => {
    await run.ok('write', 'work:/there', 'x')
    expect(await run.cairn(...args)).toMatchObject({ code: 1, err: expect.stringContaining(`cairn: ${what} does not exist. Check the path`) })
  })

  test('rm, rmdir', async () => {
    await run.ok('mkdir', '-p', 'work:/d/e')
    await run.ok('write', 'work:/d/f', 'x')
    expect((await run.cairn('rm', 'work:/d')).err).toMatch(/is a directory/)
    expect((await run.cairn('rmdir', 'work:/d')).err).toMatch(/not empty/)
    await run.ok('rmdir', 'work:/d/e')
    await run.ok('rm', '-r', 'work:/d')
    expect((await run.cairn('rm', 'work:/d')).code).toBe(1)
    await run.ok('rm', '-rf', 'work:/d')
    expect(await run.ok('ls', '-a', 'work')).toBe('.\n..\n')
  })

  test('ln, stat, chmod, chown, touch, truncate', async () => {
    await run.ok('write', 'work:/a', 'abc')
    await run.ok('ln', 'work:/a', 'work:/b')
    await run.ok('ln', '-s', 'a', 'work:/s')
    expect((await run.cairn('ln', '-s', 'b', 'work:/s')).code).toBe(1)
    await run.ok('ln', '-sf', 'b', 'work:/s')
    expect(await run.json('stat', 'work:/s')).toMatchObject({ type: 'symlink', target: 'b' })
    await run.ok('chmod', '-x', 'work:/a')
    await run.ok('chmod', 'u+x,go=', 'work:/a')
    expect(await run.json('stat', 'work:/b')).toMatchObject({ mode: '0700', nlink: 2, size: 4 })
    await run.ok('chown', '12:34', 'work:/a')
    await run.ok('chown', ':56', 'work:/a')
    expect(await run.json('stat', 'work:/a')).toMatchObject({ uid: 12, gid: 56 })
    await run.ok('touch', '-d', '2020-01-02T03:04:05Z', 'work:/a')
    expect(await run.json('stat', 'work:/a')).toMatchObject({ mtimeNs: '1577934245000000000' })
    await run.ok('touch', '-c', 'work:/none')
    expect((await run.cairn('stat', 'work:/none')).code).toBe(1)
    await run.ok('truncate', '-s', '1K', 'work:/a')
    await run.ok('truncate', '-s', '-24', 'work:/a')
    expect(await run.json('stat', 'work:/a')).toMatchObject({ size: 1000 })
    await run.ok('mkdir', '-m', '700', 'work:/private')
    expect(await run.json('stat', 'work:/private')).toMatchObject({ mode: '0700', type: 'directory' })
  })

  test('checkpoints, forks, diffs, and files of the past', async () => {
    await run.ok('write', 'work:/a', 'one')
    await run.ok('checkpoint', 'save', 'work', 'first', '-m', 'why')
    expect(await run.json('checkpoint', 'list', 'work')).toMatchObject([{ name: 'first', message: 'why' }])
    expect((await run.cairn('diff', 'work@first')).code).toBe(0)
    await run.ok('write', 'work:/a', 'two!')
    await run.ok('write', 'work:/b', 'new')
    const changed = await run.cairn('diff', 'work@first')
    expect([changed.code, changed.out]).toEqual([1, 'M /a  (4 -> 5 bytes)\nA /b\n'])
    expect((await run.cairn('diff', 'work@none')).code).toBe(2)
    expect((await run.cairn('diff', 'work', 'work')).code).toBe(0)
    expect(await run.ok('cat', 'work@first:/a')).toBe('one\n')
    expect((await run.cairn('write', 'work@first:/a', 'x')).err).toMatch(/state of the past/)
    await run.ok('fork', 'work@first', 'fork')
    expect(await run.ok('ls', 'fork')).toBe('a\n')
    expect((await run.cairn('diff', 'work', 'fork')).code).toBe(1)
    expect((await run.cairn('fork', 'work', 'fork')).code).not.toBe(0)
    expect((await run.cairn('checkpoint', 'save', 'work', '-2h')).code).toBe(2)
    await run.ok('checkpoint', 'delete', 'work', 'first')
    expect((await run.cairn('cat', 'work@first:/a')).code).toBe(1)
    await run.ok('delete', 'fork', '--now')
  })
})

describe('a home that cannot be used', () => {
  test('a file in its place', async () => {
    writeFileSync(run.path('file'), '')
    const { code, err } = await run.cairn('volumes', '--home', run.path('file'))
    expect(code).toBe(1)
    expect(err).toMatch(/cannot be used.*CAIRN_HOME/)
  })

  test.skipIf(process.getuid?.() === 0)('one without the right to write', async () => {
    mkdirSync(run.path('closed'), { mode: 0o500 })
    expect((await run.cairn('init', 'x', '--home', run.path('closed'))).code).toBe(1)
    chmodSync(run.path('closed'), 0o700)
  })

  test('one of a newer format', async () => {
    mkdirSync(run.path('newer'))
    writeFileSync(run.path('newer/home.json'), '{"format":999}\n')
    const { code, err } = await run.cairn('volumes', '--home', run.path('newer'))
    expect([code, err]).toEqual([1, expect.stringMatching(/newer/)])
  })
})

test('doctor reports as JSON with a fix for each finding', async () => {
  const report = await run.json<{ ok: boolean; storageBackend: { found: boolean }; mountSupport: object; checks: Array<{ ok: boolean; fix?: string }> }>(
    'doctor',
  )
  expect(report.storageBackend.found).toBe(true)
  expect(report.mountSupport).toHaveProperty('detail')
  for (const check of report.checks) if (!check.ok) expect(check.fix).toBeTruthy()
  const fresh = await run.json<{ storageBackend: { found: boolean } }>('doctor', '--home', run.path('not-yet'))
  expect(fresh.storageBackend.found).toBe(true)
})

test.skipIf(process.getuid?.() !== 0)('doctor --install runs what installs fuse3 here, says what it ran, and what failed', async () => {
  const bin = run.path('fake-bin')
  mkdirSync(bin)
  const fake = (script: string) => writeFileSync(join(bin, 'apt-get'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const doctor = async () => {
    const { code, out } = await run.spawned(['doctor', '--install', '--json'], { env: { PATH: bin } })
    return { code, ...(JSON.parse(out) as DoctorReport) }
  }
  fake('echo "E: no network" >&2; exit 100')
  const failed = await doctor()
  expect(failed.ran).toEqual(['apt-get update -qq'])
  expect(failed.checks.find(check => check.name === 'install')).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/no network$/),
    fix: expect.any(String),
  })
  expect(failed.code).toBe(1)
  fake(`[ "$1" != install ] || : > ${join(bin, 'fusermount3')}`)
  const done = await doctor()
  expect(done.ran).toEqual(['apt-get update -qq', 'apt-get install -y -qq --no-install-recommends fuse3'])
  expect(done.checks.some(check => check.name === 'install')).toBe(false)
  expect((await doctor()).ran).toEqual([])
})

test('the completion for bash is a script that completes', async () => {
  const script = `${await run.ok('completion', 'bash')}
cairn() { echo work; }
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cairn; echo "\${COMPREPLY[*]}"; }
complete_words cairn checkp
complete_words cairn checkpoint s
complete_words cairn mount --fore
complete_words cairn fork w`
  expect(execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8', cwd: run.folder }).split('\n').slice(0, 4)).toEqual([
    'checkpoint',
    'save show',
    '--foreground',
    'work',
  ])
})

test.each(['bash', 'zsh', 'fish'])('completion for %s names every command', async shell => {
  const script = await run.ok('completion', shell)
  for (const { name } of allCommands()) for (const word of name.split(' ')) expect(script).toContain(word)
})
