import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { AuditRecord } from '../src/sdk/types.js'
import { Engine } from '../src/volume/engine.js'
import { CliRun, launcher } from './cli-run.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-audit-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function all(entries: AsyncIterable<AuditRecord>): Promise<AuditRecord[]> {
  const found: AuditRecord[] = []
  for await (const entry of entries) found.push(entry)
  return found
}

describe('cairn audit', () => {
  let cli: CliRun

  beforeEach(async () => {
    cli = new CliRun()
    await cli.ok('init', 'w')
  })

  afterEach(() => cli.remove())

  it('tells of commands that changed something: who, what, why', async () => {
    expect(await cli.ok('audit', 'w')).toBe('')
    expect(await cli.ok('audit', 'w', '--verify')).toBe('Nothing was recorded in w yet.\n')
    expect((await cli.cairn('audit', 'w', '--head')).code).toBe(1)
    cli.env = { ...cli.env, CAIRN_REASON: 'ticket 42' }
    await cli.fed('text\n', 'write', 'w:/a.txt', '--actor', 'ann')
    await cli.ok('cat', 'w:/a.txt')
    await cli.ok('checkpoint', 'save', 'w', 'good', '-m', 'it works', '--actor', 'bob')
    await cli.ok('quota', 'w', 'set', '--bytes', '1G', '--actor', 'bob')
    const entries = await cli.json<AuditRecord[]>('audit', 'w')
    expect(entries.map(({ kind, actor, reason, argv }) => ({ kind, actor, reason, argv }))).toMatchObject([
      { kind: 'quota', actor: 'bob' },
      { kind: 'checkpoint', actor: 'bob', reason: 'it works' },
      { kind: 'open', actor: 'ann', reason: 'ticket 42', argv: ['cairn', 'write', 'w:/a.txt', '--actor', 'ann'] },
      { kind: 'begin' },
    ])
    expect(await cli.json<AuditRecord[]>('audit', 'w', '--actor', 'ann')).toMatchObject([{ kind: 'open' }, { kind: 'begin' }])
    expect(await cli.json<AuditRecord[]>('audit', 'w', '--limit', '2')).toEqual(entries.slice(0, 2))
    expect(await cli.json<AuditRecord[]>('audit', 'w', '--since', '2099-01-01')).toEqual([])
    expect(await cli.ok('audit', 'w', '--limit', '2')).toMatch(
      /^ {4}4 {2}\S+ \S+ {2}quota {2}bob\n {4}3 {2}\S+ \S+ {2}checkpoint {2}bob {2}good {2}\(it works\)\n$/,
    )
  })

  it('shows one run, and goes on as entries come', async () => {
    const cairn = await Cairn.open({ home: cli.home, via: 'process' })
    for (const exec of ['run-1', 'run-2', 'run-1']) await cairn.recordAudit('w', { kind: 'exec', exec, argv: ['make', exec], exit: 0 })
    await cairn.close()
    expect((await cli.json<AuditRecord[]>('audit', 'w', '--exec', 'run-1')).map(({ sequence }) => sequence)).toEqual([4, 2])
    expect((await cli.cairn('audit', 'w', '--exec', 'run-9')).err).toBe('The audit of w has no such entries.\n')
    expect(await cli.ok('audit', 'w', '--exec', 'run-2')).toMatch(/^ {4}3 {2}\S+ \S+ {2}exec {2}\S+ {2}exit 0 {2}make run-2\n$/)
    const child = spawn(process.execPath, [launcher, 'audit', 'w', '--follow', '--limit', '1', '--json'], {
      env: cli.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<AuditRecord> => JSON.parse((await lines.next()).value as string) as AuditRecord
    expect(await next()).toMatchObject({ sequence: 4, exec: 'run-1' })
    await cli.ok('checkpoint', 'save', 'w', 'later')
    expect(await next()).toMatchObject({ sequence: 5, kind: 'checkpoint', detail: { name: 'later' } })
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  it('checks the chain, says what that proves, and compares with a tip that was kept', async () => {
    await cli.ok('checkpoint', 'save', 'w', 'one')
    const tip = (await cli.ok('audit', 'w', '--head')).trim()
    expect(tip).toMatch(/^2:[0-9a-f]{64}$/)
    await cli.ok('checkpoint', 'save', 'w', 'two')
    const alone = await cli.ok('audit', 'w', '--verify')
    expect(alone).toContain('w: 3 entries, 1 to 3\n')
    expect(alone).toContain('not an owner of the volume who wrote all of it anew')
    expect(await cli.ok('audit', 'w', '--verify', '--against', tip)).toContain('Everything up to entry 2 is as it was')
    const other = `2:${'0'.repeat(64)}`
    expect(await cli.cairn('audit', 'w', '--verify', '--against', other)).toMatchObject({ code: 1, out: expect.stringContaining('the chain was rewritten') })
    expect(await cli.json('audit', 'w', '--verify', '--against', `9${tip}`)).toMatchObject({ ok: false, proves: 'The chain does not verify.' })
    for (const wrong of [
      ['--verify', '--against', 'nonsense'],
      ['--against', tip],
      ['--limit', 'x'],
      ['--since', 'x'],
    ])
      expect(await cli.cairn('audit', 'w', ...wrong)).toMatchObject({ code: 2 })
    expect(await cli.cairn('audit', 'none')).toMatchObject({ code: 1, err: expect.stringContaining('none') })
  })

  it('signs tips with a key of the settings', async () => {
    const key = cli.path('audit.pem')
    const pair = generateKeyPairSync('ed25519')
    writeFileSync(key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(cli.path('public.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }))
    cli.env = { ...cli.env, CAIRN_AUDIT_KEY_FILE: key }
    await cli.ok('checkpoint', 'save', 'w', 'one')
    expect(await cli.ok('audit', 'w', '--verify', '--key', cli.path('public.pem'))).toContain('Everything up to entry 2 is as the holder of the key')
    expect(await cli.json('audit', 'w', '--head')).toMatchObject({ sequence: 2, signed: { sequence: 2, signature: expect.stringMatching(/^[0-9a-f]{128}$/) } })
    expect(await cli.cairn('audit', 'w', '--verify', '--key', cli.path('none'))).toMatchObject({ code: 1, err: expect.stringContaining('is not there') })
    cli.env = { ...cli.env, CAIRN_AUDIT_KEY_FILE: cli.path('none') }
    expect(await cli.cairn('checkpoint', 'save', 'w', 'two')).toMatchObject({ code: 1, err: expect.stringContaining('is not there') })
    expect(await cli.ok('checkpoint', 'list', 'w')).not.toContain('two')
  })

  it('has a view for people, with the commits between', async () => {
    await cli.fed('text\n', 'write', 'w:/a.txt', '--actor', 'ann')
    await cli.ok('checkpoint', 'save', 'w', 'good', '-m', 'it works')
    const lines = (await cli.ok('timeline', 'w')).split('\n')
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d$/)
    expect(lines.find(line => line.includes('changed'))).toMatch(/changed +ann +\+1/)
    expect(lines.find(line => line.includes('open'))).toContain('cairn write w:/a.txt --actor ann')
    expect(lines.find(line => line.includes('checkpoint'))).toMatch(/good {2}\(it works\) {2}0\w+$/)
    expect(await cli.json<unknown[]>('timeline', 'w', '--limit', '2')).toHaveLength(2)
  })
})

describe('the audit chain', () => {
  it('is told to who follows it', async () => {
    const cairn = await Cairn.open({ home: folder, via: 'process' })
    await cairn.createVolume({ name: 'w' })
    const volume = await cairn.open('w')
    await cairn.recordAudit('w', { kind: 'exec', exec: 'run-1' })
    const end = new AbortController()
    const seen: string[] = []
    for await (const { exec, kind } of volume.audit({ follow: true, limit: 1, signal: end.signal })) {
      seen.push(exec ?? kind)
      if (seen.length === 1) await cairn.recordAudit('w', { kind: 'exec', exec: 'run-2' })
      else if (seen.length === 2) await cairn.recordAudit('w', { kind: 'exec', exec: 'run-3' })
      else end.abort()
    }
    expect(seen).toEqual(['run-1', 'run-2', 'run-3'])
    await cairn.close()
  })

  it('tells of a session when it changes something, and of its actor and reason', async () => {
    const cairn = await Cairn.open({ home: folder, via: 'process', actor: 'ann' })
    await cairn.createVolume({ name: 'w' })
    const idle = await cairn.open('w', { actor: 'idle' })
    const volume = await cairn.open('w', { actor: 'bob', reason: 'to try' })
    await idle.fs.promises.readdir('/')
    await volume.fs.promises.writeFile('/a', 'a')
    await volume.fs.promises.writeFile('/b', 'b')
    await idle.close()
    await volume.close()
    expect(await all(cairn.audit('w'))).toMatchObject([
      { kind: 'open', actor: 'bob', reason: 'to try', session: expect.stringMatching(/^[0-9a-f]{16}$/) },
      { kind: 'begin' },
    ])
    await cairn.close()
  })

  it('has what was acknowledged before a kill, and no half of an entry', async () => {
    const made = Engine.open({ home: folder })
    made.create('w')
    made.close()
    const child = spawn(process.execPath, [join(import.meta.dirname, 'programs/audit-child.mjs'), folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const tips: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      if (tips.push(line) === 170) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const cairn = await Cairn.open({ home: folder, via: 'process' })
    for (const tip of [tips[0], tips[100], tips.at(-1) ?? '']) {
      const [sequence, hash] = tip.split(':')
      expect(await cairn.verifyAudit('w', { against: { sequence: Number(sequence), hash } })).toMatchObject({ ok: true, against: { proven: true } })
    }
    const { last } = await cairn.verifyAudit('w')
    expect(last).toBeGreaterThanOrEqual(tips.length + 1)
    await cairn.close()
  })

  it('goes on where another host wrote', async () => {
    const hosts = await Promise.all(['a', 'b'].map(name => Cairn.open({ home: join(folder, name), via: 'process', actor: name })))
    const store = `file://${join(folder, 'shared')}`
    for (const [i, cairn] of hosts.entries()) {
      await cairn.ensureVolume({ name: 'w', store })
      const volume = await cairn.open('w')
      await volume.fs.promises.writeFile(`/${i}`, 'x')
      await volume.close()
      await cairn.flush('w')
      await cairn.releaseLease('w')
    }
    const [a, b] = hosts
    await a.refresh('w')
    const found = await all(a.audit('w'))
    expect(found.filter(({ kind }) => kind === 'open').map(({ actor }) => actor)).toEqual(['b', 'a'])
    expect(await all(b.audit('w'))).toEqual(found)
    expect(await a.verifyAudit('w')).toMatchObject({ ok: true, entries: 3 })
    for (const cairn of hosts) await cairn.close()
  })
})

const why = whyNoMount()

describe.skipIf(why !== undefined)(`a mount${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  it('is in the chain with its actor and reason', async () => {
    const mounted = new MountedHome({ CAIRN_ACTOR: 'ann', CAIRN_REASON: 'to look around' })
    try {
      await mounted.must('init', 'w')
      await mounted.mount()
      await mounted.must('unmount', 'w')
      const entries = JSON.parse(await mounted.must('audit', 'w', '--json')) as AuditRecord[]
      expect(entries.filter(({ kind }) => kind !== 'open')).toMatchObject([
        { kind: 'unmount', actor: 'ann', reason: 'to look around', detail: { mountpoint: mounted.mountpoint } },
        { kind: 'mount', actor: 'ann', reason: 'to look around' },
        { kind: 'begin' },
      ])
    } finally {
      await mounted.end()
    }
  })
})
