import { assert, type FsCase, type FsContext, fails } from './fs-case.js'

/** Makes one of each kind of thing that rename may meet. */
async function kinds(t: FsContext, prefix: string): Promise<Record<string, string>> {
  const at = (name: string) => `${t.root}/${prefix}-${name}`
  await t.p.writeFile(at('file'), prefix)
  await t.p.mkdir(at('empty'))
  await t.p.mkdir(at('full'))
  await t.p.writeFile(`${at('full')}/x`, 'x')
  await t.p.symlink('nowhere', at('link'))
  return { file: at('file'), empty: at('empty'), full: at('full'), link: at('link'), missing: at('missing') }
}

/** What rename(from, to) gives on Linux, by kinds. */
const renameMatrix: Record<string, Record<string, string>> = {
  file: { file: '', empty: 'EISDIR', full: 'EISDIR', link: '', missing: '' },
  empty: { file: 'ENOTDIR', empty: '', full: 'ENOTEMPTY', link: 'ENOTDIR', missing: '' },
  full: { file: 'ENOTDIR', empty: '', full: 'ENOTEMPTY', link: 'ENOTDIR', missing: '' },
  link: { file: '', empty: 'EISDIR', full: 'EISDIR', link: '', missing: '' },
  missing: { file: 'ENOENT', empty: 'ENOENT', full: 'ENOENT', link: 'ENOENT', missing: 'ENOENT' },
}

function renameCase(from: string, to: string, code: string): FsCase {
  return {
    name: `rename of ${from} over ${to}: ${code === '' ? 'replaces it' : code}`,
    async run(t) {
      const a = (await kinds(t, 'a'))[from]
      const b = (await kinds(t, 'b'))[to]
      if (code !== '') return fails(t.p.rename(a, b), { code, syscall: 'rename', path: a, dest: b })
      const before = await t.p.lstat(a)
      await t.p.rename(a, b)
      assert.equal((await t.p.lstat(b)).ino, before.ino)
      await fails(t.p.lstat(a), { code: 'ENOENT', syscall: 'lstat', path: a })
    },
  }
}

const renames: FsCase[] = Object.entries(renameMatrix).flatMap(([from, row]) => Object.entries(row).map(([to, code]) => renameCase(from, to, code)))

const missing: FsCase = {
  name: 'calls on what is missing fail with ENOENT and name the call and the path',
  async run({ p, root }) {
    const path = `${root}/gone`
    const calls: Array<[string, () => Promise<unknown>]> = [
      ['stat', () => p.stat(path)],
      ['lstat', () => p.lstat(path)],
      ['access', () => p.access(path)],
      ['open', () => p.open(path)],
      ['open', () => p.readFile(path)],
      ['open', () => p.truncate(path)],
      ['scandir', () => p.readdir(path)],
      ['opendir', () => p.opendir(path)],
      ['rmdir', () => p.rmdir(path)],
      ['unlink', () => p.unlink(path)],
      ['readlink', () => p.readlink(path)],
      ['realpath', () => p.realpath(path)],
      ['chmod', () => p.chmod(path, 0o644)],
      ['chown', () => p.chown(path, 0, 0)],
      ['lchown', () => p.lchown(path, 0, 0)],
      ['utime', () => p.utimes(path, 1, 1)],
      ['lutime', () => p.lutimes(path, 1, 1)],
      ['statfs', () => p.statfs(path)],
    ]
    for (const [syscall, call] of calls) await fails(call, { code: 'ENOENT', syscall, path })
    await fails(p.mkdir(`${path}/x`), { code: 'ENOENT', syscall: 'mkdir', path: `${path}/x` })
    await fails(p.writeFile(`${path}/x`, ''), { code: 'ENOENT', syscall: 'open', path: `${path}/x` })
    await fails(p.appendFile(`${path}/x`, ''), { code: 'ENOENT', syscall: 'open', path: `${path}/x` })
    await fails(p.rm(path), { code: 'ENOENT', path })
    await fails(p.mkdtemp(`${path}/t-`), { code: 'ENOENT', syscall: 'mkdtemp' })
    await fails(p.link(path, `${root}/l`), { code: 'ENOENT', syscall: 'link', path, dest: `${root}/l` })
    await fails(p.rename(path, `${root}/l`), { code: 'ENOENT', syscall: 'rename', path, dest: `${root}/l` })
    await fails(p.symlink('x', `${path}/l`), { code: 'ENOENT', syscall: 'symlink', path: 'x', dest: `${path}/l` })
    await fails(p.copyFile(path, `${root}/l`), { code: 'ENOENT', syscall: 'copyfile', path, dest: `${root}/l` })
  },
}

