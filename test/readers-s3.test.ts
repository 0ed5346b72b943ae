import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useBucket } from './support/bucket-hosts.js'
import { type MountedHome, run, whyNoMount } from './support/mounted-home.js'

const bucket = useBucket()
const { host } = bucket

const init = (on: MountedHome): Promise<string> => on.must('init', 'w', ...bucket.store('agents'))

/** All that changes something in a bucket. */
const WRITES = /^(Put|Delete|Create|Upload|Complete|Abort)/
const writes = (): string[] => [...bucket.server.counts.keys()].filter(name => WRITES.test(name))

/** A volume with some history, that nobody writes now. */
async function made(): Promise<MountedHome> {
  const a = host()
  await init(a)
  await a.must('mkdir', 'w:/d')
  await a.must('write', 'w:/d/f', 'one')
  await a.must('checkpoint', 'save', 'w', 'first')
  await a.must('write', 'w:/d/f', 'two')
  await a.must('checkpoint', 'save', 'w', 'second')
  return a
}

describe('credentials that allow only reading', { timeout: 240_000 }, () => {
  it('are enough for every command that changes nothing, which asks for no more', async () => {
    await made()
    bucket.server.options.denied = ['write', 'delete']
    bucket.server.resetCounts()
    const b = host()
    await init(b)
    const out = join(b.scratch, 'out')
    const commands: ReadonlyArray<readonly [string[], RegExp]> = [
      [['ls', 'w:/d'], /^f$/m],
      [['cat', 'w:/d/f'], /two/],
      [['cat', 'w@first:/d/f'], /one/],
      [['cat', '--version', '1', 'w:/d/f'], /one/],
      [['stat', 'w:/d/f'], /Size: 4/],
      [['log', 'w'], /first/],
      [['versions', 'w:/d/f'], /current/],
      [['blame', 'w:/d/f'], /two/],
      [['checkpoint', 'list', 'w'], /second/],
      [['export', 'w:/d', out], /1 file/],
      [['status', 'w'], /all is published/],
      [['refresh', 'w'], /newest/],
      [['undo', 'w', '--dry-run'], /1 change/],
      [['prune', 'w', '--dry-run'], /./],
      [['cache', 'prefetch', 'w:/'], /1 file with/],
    ]
    for (const [command, expected] of commands) expect(await b.must(...command), command.join(' ')).toMatch(expected)
    expect(readFileSync(join(out, 'f'), 'utf8')).toBe('two\n')
    expect((await b.cairn('diff', '--patch', 'w@first', 'w')).output).toContain('+two')
    // Into a volume of this host, too.
    await b.must('init', 'own')
    await b.must('cp', 'w:/d/f', 'own:/f')
    expect(writes()).toEqual([])
    // These would keep what they read from collections, if they could.
    await b.must('fsck', 'w')
    await b.must('backup', 'w', join(b.scratch, 'backup'))
    await b.must('unbundle', join(b.scratch, 'backup'), 'copy')
    expect(await b.must('cat', 'copy@first:/d/f')).toContain('one')
    for (const command of [
      ['fork', 'w', 'x'],
      ['checkpoint', 'save', 'w', 'x'],
      ['write', 'w:/x', 'x'],
    ]) {
      const { code, output } = await b.cairn(...command)
      expect(code, output).toBe(1)
      expect(output).toMatch(/^cairn: These credentials may not write objects in s3:\/\/bucket\/agents\. /)
    }
    expect([...(bucket.server.buckets.get('bucket')?.objects.keys() ?? [])].filter(key => key.startsWith('agents/pins/'))).toEqual([])
  })

  it.skipIf(whyNoMount() !== undefined)('are enough for a mount, which looks with conditional GETs alone', async () => {
    const a = await made()
    bucket.server.options.denied = ['write', 'delete']
    const b = host({ CAIRN_METADATA_TTL: '1h' })
    await init(b)
    bucket.server.resetCounts()
    await b.must('mount', 'w', b.mountpoint, '--read-only')
    const { output } = await run('/bin/sh', ['-ec', 'cat d/f .cairn/at/first/d/f; ls .cairn/versions/d'], { cwd: b.mountpoint })
    expect(output).toBe('two\none\nf\n')
    bucket.server.options.denied = []
    await a.must('write', 'w:/d/f', 'three')
    bucket.server.options.denied = ['write', 'delete']
    bucket.server.resetCounts()
    await b.must('refresh', 'w')
    expect(readFileSync(join(b.mountpoint, 'd/f'), 'utf8')).toBe('three\n')
    // The head, and what differs.
    expect(bucket.server.requests('GetObject')).toBeLessThanOrEqual(4)
    bucket.server.resetCounts()
    await b.must('refresh', 'w')
    await b.must('refresh', 'w')
    expect([...bucket.server.counts].map(([name, { requests, bytesOut }]) => [name, requests, bytesOut])).toEqual([['GetObject', 2, 0]])
    await b.must('unmount', 'w')
    expect(writes()).toEqual([])
  })
})

describe('settings that allow no change', { timeout: 240_000 }, () => {
  it('take no lease from anybody', async () => {
    await made()
    const b = host()
    await init(b)
    b.env['CAIRN_READ_ONLY'] = 'true'
    bucket.server.resetCounts()
    for (const command of [
      ['cat', 'w:/d/f'],
      ['cat', 'w@first:/d/f'],
      ['log', 'w'],
      ['versions', 'w:/d/f'],
      ['flush', 'w'],
      ['status', 'w'],
    ])
      await b.must(...command)
    expect((await b.cairn('write', 'w:/x', 'x')).output).toMatch(/readOnly/)
    expect(writes()).toEqual([])
    expect(existsSync(join(b.home, 'volumes', JSON.parse(await b.must('volumes', '--json'))[0].id, 'lease'))).toBe(false)
  })
})
