import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askPerson, questionOf } from '../src/sdk/approvals/index.js'
import { Cairn } from '../src/sdk/cairn.js'
import type { Approval, ApprovalAnswer, Decision, PolicyInfo } from '../src/sdk/types.js'
import { CliRun } from './cli-run.js'

const policy = `version: 1
default: deny
rules:
  - {name: reads, match: {program: [ls, cat]}, effect: allow}
  - {name: tests, match: {program: npm, args: test, cwd: /app, actor: robot}, effect: allow-with-checkpoint, limits: {timeout: 5m, hidden: [.env]}}
  - {name: net, match: {program: curl, network: true}, effect: ask}
examples:
  - {run: ls | cat, expect: allow, rule: reads}
`

describe('the policy of a volume', () => {
  let run: CliRun
  let cairn: Cairn

  beforeEach(async () => {
    run = new CliRun()
    cairn = await Cairn.open({ home: run.home, via: 'process', actor: 'alice' })
    await cairn.ensureVolume({ name: 'w' })
  })

  afterEach(async () => {
    await cairn.close()
    run.remove()
  })

  it('is kept beside the files: a fork has it, restore leaves it, nothing in the tree shows it', async () => {
    const volume = await cairn.open('w')
    await volume.fs.promises.writeFile('/a', 'a')
    await volume.checkpoint('before')
    const set = await volume.policy.set(policy)
    expect(set).toMatchObject({ isDefault: false, by: 'alice', text: policy })
    await volume.restore({ ref: 'before' })
    await volume.fork('f', { ref: 'before' })
    expect(await cairn.policy('f')).toEqual(set)
    expect(await volume.policy.get()).toEqual(set)
    expect(await volume.fs.promises.readdir('/')).toEqual(['a'])
    // A fork's own does not come back with a merge.
    await cairn.setPolicy('f', policy.replace('deny', 'ask'))
    await cairn.merge('f')
    expect(await volume.policy.get()).toEqual(set)
    await volume.close()
  })

  it('goes with a copy into another store', async () => {
    await cairn.setPolicy('w', policy)
    const store = `file://${run.path('store')}`
    await cairn.copy('w', { name: 'c', store })
    await cairn.ensureVolume({ name: 'c', store })
    expect((await cairn.policy('c')).text).toBe(policy)
  })

  it('is there after a crash, whatever its length and what it replaced', async () => {
    const long = `${policy}${Array.from({ length: 400 }, (_, i) => `  - {run: 'rm ${'é\\u0001"'.repeat(i % 20)}', expect: deny}\n`).join('')}`
    await cairn.setPolicy('w', long)
    expect((await cairn.policy('w')).text).toBe(long)
    await cairn.close()
    const script = `
      import { Cairn } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
      const cairn = await Cairn.open({ home: ${JSON.stringify(run.home)}, via: 'process' })
      await cairn.setPolicy('w', ${JSON.stringify(policy)})
      process.kill(process.pid, 'SIGKILL')
    `
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', script], { env: run.env }).signal).toBe('SIGKILL')
    cairn = await Cairn.open({ home: run.home, via: 'process' })
    expect((await cairn.policy('w')).text).toBe(policy)
  })

  it('is refused when it is broken, or says otherwise than its examples; the old one stays', async () => {
    const { revision } = await cairn.setPolicy('w', policy)
    await expect(cairn.setPolicy('w', policy.replace('effect: ask', 'effect: perhaps'))).rejects.toMatchObject({ code: 'ERR_POLICY', line: 6, column: 64 })
    await expect(cairn.setPolicy('w', policy.replace('[ls, cat]', 'ls'))).rejects.toMatchObject({
      code: 'ERR_POLICY_EXAMPLE',
      message: /line 8: ls \| cat is expected/,
    })
    await expect(cairn.setPolicy('w', `${policy}#${'x'.repeat(70_000)}`)).rejects.toMatchObject({ code: 'ERR_POLICY' })
    expect((await cairn.policy('w')).revision).toBe(revision)
  })

  it('is not replaced by who has not seen what it is now', async () => {
    const { revision } = await cairn.setPolicy('w', policy, { ifRevision: '' })
    await expect(cairn.setPolicy('w', `${policy}#\n`, { ifRevision: '' })).rejects.toMatchObject({ code: 'ERR_POLICY_CHANGED' })
    await cairn.setPolicy('w', `${policy}#\n`, { ifRevision: revision })
    expect(await cairn.setPolicy('w', null)).toMatchObject({ isDefault: true, revision: '' })
  })

  it('judges; without one all is allowed after a checkpoint', async () => {
    expect(await cairn.checkPolicy('w', ['rm', '-rf', '/'])).toMatchObject({ effect: 'checkpoint', limits: { network: 'allow' } })
    await cairn.setPolicy('w', policy)
    expect(await cairn.checkPolicy('w', ['rm', '-rf', '/'])).toMatchObject({ effect: 'deny', limits: { network: 'none' } })
    const volume = await cairn.open('w', { actor: 'robot' })
    expect(await volume.policy.check({ shell: 'cat x && npm test' }, { cwd: '/app' })).toMatchObject({
      effect: 'checkpoint',
      rule: 'tests',
      limits: { hidden: ['.env'] },
    })
    expect(await volume.policy.check(['npm', 'test'])).toMatchObject({ effect: 'deny' })
    await volume.close()
  })

  describe('on the command line', () => {
    it('is set, shown, tested and asked', async () => {
      expect(await run.ok('policy', 'show', 'w')).toContain('no policy of its own')
      writeFileSync(run.path('p.yaml'), policy)
      expect(await run.ok('policy', 'test', 'w', run.path('p.yaml'))).toBe('ok   line 8: ls | cat: allow (reads)\n1 example, 0 wrong.\n')
      expect(await run.ok('policy', 'set', 'w', run.path('p.yaml'))).toBe('w has a new policy.\n')
      expect(await run.ok('policy', 'show', 'w')).toBe(policy)
      expect(await run.json<PolicyInfo>('policy', 'show', 'w')).toMatchObject({ volume: 'w', isDefault: false, text: policy })
      expect(await run.ok('policy', 'check', 'w', '--', 'ls', '-la', '--json')).toBe('allow: The rule "reads" allows ls -la.\n')
      expect(await run.cairn('policy', 'check', 'w', '--shell', 'ls; rm x')).toMatchObject({
        code: 126,
        out: expect.stringContaining('deny: No rule is about rm x'),
      })
      expect(await run.ok('policy', 'check', 'w', '--network', '--', 'curl', 'x')).toBe('ask: The rule "net" asks about curl x.\n')
      expect(await run.json<Decision>('policy', 'check', 'w', '--cwd', '/app', '--as', 'robot', '--shell', 'npm test')).toMatchObject({
        effect: 'checkpoint',
        limits: { timeoutMs: 300_000 },
      })
      expect(await run.ok('policy', 'explain', 'w', '--as', 'robot', '--cwd', '/app', '--shell', "sh -c 'ls $(npm test)'")).toBe(
        [
          'allow, after a checkpoint: The rule "tests" allows, after a checkpoint, npm test.',
          "  allow: sh -c 'ls $(npm test)'\n      sh -c only serves the commands beside it.",
          '  allow, after a checkpoint: npm test (in sh -c, $(…))\n      The rule "tests" allows, after a checkpoint, npm test.',
          '  allow: ls $(npm test) (in sh -c)\n      The rule "reads" allows ls.',
          'limits:\n  timeoutMs: 300 s\n  hidden: .env\n  network: none\n',
        ].join('\n'),
      )
    })

    it('says what is wrong', async () => {
      writeFileSync(run.path('p.yaml'), policy.replace('rule: reads', 'rule: tests'))
      expect(await run.cairn('policy', 'test', 'w', run.path('p.yaml'))).toEqual({
        code: 1,
        out: 'FAIL line 8: ls | cat: allow (reads), not allow (tests)\n1 example, 1 wrong.\n',
        err: '',
      })
      expect(await run.fed('version: 1\n', 'policy', 'set', 'w', '-')).toMatchObject({
        code: 1,
        err: expect.stringContaining('line 1, column 1: default is missing'),
      })
      expect(await run.cairn('policy', 'set', 'w')).toMatchObject({ code: 2 })
      for (const verb of ['set', 'test'])
        expect(await run.cairn('policy', verb, 'w', '/no/such/file')).toMatchObject({
          code: 1,
          err: 'cairn: /no/such/file cannot be read (ENOENT). Name a file of this host that you may read.\n',
        })
      writeFileSync(run.path('p.yaml'), 'version: 1\n')
      expect((await run.cairn('policy', 'set', 'w', run.path('p.yaml'))).err).toContain(`${run.path('p.yaml')}, line 1, column 1: default is missing`)
      expect(await run.cairn('policy', 'check', 'w')).toMatchObject({ code: 2 })
      expect(await run.cairn('policy', 'check', 'w', '--cwd', 'x', '--', 'ls')).toMatchObject({ code: 2 })
      expect(await run.cairn('policy', 'show', 'nosuch')).toMatchObject({ code: 1, err: expect.stringContaining('nosuch') })
    })

    it('its questions are listed, watched and answered', async () => {
      await cairn.setPolicy('w', policy)
      const ask = async (url: string): Promise<ApprovalAnswer> => {
        const decision = await cairn.checkPolicy('w', ['curl', url], { network: true })
        return askPerson(run.home, questionOf('w', `curl ${url}`, '/', 'robot', true, decision))
      }
      const next = cairn.approvals.watch()[Symbol.asyncIterator]()
      const asked = ask('a')
      const { id } = (await next.next()).value as Approval
      expect(await run.ok('approvals')).toMatch(new RegExp(`^${id}  w:/  robot, .*, waits \\d+ s more\n    curl a\n    The rule "net" asks about curl a.\n$`))
      expect(await run.json('approvals')).toMatchObject({ approvals: [{ id, command: 'curl a', state: 'pending' }] })
      expect(await run.json('deny', id, '--reason', 'not now')).toMatchObject({ id, state: 'denied', answer: { approved: false, reason: 'not now' } })
      expect(await asked).toMatchObject({ approved: false, reason: 'not now' })
      expect(await run.ok('approvals')).toBe('Nothing waits for an answer.\n')
      expect(await run.ok('approvals', '--all')).toContain('not now')
      expect(await run.cairn('approve', id)).toMatchObject({ code: 1, err: expect.stringContaining(`The request ${id} is denied already`) })
      expect(await run.cairn('approve', 'ask-0000000000')).toMatchObject({ code: 1, err: expect.stringContaining('There is no request') })
      const again = ask('b')
      const second = ((await next.next()).value as Approval).id
      expect(await run.ok('approve', second, '--always')).toBe(`${second} is approved, and the policy of w has a rule for it.\n`)
      expect(await again).toMatchObject({ approved: true, always: true })
      expect(await cairn.checkPolicy('w', ['curl', 'b'], { network: true, actor: 'robot' })).toMatchObject({ effect: 'checkpoint', rule: 'approved curl' })
      expect((await cairn.checkPolicy('w', ['curl', 'c'], { network: true, actor: 'robot' })).effect).toBe('ask')
      await next.return?.()
    })

    it('is edited; what is refused is kept in a file', async () => {
      const editor = (script: string): void => {
        writeFileSync(run.path('editor'), `#!/bin/sh\n${script}\n`)
        chmodSync(run.path('editor'), 0o755)
        run.env['EDITOR'] = run.path('editor')
      }
      await cairn.setPolicy('w', policy)
      editor('echo "# more" >> "$1"')
      expect(await run.ok('policy', 'edit', 'w')).toBe('w has a new policy.\n')
      expect((await cairn.policy('w')).text).toBe(`${policy}# more\n`)
      editor('true')
      expect(await run.ok('policy', 'edit', 'w')).toBe('The policy of w is as it was.\n')
      editor('echo "rulez: []" >> "$1"')
      const { code, err } = await run.cairn('policy', 'edit', 'w')
      expect(code).toBe(1)
      expect(err).toContain('line 10, column 1: there is no key "rulez"')
      const kept = /is in (\S+):/.exec(err)?.[1] ?? ''
      expect(existsSync(kept) && readFileSync(kept, 'utf8')).toBe(`${policy}# more\nrulez: []\n`)
      rmSync(dirname(kept), { recursive: true })
      editor('exit 3')
      expect(await run.cairn('policy', 'edit', 'w')).toMatchObject({ code: 1, err: expect.stringContaining('ended with 3') })
      expect((await cairn.policy('w')).text).toBe(`${policy}# more\n`)
    })
  })
})