const throughFile: FsCase = {
  name: 'a file in the middle of a path is ENOTDIR',
  async run({ p, root }) {
    await p.writeFile(`${root}/f`, 'x')
    const path = `${root}/f/below`
    await fails(p.stat(path), { code: 'ENOTDIR', syscall: 'stat', path })
    await fails(p.lstat(path), { code: 'ENOTDIR', syscall: 'lstat', path })
    await fails(p.open(path, 'w'), { code: 'ENOTDIR', syscall: 'open', path })
    await fails(p.mkdir(path), { code: 'ENOTDIR', syscall: 'mkdir', path })
    await fails(p.unlink(path), { code: 'ENOTDIR', syscall: 'unlink', path })
    await fails(p.rmdir(path), { code: 'ENOTDIR', syscall: 'rmdir', path })
    await fails(p.readdir(path), { code: 'ENOTDIR', syscall: 'scandir', path })
    await fails(p.rename(path, `${root}/g`), { code: 'ENOTDIR', syscall: 'rename', path, dest: `${root}/g` })
    await fails(p.symlink('x', path), { code: 'ENOTDIR', syscall: 'symlink', path: 'x', dest: path })
    await fails(p.readdir(`${root}/f`), { code: 'ENOTDIR', syscall: 'scandir', path: `${root}/f` })
    await fails(p.opendir(`${root}/f`), { code: 'ENOTDIR', syscall: 'opendir', path: `${root}/f` })
    await fails(p.rmdir(`${root}/f`), { code: 'ENOTDIR', syscall: 'rmdir', path: `${root}/f` })
    await fails(p.realpath(`${root}/f/`), { code: 'ENOTDIR', syscall: 'realpath' })
  },
}

const wrongKind: FsCase = {
  name: 'directories are not files: EISDIR, EEXIST, ENOTEMPTY, EINVAL',
  async run({ p, root }) {
    await p.mkdir(`${root}/d`)
    await p.writeFile(`${root}/d/x`, 'x')
    const path = `${root}/d`
    await fails(p.readFile(path), { code: 'EISDIR', syscall: 'read', path: undefined })
    await fails(p.writeFile(path, 'x'), { code: 'EISDIR', syscall: 'open', path })
    await fails(p.appendFile(path, 'x'), { code: 'EISDIR', syscall: 'open', path })
    await fails(p.open(path, 'r+'), { code: 'EISDIR', syscall: 'open', path })
    await fails(p.truncate(path), { code: 'EISDIR', syscall: 'open', path })
    await fails(p.mkdir(path), { code: 'EEXIST', syscall: 'mkdir', path })
    await fails(p.rmdir(path), { code: 'ENOTEMPTY', syscall: 'rmdir', path })
    await fails(p.unlink(path), { code: 'EISDIR', syscall: 'unlink', path })
    await fails(p.readlink(path), { code: 'EINVAL', syscall: 'readlink', path })
    await fails(p.link(path, `${root}/e`), { code: 'EPERM', syscall: 'link', path, dest: `${root}/e` })
    await fails(p.symlink('x', path), { code: 'EEXIST', syscall: 'symlink', path: 'x', dest: path })
    await fails(p.link(`${path}/x`, path), { code: 'EEXIST', syscall: 'link', path: `${path}/x`, dest: path })
    await fails(p.rename(path, `${path}/inside`), { code: 'EINVAL', syscall: 'rename', path, dest: `${path}/inside` })
    await fails(p.rename(`${path}/x`, path), { code: 'ENOTEMPTY', syscall: 'rename', path: `${path}/x`, dest: path })
  },
}

