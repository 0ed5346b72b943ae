import { execFile } from 'node:child_process'
import { appendFile, mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Cairn } from '../../src/sdk/cairn.js'
import { canMount, type Home, isAlive, makeHome, openCairn, pidsOf, program, until } from './support.js'

describe.skipIf(!canMount)('.cairn/versions', () => {
  let home: Home
  let cairn: Cairn
  let at: (path: string) => string
  let versions: (path: string) => Promise<string[]>

  beforeEach(async () => {
    home = makeHome()
    cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
    at = path => join(home.mountpoint, path)
    /** What was in each version of a path. */
    versions = async path => {
      const folder = at(`.cairn/versions/${path}`)
      return Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))
    }
  })

  function sh(command: string): Promise<{ code: number; out: string }> {
    return new Promise(resolve => {
      execFile('bash', ['-c', command], { cwd: home.mountpoint, timeout: 300_000 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 99), out: (out + err).trimEnd() })
      })
    })
  }

  async function killServer(): Promise<void> {
    const { server } = pidsOf(home)
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
  }

  test('a file is a folder with one file for each version, by number, time and extension', async () => {
    await mkdir(at('src'))
    await writeFile(at('src/app.js'), 'one')
    expect(await readdir(at('.cairn/versions/src'))).toEqual([])
    await writeFile(at('src/app.js'), 'two')
    await appendFile(at('src/app.js'), ' and a half')
    expect(await readdir(at('.cairn/versions'))).toEqual(['src'])
    expect(await readdir(at('.cairn/versions/src'))).toEqual(['app.js'])
    const names = await readdir(at('.cairn/versions/src/app.js'))
    expect(names).toEqual([expect.stringMatching(/^0001-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.js$/), expect.stringMatching(/^0002-.*\.js$/)])
    expect(await versions('src/app.js')).toEqual(['one', 'two'])
    expect((await stat(at(`.cairn/versions/src/app.js/${names[0]}`))).size).toBe(3)
    expect(await sh(`cp .cairn/versions/src/app.js/0001* src/app.js && cat src/app.js`)).toEqual({ code: 0, out: 'one' })
    expect(await versions('src/app.js')).toEqual(['one', 'two', 'two and a half'])
  })

  test('what was deleted, replaced or moved away has them too, and links say where they led', async () => {
    await mkdir(at('gone/deep'), { recursive: true })
    await writeFile(at('gone/deep/file.txt'), 'lost')
    await rm(at('gone'), { recursive: true })
    await writeFile(at('saved'), 'before')
    await writeFile(at('saved.tmp'), 'after')
    await rename(at('saved.tmp'), at('saved'))
    await symlink('old', at('link'))
    await rm(at('link'))
    expect(await versions('gone/deep/file.txt')).toEqual(['lost'])
    expect(await versions('saved')).toEqual(['before'])
    const [name] = await readdir(at('.cairn/versions/link'))
    expect(await readlink(at(`.cairn/versions/link/${name}`))).toBe('old')
    expect((await sh('find .cairn/versions -type d | sort | tr "\\n" " "')).out).toBe(
      '.cairn/versions .cairn/versions/gone .cairn/versions/gone/deep .cairn/versions/gone/deep/file.txt .cairn/versions/link .cairn/versions/saved',
    )
    await expect(readdir(at('.cairn/versions/never'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('large files are read from their blocks, whatever was written since', async () => {
    const first = Buffer.alloc(300_000, 'a')
    await writeFile(at('big'), first)
    const handle = await open(at('big'), 'r+')
    await handle.write(Buffer.alloc(1000, 'b'), 0, 1000, 100_000)
    await handle.close()
    const [name] = await readdir(at('.cairn/versions/big'))
    expect((await readFile(at(`.cairn/versions/big/${name}`))).equals(first)).toBe(true)
  })

  test('nothing of it is changed', async () => {
    await writeFile(at('file'), 'one')
    await writeFile(at('file'), 'two')
    for (const command of [
      'rm -rf .cairn/versions',
      'touch .cairn/versions/new',
      'echo x > .cairn/versions/file/0001*',
      'mv .cairn/versions/file x',
      'rmdir .cairn/versions/file',
    ]) {
      expect.soft((await sh(command)).code, command).not.toBe(0)
    }
    expect(await versions('file')).toEqual(['one'])
  })

  test('who stands in it sees new versions, and goes on when the server is killed', async () => {
    await writeFile(at('file'), 'one')
    await writeFile(at('file'), 'two')
    const standing = program(
      `const fs = process.getBuiltinModule('node:fs'); process.chdir(process.argv[1])
      const fd = fs.openSync(fs.readdirSync('.')[0]); const bytes = Buffer.alloc(10)
      console.log('stands'); process.stdin.on('data', () => { console.log('sees ' + fs.readdirSync('.').length + fs.readFileSync(fs.readdirSync('.')[0]) + fs.readSync(fd, bytes, 0, 10, 0)) })`,
      [at('.cairn/versions/file')],
    )
    await standing.printed('stands')
    for (const round of [2, 3]) {
      await writeFile(at('file'), `${round}`)
      await killServer()
      standing.child.stdin?.write('go')
      expect(await standing.printed(`sees ${round}`)).toBe(`sees ${round}one3`)
    }
    standing.child.stdin?.end()
  })

  test('a directory mounted alone has those of its own paths', async () => {
    await mkdir(at('dir'))
    await writeFile(at('dir/file'), 'one')
    await writeFile(at('dir/file'), 'two')
    await cairn.unmount('v')
    await cairn.mount({ name: 'v', sub: '/dir', path: home.mountpoint })
    expect(await readdir(at('.cairn/versions'))).toEqual(['file'])
    expect(await versions('file')).toEqual(['one'])
  })

  test('modes and owners are those of the file then; what is below a directory that is gone is for the owner of what is above', async () => {
    await writeFile(at('file'), 'secret', { mode: 0o600 })
    await sh('chown 1234 file; echo open > file; chmod 644 file; chown 0 file; echo last > file')
    await mkdir(at('private'), { mode: 0o700 })
    await writeFile(at('private/file'), 'x')
    expect((await stat(at('.cairn/versions/private'))).mode & 0o7777).toBe(0o500)
    await rm(at('private'), { recursive: true })
    expect((await stat(at('.cairn/versions/private'))).mode & 0o7777).toBe(0o500)
    expect((await sh('stat -c "%a %u" .cairn/versions/file/*')).out).toBe('600 1234\n644 0')
  })

  test('500 versions of a file are listed and read', async () => {
    const script = `const fs = process.getBuiltinModule('node:fs'); for (let i = 0; i < 501; i++) fs.writeFileSync(process.argv[1], 'n' + i)`
    expect((await program(script, [at('file')]).ended).code).toBe(0)
    expect(await versions('file')).toEqual(Array.from({ length: 500 }, (_, i) => `n${i}`))
  })
})
