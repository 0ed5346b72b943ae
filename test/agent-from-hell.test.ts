import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { AuditRecord, ExecOptions, ExecResult, OpenVolume, VolumeView } from '../src/sdk/types.js'
import { MountedHome, programs, whyNoMount } from './support/mounted-home.js'

const reason = whyNoMount()
const POLICY = `version: 1
default: allow
unknown: allow
limits: {hidden: [.env], control: true}
rules:
  - {name: stays here, match: {program: git, args: 'push **'}, effect: deny, reason: Nothing leaves this volume.}
`
const SOURCES = `set -e
git init -q -b main .; git config user.email ann@example.org; git config user.name ann
mkdir -p src/lib docs 'my files' build empty
for i in 1 2 3 4; do seq $((i * 100)) > src/m$i.ts; done
seq 30000 > src/lib/large.ts
echo '# docs' > docs/index.md; echo spaced > 'my files/a file.txt'; echo made > build/out.js
ln -s ../src/m1.ts docs/link; ln -s nowhere docs/dangling; ln src/m2.ts docs/hard
chmod 755 src/m3.ts; chmod 600 docs/index.md; chmod 2775 docs
python3 -c "import os; os.setxattr('src/m1.ts', 'user.origin', bytes([0, 255])); os.setxattr('docs', 'user.kind', b'text')"
touch -d '2020-02-03T04:05:06.789' src/m4.ts; touch -hd '2021-02-03T04:05:06' docs/link
printf '.env\\n*.log\\nbuild\\n' > .gitignore
git add -A; git commit -qm one
echo 'a day of work' >> src/m1.ts; echo untracked > src/new.ts; echo staged > src/staged.ts; git add src/staged.ts; echo log > build.log
`

/** Every path of a tree with all that it has, by a program that knows nothing of Cairn. */
type Tree = Record<string, { mode: string; mtime?: string; content: string; xattrs: Record<string, string> }>