const slashes: FsCase = {
  name: 'trailing slashes, dots and doubled slashes mean what POSIX says',
  async run({ p, root }) {
    await p.mkdir(`${root}/d/`)
    await p.writeFile(`${root}//d/.//x`, '1')
    assert.equal(await p.readFile(`${root}/d/../d/x`, 'utf8'), '1')
    assert.deepEqual(await p.readdir(`${root}/d/`), ['x'])
    assert.ok((await p.stat(`${root}/d/.`)).isDirectory())
    assert.equal((await p.stat(`${root}/d/..`)).ino, (await p.stat(root)).ino)
    await fails(p.stat(`${root}/d/x/`), { code: 'ENOTDIR', syscall: 'stat' })
    await fails(p.stat(`${root}/d/x/..`), { code: 'ENOTDIR', syscall: 'stat' })
    await fails(p.readFile(`${root}/d/x/`), { code: 'ENOTDIR', syscall: 'open' })
    await fails(p.writeFile(`${root}/new/`, ''), { code: 'EISDIR', syscall: 'open' })
    await fails(p.unlink(`${root}/d/x/`), { code: 'ENOTDIR', syscall: 'unlink' })
    await fails(p.rename(`${root}/d/x/`, `${root}/y`), { code: 'ENOTDIR', syscall: 'rename' })
    await fails(p.rename(`${root}/d/x`, `${root}/y/`), { code: 'ENOTDIR', syscall: 'rename' })
    await fails(p.rmdir(`${root}/d/.`), { code: 'EINVAL', syscall: 'rmdir' })
    await fails(p.rmdir(`${root}/d/..`), { code: 'ENOTEMPTY', syscall: 'rmdir' })
    await fails(p.mkdir(`${root}/d/.`), { code: 'EEXIST', syscall: 'mkdir' })
    await fails(p.rename(`${root}/d/.`, `${root}/e`), { code: 'EBUSY', syscall: 'rename' })
    await p.rename(`${root}/d/`, `${root}/e/`)
    assert.deepEqual(await p.readdir(root), ['e'])
    await p.rm(`${root}/e/x`)
    await p.rmdir(`${root}/e/`)
    await fails(p.stat(''), { code: 'ENOENT', syscall: 'stat', path: '' })
    await fails(p.mkdir(''), { code: 'ENOENT', syscall: 'mkdir', path: '' })
  },
}

const longNames: FsCase = {
  name: 'names of 255 bytes work, 256 are ENAMETOOLONG; so are paths of 4096',
  async run({ p, root }) {
    const longest = 'n'.repeat(255)
    await p.writeFile(`${root}/${longest}`, 'x')
    assert.deepEqual(await p.readdir(root), [longest])
    const umlauts = `${'ä'.repeat(127)}z`
    await p.mkdir(`${root}/${umlauts}`)
    assert.ok((await p.readdir(root)).includes(umlauts))
    for (const name of ['n'.repeat(256), 'ä'.repeat(128)]) {
      await fails(p.writeFile(`${root}/${name}`, ''), { code: 'ENAMETOOLONG', syscall: 'open' })
      await fails(p.mkdir(`${root}/${name}`), { code: 'ENAMETOOLONG', syscall: 'mkdir' })
      await fails(p.stat(`${root}/${name}`), { code: 'ENAMETOOLONG', syscall: 'stat' })
      await fails(p.rename(`${root}/${longest}`, `${root}/${name}`), { code: 'ENAMETOOLONG', syscall: 'rename' })
      await fails(p.symlink('x', `${root}/${name}`), { code: 'ENAMETOOLONG', syscall: 'symlink' })
      await fails(p.link(`${root}/${longest}`, `${root}/${name}`), { code: 'ENAMETOOLONG', syscall: 'link' })
    }
    const padding = '/.'.repeat((4095 - root.length) / 2)
    assert.ok((await p.stat(root + padding)).isDirectory())
    await fails(p.stat(`${root}${padding}/./.`), { code: 'ENAMETOOLONG', syscall: 'stat' })
  },
}

