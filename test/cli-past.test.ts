import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import { mountSupport } from '../src/sdk/doctor.js'
import { CliRun, type Ran } from './cli-run.js'

const isMountable = mountSupport().every(check => check.ok)
const LARGE = Buffer.from(Uint32Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2654435761)).buffer)

/** Files of the past, by the command as a process of its own; the same whether the volume is mounted or not. */
describe.each(isMountable ? ['not mounted', 'mounted'] : ['not mounted'])('cat, ls and export of VOL@REF:/path, %s', how => {
  let cli: CliRun
  const cairn = (...argv: string[]): Promise<Ran> => cli.spawned(argv)

  beforeAll(async () => {
    cli = new CliRun()
    await cli.ok('init', 'v')
    const at = cli.path('tree')
    mkdirSync(`${at}/dir/sub`, { recursive: true })
    writeFileSync(`${at}/dir/f`, 'then\n', { mode: 0o751 })
    writeFileSync(`${at}/dir/sub/large`, LARGE)
    symlinkSync('f', `${at}/dir/link`)
    await cli.ok('import', `${at}/dir`, 'v')
    if (how === 'mounted') await cli.ok('mount', 'v', cli.path('mnt'))
    await cli.ok('checkpoint', 'save', 'v', 'good')
    if (how === 'mounted') {
      // What a program does through the kernel.
      writeFileSync(cli.path('mnt/dir/f'), 'now\n')
      rmSync(cli.path('mnt/dir/sub'), { recursive: true })
      writeFileSync(cli.path('mnt/dir/new'), 'new\n')
    } else {
      await cli.ok('write', 'v:/dir/f', 'now')
      await cli.ok('rm', '-r', 'v:/dir/sub')
      await cli.ok('write', 'v:/dir/new', 'new')
    }
  })
  afterAll(() => cleanUp(cli.home, cli.folder))

  test('cat', async () => {
    expect(await cairn('cat', 'v@good:/dir/f')).toEqual({ code: 0, out: 'then\n', err: '' })
    expect(await cairn('cat', 'v:/dir/f')).toEqual({ code: 0, out: 'now\n', err: '' })
    const json = await cairn('cat', 'v@good:/dir/sub/large', '--json')
    expect(Buffer.from((JSON.parse(json.out) as { base64: string }).base64, 'base64').equals(LARGE)).toBe(true)
    expect(await cairn('cat', 'v@good:/dir/new')).toEqual({
      code: 1,
      out: '',
      err: 'cairn: v@good:/dir/new does not exist. Check the path with `cairn ls`.\n',
    })
    expect(await cairn('cat', 'v@bad:/dir/f')).toEqual({
      code: 1,
      out: '',
      err: "cairn: There is no checkpoint or commit 'bad'. There is good; see `cairn checkpoint list`.\n",
    })
  })

  test('ls', async () => {
    expect(await cairn('ls', 'v@good:/dir')).toEqual({ code: 0, out: 'f\nlink\nsub\n', err: '' })
    expect(await cairn('ls', 'v:/dir')).toEqual({ code: 0, out: 'f\nlink\nnew\n', err: '' })
    expect((await cairn('ls', '-l', 'v@good:/dir')).out).toMatch(/^-rwxr-x--x .* f\nl.* link -> f\nd.* sub\n$/)
    expect((await cairn('ls', 'v@good:/nope')).code).toBe(1)
  })

  test('export', async () => {
    const to = cli.path('out')
    expect((await cairn('export', 'v@good:/dir', to)).code).toBe(0)
    expect(readdirSync(to).sort()).toEqual(['f', 'link', 'sub'])
    expect(readFileSync(`${to}/f`, 'utf8')).toBe('then\n')
    expect(statSync(`${to}/f`).mode & 0o777).toBe(0o751)
    expect(readlinkSync(`${to}/link`)).toBe('f')
    expect(readFileSync(`${to}/sub/large`).equals(LARGE)).toBe(true)
    expect((await cairn('export', 'v@good', cli.path('whole'))).code).toBe(0)
    expect(readFileSync(cli.path('whole/dir/f'), 'utf8')).toBe('then\n')
    expect((await cairn('export', 'v@nope', cli.path('none'))).code).toBe(1)
    expect(readdirSync(cli.folder)).not.toContain('none')
  })
})
