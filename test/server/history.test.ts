import { execFile, spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Cairn } from '../../src/sdk/cairn.js'
import { canMount, type Home, isAlive, makeHome, openCairn, pidsOf, program, until } from './support.js'

interface Output {
  code: number
  out: string
}

describe.skipIf(!canMount)('.cairn in a mount', () => {
  let home: Home
  let cairn: Cairn
  let at: (path: string) => string

  beforeEach(async () => {
    home = makeHome()
    cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
    at = path => join(home.mountpoint, path)
    await mkdir(at('dir'))
    await writeFile(at('file'), 'one\n')
    await writeFile(at('dir/inner'), 'inner\n')
  })

  /** A shell command in the mount. */
  function sh(command: string): Promise<Output> {
    return new Promise(resolve => {
      execFile('bash', ['-c', command], { cwd: home.mountpoint, timeout: 300_000, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 99), out: (out + err).trimEnd() })
      })
    })
  }
  const out = async (command: string) => (await sh(command)).out
  const control = (command: string) => writeFile(at('.cairn/control'), `${command}\n`)

  async function killServer(): Promise<void> {
    const { server } = pidsOf(home)
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
  }

  test('is found by name, and listed nowhere', async () => {
    expect(await readdir(home.mountpoint)).toEqual(['dir', 'file'])
    expect((await readdir(at('.cairn'))).sort()).toEqual(['at', 'checkpoints', 'control', 'log', 'versions'])
    expect(await out('find . | sort | tr "\\n" " "')).toBe('. ./dir ./dir/inner ./file')
    expect(await out('grep -rl . . | sort')).toBe('./dir/inner\n./file')
    expect(await out('git init -q . && git status --porcelain')).toBe('?? dir/\n?? file')
    expect(await out('du --inodes .')).not.toContain('.cairn')
  })

  test('a checkpoint is a tree that programs copy, compare and pack', async () => {
    await cairn.checkpoint('v', 'first')
    await writeFile(at('file'), 'two\n')
    await rm(at('dir'), { recursive: true })
    expect(await readdir(at('.cairn/checkpoints'))).toEqual(['first'])
    expect(await out('cat .cairn/checkpoints/first/file .cairn/checkpoints/first/dir/inner')).toBe('one\ninner')
    expect(await sh('cp -a .cairn/checkpoints/first/dir . && cp .cairn/checkpoints/first/file file')).toEqual({ code: 0, out: '' })
    expect(await sh('diff -r .cairn/checkpoints/first .')).toEqual({ code: 0, out: '' })
    expect(await out('tar c -C .cairn/checkpoints/first . | tar t | sort | tr "\\n" " "')).toBe('./ ./dir/ ./dir/inner ./file')
  })

  /** Those that are installed here. */
  const copiers = [
    ['cp', 'cp -a .cairn/checkpoints/first/. .'],
    ['tar', 'tar c -C .cairn/checkpoints/first . | tar x'],
    ['rsync', 'rsync -a --delete .cairn/checkpoints/first/ ./'],
  ].filter(([program]) => spawnSync(program, ['--version']).status === 0)

  test.each(copiers)('%s brings a whole checkpoint back into the live tree', async (_program, command) => {
    await sh('mkdir -p deep/er && ln -s ../file deep/link && ln file deep/hard && chmod 751 deep/er && printf x > deep/er/x && touch -d 2020-01-02 deep/er/x')
    await sh('head -c 300000 /dev/urandom > deep/large && truncate -s 2M deep/sparse')
    await cairn.checkpoint('v', 'first')
    const state = `find . -printf '%p %y %m %n %s %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum; stat -c %Y deep/er/x`
    const before = await out(state)
    await sh('rm -rf deep dir && printf changed > file && mkdir dir && printf other > dir/inner && chmod 600 dir/inner')
    expect(await sh(command)).toEqual({ code: 0, out: '' })
    // Nothing of the past went along, and nothing was written into it.
    expect(await out(state)).toBe(before)
    expect(await out(`cd .cairn/checkpoints/first && ${state}`)).toBe(before)
    expect((await cairn.fsck('v')).findings).toEqual([])
  })

  test('an old file and the present one are two files on one device', async () => {
    await cairn.checkpoint('v', 'first')
    const [now, then] = await Promise.all([stat(at('file'), { bigint: true }), stat(at('.cairn/checkpoints/first/file'), { bigint: true })])
    expect(then.dev).toBe(now.dev)
    expect(then.ino).not.toBe(now.ino)
    expect(then.ino & ((1n << 53n) - 1n)).toBe(now.ino)
    expect(await out(`find .cairn/checkpoints -inum ${then.ino}`)).toBe('.cairn/checkpoints/first/file')
    expect(await out(`find .cairn/checkpoints -inum ${now.ino}`)).toBe('')
  })

  test('refs are resolved when they are looked up', async () => {
    const first = await cairn.checkpoint('v', 'first')
    await writeFile(at('file'), 'two\n')
    const second = await cairn.checkpoint('v', 'second')
    const file = (ref: string) => readFile(at(`.cairn/at/${ref}/file`), 'utf8')
    expect([await file('~0'), await file('~1'), await file('first'), await file(second.id)]).toEqual(['two\n', 'one\n', 'one\n', 'two\n'])
    expect(await file(new Date(first.timeMs).toISOString())).toBe('one\n')
    for (const ref of ['nothing', '~2', '1999-01-01', '2999-01-01T00:00', '01']) await expect(file(ref)).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(at('file'), 'three\n')
    await cairn.checkpoint('v', 'third')
    expect([await file('~0'), await file('~1')]).toEqual(['three\n', 'two\n'])
    const times = await readdir(at('.cairn/at'))
    expect(await Promise.all(times.map(file))).toEqual(['one\n', 'two\n', 'three\n'])
  })

  test('two names of one commit are two trees for the kernel', async () => {
    await cairn.checkpoint('v', 'first')
    expect(await sh('cd .cairn/checkpoints/first/dir && cat ../../../at/~0/dir/inner && pwd -P && diff -r .. ../../../at/first')).toEqual({
      code: 0,
      out: `inner\n${at('.cairn/checkpoints/first/dir')}`,
    })
  })

  test('a deleted checkpoint is gone at once, also from a listing that the kernel had', async () => {
    await cairn.checkpoint('v', 'first')
    await cairn.checkpoint('v', 'second')
    expect(await readdir(at('.cairn/checkpoints'))).toEqual(['first', 'second'])
    const standing = program(
      `process.chdir(process.argv[1]); console.log('stands'); process.stdin.once('data', () => {
      console.log(require('node:fs').readFileSync('file', 'utf8')); process.exit() })`.replace('require(', 'process.getBuiltinModule('),
      [at('.cairn/checkpoints/first')],
    )
    await standing.printed('stands')
    await cairn.deleteCheckpoint('v', 'first')
    expect(await readdir(at('.cairn/checkpoints'))).toEqual(['second'])
    await expect(readFile(at('.cairn/checkpoints/first/file'))).rejects.toMatchObject({ code: 'ENOENT' })
    standing.child.stdin?.write('go')
    expect((await standing.ended).output).toContain('one')
  })

  test('nothing of the past is changed, by whatever program', async () => {
    await cairn.checkpoint('v', 'first')
    const before = await out('find .cairn/checkpoints | sort; cat .cairn/log')
    const refused = [
      'rm -rf .cairn',
      'rmdir .cairn',
      'mkdir .cairn',
      'touch .cairn/new',
      'mv file .cairn/checkpoints/first/other',
      'mv -T dir .cairn',
      'mv .cairn elsewhere',
      'ln -s file .cairn/link',
      'ln file .cairn/checkpoints/first/link',
      'ln .cairn/checkpoints/first/file hard',
      'echo x > .cairn/checkpoints/first/file',
      'echo x >> .cairn/log',
      'truncate -s 0 .cairn/checkpoints/first/file',
      'chmod 700 .cairn/checkpoints/first/dir',
      'chmod 666 .cairn/control',
      'touch .cairn/checkpoints/first/file',
      'setfattr -n user.a -v b .cairn/checkpoints/first/file',
      'rm -f .cairn/control',
      'rmdir .cairn/checkpoints/first',
    ]
    for (const command of refused) expect.soft((await sh(command)).code, command).not.toBe(0)
    await sh('rm -rf *')
    expect(await readdir(home.mountpoint)).toEqual([])
    expect(await out('find .cairn/checkpoints | sort; cat .cairn/log')).toBe(before)
    await sh(`rm -rf ${home.mountpoint}`)
    expect(await out('cat .cairn/checkpoints/first/file')).toBe('one')
  })

  test('moving out of the past copies, and leaves the old file', async () => {
    await cairn.checkpoint('v', 'first')
    expect((await sh('mv .cairn/checkpoints/first/file moved')).out).toMatch(/Read-only/)
    expect(await out('cat moved .cairn/checkpoints/first/file')).toBe('one\none')
  })

  test('the log has every commit, newest first, and a reader stays in the text that he began', async () => {
    await cairn.checkpoint('v', 'first', { message: 'why\nand how' })
    const before = await readFile(at('.cairn/log'), 'utf8')
    expect(before).toMatch(/^[0-9a-z]{26} {2}\S+Z {2}checkpoint {2}\S+ {2}\(first\) {2}why\n {4}and how\n$/)
    const fd = openSync(at('.cairn/log'), 'r')
    await cairn.checkpoint('v', 'second')
    const bytes = Buffer.alloc(4096)
    expect(bytes.toString('utf8', 0, readSync(fd, bytes))).toBe(before)
    closeSync(fd)
    const after = await readFile(at('.cairn/log'), 'utf8')
    expect(after.endsWith(before)).toBe(true)
    expect(after.split('\n')[0]).toContain('second')
    expect((await stat(at('.cairn/log'))).size).toBe(after.length)
    expect(await sh('cp .cairn/log copy && cmp copy .cairn/log')).toEqual({ code: 0, out: '' })
  })

  describe('control', () => {
    test('makes a checkpoint of all that was written, mapped pages too', async () => {
      const mapper = `
import mmap, sys
f = open('mapped', 'w+b')
f.write(b'.' * 8192)
f.flush()
m = mmap.mmap(f.fileno(), 8192)
m[0:5] = b'HELLO'
open('.cairn/control', 'w').write('checkpoint mid a message of words')
print(open('.cairn/control').read())
`
      const { code, out: said } = await sh(`python3 -c "${mapper}"`)
      expect([code, said]).toEqual([0, expect.stringMatching(/checkpoint {2}\S+ {2}\(mid\) {2}a message of words/)])
      expect(await out('head -c 5 .cairn/checkpoints/mid/mapped')).toBe('HELLO')
    })

    test('says who it was', async () => {
      expect((await sh(`CAIRN_ACTOR=bot bash -c 'echo "checkpoint by-bot" > .cairn/control'`)).code).toBe(0)
      expect((await cairn.checkpoints('v'))[0]).toMatchObject({ name: 'by-bot', actor: 'bot' })
    })

    test('forks, and tells what changed and how things are', async () => {
      await control('checkpoint first')
      await writeFile(at('file'), 'changed\n')
      await control('fork w')
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/^forked to w /)
      const fork = await cairn.open('w')
      expect(await fork.fs.promises.readFile('/file', 'utf8')).toBe('changed\n')
      await fork.close()
      await control('diff first')
      expect(await readFile(at('.cairn/control'), 'utf8')).toBe('modified  /file  (4 → 8 bytes)\n')
      await control('status')
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/^volume: +v /)
    })

    test('restores everything, or one path, and the mount shows it at once', async () => {
      await control('checkpoint first')
      await writeFile(at('file'), 'changed\n')
      await writeFile(at('dir/inner'), 'changed too\n')
      await writeFile(at('new'), 'new\n')
      expect(await out('cat file dir/inner; ls')).toBe('changed\nchanged too\ndir\nfile\nnew')
      await control('restore first dir')
      expect(await out('cat file dir/inner; ls')).toBe('changed\ninner\ndir\nfile\nnew')
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/restore {2}\S+ {2}\/dir to first\n$/)
      await control(`restore first ${at('file')}`)
      expect(await out('cat file; ls')).toBe('one\ndir\nfile\nnew')
      await control('restore first')
      expect(await out('cat file dir/inner; ls')).toBe('one\ninner\ndir\nfile')
      await control('restore ~1')
      expect(await out('cat file; ls')).toBe('one\ndir\nfile\nnew')
      const log = await readFile(at('.cairn/log'), 'utf8')
      expect(log.match(/ {2}restore {2}/g)).toHaveLength(4)
      await expect(control('restore nothing')).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(control('restore first no/such')).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('undoes the newest changes, keeps later ones, and says what stands in the way', async () => {
      await control('checkpoint first')
      await writeFile(at('file'), 'one\ntwo\n')
      await control('checkpoint second')
      await writeFile(at('other'), 'other\n')
      await control('undo')
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/ {2}undo {2}.*\ntook back:\n.* {2}auto {2}/)
      expect(await readdir(home.mountpoint)).toEqual(['dir', 'file'])
      await control('undo 1')
      expect(await readdir(home.mountpoint)).toEqual(['dir', 'file', 'other'])
      await control('checkpoint third')
      await writeFile(at('file'), 'changed\n')
      await control('undo')
      expect(await readFile(at('file'), 'utf8')).toBe('one\ntwo\n')
      for (const [word, code] of [
        ['0', 'EINVAL'],
        ['1 2', 'EINVAL'],
        ['many', 'ENOENT'],
      ])
        await expect(control(`undo ${word}`)).rejects.toMatchObject({ code })
    })

    test('undoes one commit; where later changes touched the same it changes nothing and names them', async () => {
      const all = Array.from({ length: 20 }, (_, i) => `line ${i}\n`)
      const text = (...changed: number[]) => all.map((line, i) => (changed.includes(i) ? `changed ${i}\n` : line)).join('')
      await writeFile(at('file'), text())
      await control('checkpoint first')
      await writeFile(at('file'), text(1))
      await writeFile(at('dir/inner'), 'bad\n')
      await control('checkpoint bad')
      await writeFile(at('file'), text(1, 18))
      await writeFile(at('dir/inner'), 'worse\n')
      const before = await out('cat file dir/inner; grep -c . .cairn/log')
      await expect(control('undo bad')).rejects.toMatchObject({ code: 'EBUSY' })
      expect(await readFile(at('.cairn/control'), 'utf8')).toBe(
        'Error: Later changes touched the same: /dir/inner. Nothing was changed. `cairn undo` has --ours and --theirs.\n',
      )
      // What no commit had got one.
      expect(await out('cat file dir/inner; grep -c . .cairn/log')).toBe(before.replace(/\d+$/, count => String(Number(count) + 1)))
      await writeFile(at('dir/inner'), 'bad\n')
      await control('undo bad')
      expect(await readFile(at('file'), 'utf8')).toBe(text(18))
      expect(await readFile(at('dir/inner'), 'utf8')).toBe('inner\n')
    })

    test('undoes nothing while a merge waits', async () => {
      await control('fork other')
      await writeFile(at('file'), 'ours\n')
      const other = await cairn.open('other')
      await other.fs.promises.writeFile('/file', 'theirs\n')
      await other.close()
      expect(await cairn.merge('other')).toMatchObject({ state: 'conflicts' })
      const marked = await readFile(at('file'), 'utf8')
      expect(marked).toContain('<<<<<<< v')
      await expect(control('undo')).rejects.toMatchObject({ code: 'EBUSY' })
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/^Error: A merge with other waits in v, with 1 conflict\. /)
      expect(await readFile(at('file'), 'utf8')).toBe(marked)
    })

    test('restores the directory that is mounted alone, and nothing beside it', async () => {
      await control('checkpoint first')
      await writeFile(at('file'), 'changed\n')
      await writeFile(at('dir/inner'), 'changed\n')
      await cairn.unmount('v')
      await cairn.mount({ name: 'v', sub: '/dir', path: home.mountpoint })
      await control('diff first')
      expect(await readFile(at('.cairn/control'), 'utf8')).toBe('modified  /inner  (6 → 8 bytes)\n')
      await control('restore first')
      expect(await readFile(at('inner'), 'utf8')).toBe('inner\n')
      await cairn.unmount('v')
      await cairn.mount({ name: 'v', path: home.mountpoint })
      expect(await readFile(at('file'), 'utf8')).toBe('changed\n')
    })

    test('a server killed under restores goes back once each', async () => {
      await control('checkpoint c0')
      const rounds = 40
      const writer = program(
        `const fs = process.getBuiltinModule('node:fs'); const [dir, n] = process.argv.slice(1)
        for (let i = 1; i <= n; i++) { fs.writeFileSync(dir + '/file', String(i)); fs.writeFileSync(dir + '/.cairn/control', 'restore ~' + (i === 1 ? 0 : 1)); console.log('done ' + i + '.', fs.readFileSync(dir + '/file', 'utf8').trim()) }`,
        [home.mountpoint, String(rounds)],
      )
      for (const round of [8, 20, 33]) {
        await writer.printed(`done ${round}.`)
        await killServer()
      }
      const { output } = await writer.ended
      expect(output).not.toContain('Error')
      const commits: Array<{ kind: string }> = []
      for await (const commit of cairn.log('v')) commits.push(commit)
      expect(commits.filter(({ kind }) => kind === 'restore')).toHaveLength(rounds)
      expect(commits.filter(({ kind }) => kind === 'auto')).toHaveLength(rounds)
    })

    test('answers each descriptor that asked, and others with the last answer', async () => {
      const [one, two] = [await open(at('.cairn/control'), 'r+'), await open(at('.cairn/control'), 'r+')]
      await one.write('checkpoint first\n')
      await two.write('help\n')
      const read = async (handle: typeof one, position: number | null) => {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, position)
        return buffer.toString('utf8', 0, bytesRead)
      }
      expect(await read(one, null)).toContain('first')
      expect(await read(one, null)).toBe('')
      expect(await read(two, 0)).toMatch(/^Write one of these/)
      expect(await readFile(at('.cairn/control'), 'utf8')).toMatch(/^Write one of these/)
      await one.close()
      await two.close()
      expect(await out('exec 3<>.cairn/control; echo "checkpoint third" >&3; cat <&3')).toContain('third')
    })

    test('fails with an errno and says why', async () => {
      await control('checkpoint first')
      const failed = async (command: string) => [(await control(command).catch(error => error)).code, await readFile(at('.cairn/control'), 'utf8')]
      expect(await failed('checkpoint first')).toEqual(['EEXIST', expect.stringMatching(/^Error: There is a checkpoint 'first' already/)])
      expect(await failed('diff nothing')).toEqual(['ENOENT', expect.stringMatching(/^Error: There is no checkpoint or commit 'nothing'/)])
      expect(await failed('dance')).toEqual(['EINVAL', expect.stringMatching(/^Error: There is no command 'dance'/)])
      expect(await failed('checkpoint')).toEqual(['EINVAL', expect.stringMatching(/checkpoint NAME/)])
      expect(await failed('checkpoint ~1')).toEqual(['EINVAL', expect.stringMatching(/^Error: A checkpoint cannot be called/)])
      expect(await failed('checkpoint a\ncheckpoint first\ncheckpoint b')).toEqual(['EEXIST', expect.stringMatching(/\(a\)\nError: /)])
      expect((await cairn.checkpoints('v')).map(({ name }) => name)).toEqual(['a', 'first'])
    })
  })

  test('views, open files and directories outlive a killed server', async () => {
    await cairn.checkpoint('v', 'first')
    await writeFile(at('big'), Buffer.alloc(3 << 20, 'b'))
    await cairn.checkpoint('v', 'second')
    const handle = await open(at('.cairn/checkpoints/second/big'))
    const standing = program(
      `const fs = process.getBuiltinModule('node:fs'); process.chdir(process.argv[1]); console.log('stands'); process.stdin.once('data', () => {
      console.log(fs.readFileSync('file', 'utf8') + fs.readdirSync('.') + process.cwd()); process.exit() })`,
      [at('.cairn/at/~1')],
    )
    await standing.printed('stands')
    const { ino } = await stat(at('.cairn/checkpoints/second'))
    for (let round = 0; round < 2; round++) {
      await killServer()
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(4096), 0, 4096, (round + 1) << 20)
      expect(buffer.subarray(0, bytesRead).equals(Buffer.alloc(4096, 'b'))).toBe(true)
      expect((await stat(at('.cairn/checkpoints/second'))).ino).toBe(ino)
    }
    await handle.close()
    await cairn.checkpoint('v', 'third')
    expect(await readFile(at('.cairn/checkpoints/third/file'), 'utf8')).toBe('one\n')
    standing.child.stdin?.write('go')
    expect((await standing.ended).output).toBe(`stands\none\ndir,file${at('.cairn/at/~1')}\n`)
  })

  test('a server killed under commands does each of them once', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `c${i}`)
    const writer = program(
      `const fs = process.getBuiltinModule('node:fs')
      for (const name of process.argv.slice(2)) { fs.writeFileSync(process.argv[1], 'checkpoint ' + name); console.log(name) }`,
      [at('.cairn/control'), ...names],
    )
    for (const name of ['c10', 'c30', 'c50']) {
      await writer.printed(name)
      await killServer()
    }
    expect((await writer.ended).output.trim().split('\n')).toEqual(names)
    expect((await cairn.checkpoints('v')).map(({ name }) => name)).toEqual(names.reverse())
  })

  test('300 checkpoints are listed and read, and their numbers are used again', async () => {
    const volume = await cairn.open('v')
    for (let i = 0; i < 300; i++) {
      await volume.fs.promises.writeFile('/file', `${i}`)
      await cairn.checkpoint('v', `c${i}`)
    }
    await volume.close()
    const listed = await readdir(at('.cairn/checkpoints'))
    expect(listed).toEqual(Array.from({ length: 300 }, (_, i) => `c${i}`).sort())
    expect(await out('cd .cairn/checkpoints && for c in *; do [ "c$(cat $c/file)" = $c ] || echo $c; done; ls */dir/inner | wc -l')).toBe('300')
    const inodes = await out('stat -c %i .cairn/checkpoints/* | sort -u | wc -l')
    expect(inodes).toBe('300')
  })

  test('a read-only mount has it too, and takes no command that changes something', async () => {
    await cairn.checkpoint('v', 'first')
    await cairn.unmount('v')
    await cairn.mount({ name: 'v', path: home.mountpoint, readOnly: true })
    expect(await out('cat .cairn/checkpoints/first/file .cairn/at/~0/dir/inner')).toBe('one\ninner')
    expect(await out('cat .cairn/control')).toMatch(/^Write one of these/)
    await expect(control('checkpoint second')).rejects.toMatchObject({ code: 'EROFS' })
    const log = await readFile(at('.cairn/log'), 'utf8')
    await cairn.checkpoint('v', 'second')
    expect(await readFile(at('.cairn/log'), 'utf8')).toMatch(/\(second\)\n/)
    expect((await readFile(at('.cairn/log'), 'utf8')).endsWith(log)).toBe(true)
    expect(await readdir(at('.cairn/checkpoints'))).toEqual(['first', 'second'])
  })

  test('a directory mounted alone shows its own history', async () => {
    await mkdir(at('dir/.cairn'))
    await writeFile(at('dir/.cairn/real'), 'r')
    await cairn.checkpoint('v', 'first')
    await sh('mv dir moved && echo changed > moved/inner')
    await cairn.unmount('v')
    await cairn.mount({ name: 'v', sub: '/moved', path: home.mountpoint })
    expect(await readdir(home.mountpoint)).toEqual(['inner'])
    expect(await out('cat inner .cairn/checkpoints/first/inner')).toBe('changed\ninner')
    expect((await sh('rm -rf .cairn; rmdir .cairn; mv .cairn x')).code).not.toBe(0)
    expect(await readdir(at('.cairn/checkpoints/first'))).toEqual(['.cairn', 'inner'])
    await cairn.unmount('v')
    const volume = await cairn.open('v')
    expect(await volume.fs.promises.readFile('/moved/.cairn/real', 'utf8')).toBe('r')
  })

  test('permissions are those of that time', async () => {
    await sh('chmod 600 file && chmod 700 dir')
    await cairn.checkpoint('v', 'closed')
    await sh('chmod 644 file && chmod 755 dir')
    expect(await out('stat -c "%a %n" .cairn/checkpoints/closed/* | xargs -n1 | paste -sd" "')).toBe(
      '700 .cairn/checkpoints/closed/dir 600 .cairn/checkpoints/closed/file',
    )
  })

  test('the name is reserved for whoever comes another way', async () => {
    const { fs, close } = await cairn.open('v').then(volume => ({ fs: volume.fs.promises, close: () => volume.close() }))
    await expect(fs.mkdir('/.cairn')).rejects.toMatchObject({ code: 'EPERM' })
    await expect(fs.writeFile('/.cairn', '')).rejects.toMatchObject({ code: 'EPERM' })
    await expect(fs.rename('/dir', '/.cairn')).rejects.toMatchObject({ code: 'EPERM' })
    await close()
  })

  test('what was purged is gone from every view', async () => {
    await writeFile(at('secret'), 'the secret\n')
    await cairn.checkpoint('v', 'first')
    await writeFile(at('secret'), 'another secret\n')
    await cairn.checkpoint('v', 'second')
    const handle = await open(at('.cairn/checkpoints/first/secret'))
    expect(await out('cat .cairn/checkpoints/*/secret .cairn/versions/secret/* .cairn/at/~1/secret')).toContain('another secret')
    await cairn.purge('v', '/secret')
    expect(await out('cat .cairn/checkpoints/*/secret .cairn/versions/secret/* .cairn/at/~1/secret')).not.toMatch(/the secret|another secret/)
    await expect(handle.stat()).rejects.toMatchObject({ errno: -constants.errno.ESTALE })
    await handle.close()
    expect(await out('cat .cairn/checkpoints/*/file')).toBe('one\none')
  })

  test.skipIf(process.getuid?.() !== 0)('other users see what they could see then, and command where they may write', async () => {
    await cairn.unmount('v')
    await cairn.mount({ name: 'v', path: home.mountpoint, allowOther: true })
    await sh(`chmod 755 ${home.folder}; chmod 600 file; chmod 755 dir`)
    await cairn.checkpoint('v', 'first')
    const other = (command: string) => sh(`setpriv --reuid 12345 --regid 12345 --clear-groups bash -c '${command}'`)
    expect((await other('cat .cairn/checkpoints/first/dir/inner')).out).toBe('inner')
    expect((await other('cat .cairn/checkpoints/first/file')).out).toMatch(/Permission denied/)
    expect((await other('echo "checkpoint mine" > .cairn/control')).out).toMatch(/Permission denied/)
    await sh('chmod 777 .')
    expect(await other('echo "checkpoint mine" > .cairn/control && cat .cairn/control')).toEqual({
      code: 0,
      out: expect.stringMatching(/uid 12345 {2}\(mine\)$/),
    })
    expect((await sh('cat .cairn/control')).out).toMatch(/^Write one of these/)
    expect((await other('rm -rf .cairn; rmdir .cairn; echo x > .cairn/log')).out).toMatch(/Permission denied|Read-only/)
  })

  test('nothing of views is left when the mount is gone', async () => {
    const first = await cairn.checkpoint('v', 'first')
    await readFile(at('.cairn/checkpoints/first/file'))
    await cairn.unmount('v')
    await cairn.mount({ name: 'v', path: home.mountpoint })
    expect((await stat(at('.cairn/checkpoints/first'), { bigint: true })).ino >> 53n).toBe(8n)
    expect(await readFile(at(`.cairn/at/${first.id}/file`), 'utf8')).toBe('one\n')
  })
})