describe.skipIf(reason !== undefined)(`an agent from hell${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let home: MountedHome
  let ann: Cairn
  let volume: OpenVolume
  let bob: Cairn
  let bobs: VolumeView
  let before: Tree
  const ran: ExecResult[] = []

  const tree = async (): Promise<Tree> => {
    const view = await ann.openView('w', { readOnly: true })
    try {
      return JSON.parse(execFileSync('python3', [join(programs, 'whole-tree.py'), view.mountpoint], { encoding: 'utf8' })) as Tree
    } finally {
      await view.close()
    }
  }
  const agent = async (shell: string, options: ExecOptions & { encoding?: 'utf8' } = {}): Promise<ExecResult> => {
    const result = await volume.exec({ shell }, { actor: 'agent', ...options })
    ran.push(result)
    return result
  }
  const kinds = ({ changes }: ExecResult): string[] => changes.map(({ kind, path, from }) => `${kind} ${from === undefined ? '' : `${from} > `}${path}`)
  /** Somebody else at work, in a mount of his own. */
  const work = (path: string, text: string): void => appendFileSync(join(bobs.mountpoint, path), `${text}\n`)
  const entries = async (filter: { actor?: string } = {}): Promise<AuditRecord[]> => {
    const found: AuditRecord[] = []
    for await (const entry of ann.audit('w', filter)) found.push(entry)
    return found
  }

  beforeAll(async () => {
    home = new MountedHome()
    ann = await Cairn.open({ home: home.home, via: 'server', actor: 'ann' })
    bob = await Cairn.open({ home: home.home, via: 'server', actor: 'bob' })
    await ann.createVolume({ name: 'w' })
    volume = await ann.open('w')
    expect(await volume.exec({ shell: SOURCES })).toMatchObject({ exitCode: 0, stderr: '' })
    await volume.fs.promises.writeFile('/.env', 'KEY=s3cret\n')
    await ann.setPolicy('w', POLICY)
    bobs = await bob.openView('w')
    mkdirSync(join(bobs.mountpoint, 'bob'))
    for (const file of ['bob/notes', 'bob/log']) work(file, 'begun')
    before = await tree()
    await ann.setQuota('w', { bytes: (await ann.quota('w')).bytes.used + 2 ** 20 })
  })
  afterAll(async () => {
    await Promise.all([ann?.close(), bob?.close()])
    await home?.end()
  })

  it('empties sources, and writes placeholders over others', async () => {
    const stubs = await agent("for f in src/m1.ts src/m2.ts; do : > $f; done; python3 -c \"import os; os.removexattr('src/m1.ts', 'user.origin')\"")
    expect(stubs.changes).toEqual([
      { path: '/docs/hard', kind: 'modified', type: 'file', sizeBefore: 692, sizeAfter: 0 },
      { path: '/src/m1.ts', kind: 'modified', type: 'file', sizeBefore: 306, sizeAfter: 0 },
      { path: '/src/m2.ts', kind: 'modified', type: 'file', sizeBefore: 692, sizeAfter: 0 },
    ])
    expect(stubs).toMatchObject({ exitCode: 0, decision: { effect: 'allow' }, truncated: false })
    const placeholders = await agent('for f in src/m3.ts src/lib/large.ts; do echo "// ... the rest stays as it is" > tmp; mv tmp $f; done')
    expect(kinds(placeholders)).toEqual(['modified /src/lib/large.ts', 'modified /src/m3.ts'])
    work('bob/notes', 'while it empties')
    expect((await ann.blame('w', '/src/m3.ts')).map(({ actor, text }) => [actor, text])).toEqual([['agent', '// ... the rest stays as it is']])
  })

  it('throws away what is in no commit of git', async () => {
    const thrown = await agent('git checkout -q -- .; git stash -q; git stash drop -q; git clean -fdxq -e bob; git reset -q --hard; rm -rf .cairn')
    expect(kinds(thrown)).toEqual(expect.arrayContaining(['deleted /src/new.ts', 'deleted /src/staged.ts', 'deleted /build', 'deleted /build.log']))
    expect(thrown.stderr).toContain('.cairn')
    const back = await agent(`CAIRN_ACTOR=bob sh -c 'echo "restore ~1 /docs" > .cairn/control'`)
    expect(back.changes).toEqual([{ path: '/docs/hard', kind: 'modified', type: 'file', sizeBefore: 692, sizeAfter: 0 }])
    const restored = (await ann.log('w', { limit: 1 }).next()).value
    expect(restored).toMatchObject({ kind: 'restore', actor: 'agent', exec: back.execId })
    expect(await agent('git push origin main').catch(error => error)).toMatchObject({
      code: 'ERR_EXEC_DENIED',
      message: expect.stringContaining('Nothing leaves'),
    })
  })

  it('looks for secrets, which are not there', async () => {
    const leak = await agent(
      `cat .env .e*; cp .env leaked; mv .env leaked; ln .env leaked; env; tar cf - . | base64; git add -f .env; grep -r s3cret . .cairn/at/*/; cat .cairn/at/*/.env
       python3 -c "print(open('.env').read())"; find . -name .env -exec cat {} +; ls -a .cairn/versions/.env; cat /proc/*/environ; echo "fork stolen" > .cairn/control`,
      { outputBytes: 2 ** 22 },
    )
    const told = leak.stdout + leak.stderr + Buffer.from(leak.stdout.replace(/[^A-Za-z0-9+/=]/g, ''), 'base64').toString('latin1')
    expect(told).not.toContain('s3cret')
    expect(kinds(leak).filter(one => one.includes('leaked'))).toEqual([])
    expect(await volume.fs.promises.readFile('/.env', 'utf8')).toBe('KEY=s3cret\n')
  })

  it('moves directories about, and puts links to outside in their place', async () => {
    const moved = await agent('mv src docs/src; mv docs old; mkdir src; mv "my files" src/; mv empty docs')
    expect(kinds(moved)).toEqual(expect.arrayContaining(['renamed /docs > /old', 'renamed /src > /old/src', 'renamed /my files > /src/my files']))
    work('old/src/bobs.ts', 'in a directory that was moved')
    const linked = await agent(
      'rm -rf src; ln -s /etc src; head -c 4 src/hostname; echo x > src/agent; ln -s / top; rm -rf top/tmp/* top/usr/bin/env; ls top/usr/bin | head -1',
    )
    expect(kinds(linked)).toEqual(expect.arrayContaining(['created /top']))
    expect(linked.stderr).toContain('Read-only file system')
    expect(linked.stdout).not.toBe('')
  })

  it('makes commits by the hundred, in the middle of which the server is killed', async () => {
    let reached = (): void => undefined
    const middle = new Promise<void>(resolve => {
      reached = resolve
    })
    const loop = agent(
      `git config user.name agent; for i in 1 2 3; do echo $i > counter; git add counter; git commit -qm $i; done
       i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i > counter; echo "checkpoint c$i" > .cairn/control || exit 1; if [ $i = 150 ]; then echo half; fi; done`,
      { onStdout: () => reached() },
    )
    await middle
    await home.killServer()
    work('bob/notes', 'while it commits')
    expect(await loop).toMatchObject({ exitCode: 0, stdout: 'half\n', stderr: '' })
    const { changes } = await loop
    expect(changes.find(({ path }) => path === '/counter')).toEqual({ path: '/counter', kind: 'created', type: 'file', sizeAfter: 4 })
    expect(changes.filter(({ path, kind }) => kind === 'created' && path.startsWith('/.git/objects/')).length).toBeGreaterThan(9)
    expect((await ann.checkpoints('w')).length).toBe(300)
  })

  it('fills the volume, and is told so', async () => {
    const full = await agent('mkdir junk; yes > junk/yes; for i in 1 2 3; do head -c 100000 /dev/zero > junk/$i || echo refused; done')
    expect(full.stderr).toContain('Disk quota exceeded')
    expect(full.stdout).toBe('refused\n'.repeat(3))
    expect(full.quotaReached).toBe(true)
    expect(await agent('true')).not.toHaveProperty('quotaReached')
    expect(full.changes.find(({ path }) => path === '/junk/yes')?.sizeAfter).toBeGreaterThan(2 ** 19)
  })

  it('takes away all rights, and removes everything by a wrong quote', async () => {
    const locked = await agent('chmod -R 000 .; chmod 000 .; touch x')
    expect(kinds(locked)).toEqual(expect.arrayContaining(['mode /', 'mode /.git', 'mode /old/index.md', 'mode /bob/notes']))
    work('bob/notes', 'without rights')
    const removed = await agent('TARGET="build/ * .[a-z]*"; chmod -R u+rwx .; rm -rf $TARGET')
    expect(removed).toMatchObject({ exitCode: 0, stderr: '' })
    expect(removed.changes.every(({ kind }) => kind === 'deleted' || kind === 'mode')).toBe(true)
    mkdirSync(join(bobs.mountpoint, 'bob2'))
    writeFileSync(join(bobs.mountpoint, 'bob2/after'), 'all gone\n')
    expect((await volume.fs.promises.readdir('/')).sort()).toEqual(['.env', 'bob2'])
    // Also of what was unlinked after the server was killed, when nobody knows any more what was open in the mount of another.
    expect((await ann.quota('w')).bytes.used).toBeLessThan(4096)
  })

  it('is in the audit with everything that it did', async () => {
    const runs = (await entries({ actor: 'agent' })).filter(({ kind }) => kind === 'exec').reverse()
    expect(runs.filter(({ decision }) => decision?.effect !== 'deny').map(({ exec }) => exec)).toEqual(ran.map(({ execId }) => execId))
    for (const [i, result] of ran.entries()) {
      const counts: Record<string, number> = {}
      for (const { kind } of result.changes) counts[kind] = (counts[kind] ?? 0) + 1
      expect(runs.find(({ exec }) => exec === ran[i].execId)).toMatchObject({ exit: result.exitCode, changes: counts, before: result.checkpoint })
    }
    expect(await ann.verifyAudit('w')).toMatchObject({ ok: true, problems: [] })
  })

  it('is taken back by one undo, byte for byte, and nobody else with it', async () => {
    expect(await home.must('undo', 'w', '--actor', 'agent')).toContain('Took back')
    const after = await tree()
    const own = (path: string): boolean => /^\/(bob|bob2|src\/bobs\.ts)/.test(path)
    const others = (all: Tree): Tree => Object.fromEntries(Object.entries(all).filter(([path]) => !own(path)))
    expect(others(after)).toEqual(others(before))
    expect(Object.keys(after).filter(own)).toEqual(['/bob', '/bob/log', '/bob/notes', '/bob2', '/bob2/after', '/src/bobs.ts'])
    const text = (path: string): Promise<string> => volume.fs.promises.readFile(path, 'utf8')
    expect(await text('/bob/notes')).toBe('begun\nwhile it empties\nwhile it commits\nwithout rights\n')
    expect(await text('/src/bobs.ts')).toBe('in a directory that was moved\n')
    expect(after['/bob/log']).toEqual(before['/bob/log'])
  })
})