const oddNames: FsCase = {
  name: 'any byte but slash and NUL may stand in a name',
  async run({ p, root }) {
    const names = [
      ' ',
      '-',
      '--',
      '\n',
      '\\',
      '"',
      "'",
      '*',
      '?',
      '%00',
      '\x01',
      '\x7f',
      'ü',
      '日本',
      '🗻',
      '...',
      '.a',
      'e\u0301',
      'é',
      '__proto__',
      'constructor',
    ]
    for (const name of names) await p.writeFile(`${root}/${name}`, name)
    assert.deepEqual(new Set(await p.readdir(root)), new Set(names))
    for (const name of names) assert.equal(await p.readFile(`${root}/${name}`, 'utf8'), name)
    const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28])])
    await p.writeFile(odd, 'odd')
    assert.equal(await p.readFile(odd, 'utf8'), 'odd')
    const found = (await p.readdir(root, 'buffer')).find(name => name[0] === 0xff)
    assert.deepEqual(found, Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28]))
    assert.ok((await p.readdir(root)).includes('\ufffd\ufffd\ufffd\ufffd('))
    const bytes = (await p.readdir(Buffer.from(root), { encoding: 'hex' as 'utf8' })) as string[]
    assert.ok(bytes.includes('fffe80c328'))
    await p.unlink(odd)
  },
}

const deep: FsCase = {
  name: 'paths of hundreds of components work',
  async run({ p, root }) {
    const path = root + '/d'.repeat(500)
    assert.equal(await p.mkdir(path, { recursive: true }), `${root}/d`)
    await p.writeFile(`${path}/f`, 'deep')
    assert.equal(await p.readFile(`${path}/f`, 'utf8'), 'deep')
    assert.equal(await p.realpath(`${path}/f`), `${path}/f`)
    await p.rm(`${root}/d`, { recursive: true })
    assert.deepEqual(await p.readdir(root), [])
  },
}

const mkdirs: FsCase = {
  name: 'mkdir: recursive returns the first directory made; EEXIST and ENOTDIR at a file',
  async run({ p, root }) {
    assert.equal(await p.mkdir(`${root}/a`), undefined)
    assert.equal(await p.mkdir(`${root}/a/b/c`, { recursive: true }), `${root}/a/b`)
    assert.equal(await p.mkdir(`${root}/a/b/c`, { recursive: true }), undefined)
    assert.equal(await p.mkdir(`${root}/a/b`, { recursive: true }), undefined)
    await p.writeFile(`${root}/f`, '')
    await fails(p.mkdir(`${root}/f`, { recursive: true }), { code: 'EEXIST', syscall: 'mkdir', path: `${root}/f` })
    await fails(p.mkdir(`${root}/f/g`, { recursive: true }), { code: 'ENOTDIR', syscall: 'mkdir', path: `${root}/f/g` })
    await p.mkdir(`${root}/m`, { mode: 0o700 })
    assert.equal((await p.stat(`${root}/m`)).mode & 0o777, 0o700)
    await p.mkdir(`${root}/n`, '711')
    assert.equal((await p.stat(`${root}/n`)).mode & 0o777, 0o711 & ~process.umask())
  },
}

const renameSelf: FsCase = {
  name: 'rename to itself, to another link of the same file, of directories between parents',
  async run({ p, root }) {
    await p.writeFile(`${root}/a`, 'a')
    await p.rename(`${root}/a`, `${root}/a`)
    await p.link(`${root}/a`, `${root}/b`)
    await p.rename(`${root}/a`, `${root}/b`)
    assert.deepEqual(await p.readdir(root), ['a', 'b'])
    assert.equal((await p.stat(`${root}/a`)).nlink, 2)
    await p.mkdir(`${root}/x/y/z`, { recursive: true })
    const { ino } = await p.stat(`${root}/x/y`)
    await p.rename(`${root}/x/y`, `${root}/y`)
    assert.equal((await p.stat(`${root}/y`)).ino, ino)
    assert.equal((await p.stat(`${root}/y/..`)).ino, (await p.stat(root)).ino)
    assert.equal((await p.stat(`${root}/x`)).nlink, 2)
    await fails(p.rename(`${root}/y`, `${root}/y/z/w`), { code: 'EINVAL', syscall: 'rename' })
    await fails(p.rename(`${root}/y/z`, `${root}/y`), { code: 'ENOTEMPTY', syscall: 'rename' })
  },
}

export const nameCases: FsCase[] = [missing, throughFile, wrongKind, slashes, longNames, oddNames, deep, mkdirs, renameSelf, ...renames]
