import { assert, type FsCase, fails } from './fs-case.js'

const hardLinks: FsCase = {
  name: 'hard links share one inode; the count follows; content lives until the last goes',
  async run({ p, root }) {
    await p.writeFile(`${root}/a`, 'one')
    await p.link(`${root}/a`, `${root}/b`)
    const [a, b] = [await p.stat(`${root}/a`), await p.stat(`${root}/b`)]
    assert.equal(a.ino, b.ino)
    assert.equal(b.nlink, 2)
    await p.writeFile(`${root}/b`, 'two')
    assert.equal(await p.readFile(`${root}/a`, 'utf8'), 'two')
    await p.unlink(`${root}/a`)
    assert.equal((await p.stat(`${root}/b`)).nlink, 1)
    assert.equal(await p.readFile(`${root}/b`, 'utf8'), 'two')
    await fails(p.link(`${root}/b`, `${root}/b`), { code: 'EEXIST', syscall: 'link' })
    await p.symlink('b', `${root}/s`)
    await p.link(`${root}/s`, `${root}/t`)
    assert.ok((await p.lstat(`${root}/t`)).isSymbolicLink())
    assert.equal((await p.lstat(`${root}/s`)).nlink, 2)
  },
}

const directoryLinks: FsCase = {
  name: 'a directory counts its subdirectories as links',
  async run({ p, root }) {
    await p.mkdir(`${root}/d`)
    assert.equal((await p.stat(`${root}/d`)).nlink, 2)
    await p.mkdir(`${root}/d/x`)
    await p.mkdir(`${root}/d/y`)
    await p.writeFile(`${root}/d/f`, '')
    assert.equal((await p.stat(`${root}/d`)).nlink, 4)
    await p.rmdir(`${root}/d/x`)
    await p.rename(`${root}/d/y`, `${root}/y`)
    assert.equal((await p.stat(`${root}/d`)).nlink, 2)
    await p.mkdir(`${root}/d/p`)
    await p.mkdir(`${root}/d/q`)
    await p.rename(`${root}/d/p`, `${root}/d/q`)
    assert.equal((await p.stat(`${root}/d`)).nlink, 3)
  },
}

const symlinks: FsCase = {
  name: 'symbolic links: followed by most, not by lstat, unlink, rename, lchown; relative to where they stand',
  async run({ p, root }) {
    await p.mkdir(`${root}/d/e`, { recursive: true })
    await p.writeFile(`${root}/d/f`, 'content')
    await p.symlink('f', `${root}/d/to-f`)
    await p.symlink('../d/f', `${root}/d/up`)
    await p.symlink(`${root}/d/f`, `${root}/absolute`)
    await p.symlink('d', `${root}/to-d`, 'dir')
    for (const path of ['d/to-f', 'd/up', 'absolute', 'to-d/f', 'to-d/to-f', 'to-d/e/../f']) {
      assert.equal(await p.readFile(`${root}/${path}`, 'utf8'), 'content', path)
    }
    const link = await p.lstat(`${root}/d/to-f`)
    assert.ok(link.isSymbolicLink())
    assert.equal(link.size, 1)
    assert.equal(link.mode & 0o777, 0o777)
    assert.equal(await p.readlink(`${root}/d/up`), '../d/f')
    assert.deepEqual(await p.readlink(`${root}/d/up`, 'buffer'), Buffer.from('../d/f'))
    assert.equal(await p.realpath(`${root}/to-d/up`), `${root}/d/f`)
    assert.equal(await p.realpath(`${root}/to-d/e/..`), `${root}/d`)
    await p.rename(`${root}/absolute`, `${root}/moved`)
    assert.ok((await p.lstat(`${root}/moved`)).isSymbolicLink())
    await p.unlink(`${root}/to-d`)
    assert.ok((await p.stat(`${root}/d`)).isDirectory())
    await fails(p.rmdir(`${root}/moved`), { code: 'ENOTDIR', syscall: 'rmdir' })
  },
}

const slashLinks: FsCase = {
  name: 'a trailing slash follows a symbolic link',
  async run({ p, root }) {
    await p.mkdir(`${root}/d`)
    await p.symlink('d', `${root}/l`)
    assert.ok((await p.lstat(`${root}/l/`)).isDirectory())
    assert.ok((await p.lstat(`${root}/l`)).isSymbolicLink())
    await fails(p.readlink(`${root}/l/`), { code: 'EINVAL', syscall: 'readlink' })
    await fails(p.unlink(`${root}/l/`), { code: 'ENOTDIR', syscall: 'unlink' })
    await fails(p.rmdir(`${root}/l/`), { code: 'ENOTDIR', syscall: 'rmdir' })
  },
}

const dangling: FsCase = {
  name: 'dangling links: ENOENT to read, made by a write, EEXIST to an exclusive one',
  async run({ p, root }) {
    await p.symlink('target', `${root}/l`)
    await fails(p.stat(`${root}/l`), { code: 'ENOENT', syscall: 'stat' })
    await fails(p.readFile(`${root}/l`), { code: 'ENOENT', syscall: 'open' })
    await fails(p.writeFile(`${root}/l`, 'x', { flag: 'wx' }), { code: 'EEXIST', syscall: 'open' })
    await fails(p.mkdir(`${root}/l`), { code: 'EEXIST', syscall: 'mkdir' })
    await p.writeFile(`${root}/l`, 'made')
    assert.equal(await p.readFile(`${root}/target`, 'utf8'), 'made')
    assert.ok((await p.lstat(`${root}/l`)).isSymbolicLink())
    await p.symlink('no/such', `${root}/m`)
    await fails(p.writeFile(`${root}/m`, 'x'), { code: 'ENOENT', syscall: 'open', path: `${root}/m` })
    await p.mkdir(`${root}/sub`)
    await p.symlink('../second', `${root}/sub/first`)
    await p.symlink('sub/first', `${root}/chain`)
    await p.appendFile(`${root}/chain`, 'end')
    assert.equal(await p.readFile(`${root}/second`, 'utf8'), 'end')
  },
}

const loops: FsCase = {
  name: 'loops and chains of more than 40 links are ELOOP',
  async run({ p, root }) {
    await p.symlink('b', `${root}/a`)
    await p.symlink('a', `${root}/b`)
    await p.symlink('self', `${root}/self`)
    for (const path of [`${root}/a`, `${root}/self`, `${root}/self/x`]) {
      await fails(p.stat(path), { code: 'ELOOP', syscall: 'stat', path })
      await fails(p.open(path, 'w'), { code: 'ELOOP', syscall: 'open', path })
      await fails(p.readdir(path), { code: 'ELOOP', syscall: 'scandir', path })
      await fails(p.realpath(path), { code: 'ELOOP', syscall: 'realpath', path })
      await fails(p.access(path), { code: 'ELOOP', syscall: 'access', path })
    }
    assert.ok((await p.lstat(`${root}/self`)).isSymbolicLink())
    await p.writeFile(`${root}/l0`, 'end')
    for (let i = 1; i <= 41; i++) await p.symlink(`l${i - 1}`, `${root}/l${i}`)
    assert.equal(await p.readFile(`${root}/l40`, 'utf8'), 'end')
    await fails(p.readFile(`${root}/l41`), { code: 'ELOOP', syscall: 'open', path: `${root}/l41` })
  },
}

const targets: FsCase = {
  name: 'targets are any bytes, up to 4095 of them',
  async run({ p, root }) {
    const long = `${root}/${'x/'.repeat(2100)}`.slice(0, 4095)
    await p.symlink(long, `${root}/long`)
    assert.equal(await p.readlink(`${root}/long`), long)
    assert.equal((await p.lstat(`${root}/long`)).size, 4095)
    await fails(p.symlink('y'.repeat(4096), `${root}/l`), { code: 'ENAMETOOLONG', syscall: 'symlink' })
    await fails(p.symlink('', `${root}/l`), { code: 'ENOENT', syscall: 'symlink' })
    const odd = Buffer.from([0xff, 0x41, 0x80])
    await p.symlink(odd, `${root}/odd`)
    assert.deepEqual(await p.readlink(`${root}/odd`, { encoding: 'buffer' }), odd)
    await p.symlink('ünï', `${root}/text`)
    assert.equal(await p.readlink(`${root}/text`), 'ünï')
  },
}

export const linkCases: FsCase[] = [hardLinks, directoryLinks, symlinks, slashLinks, dangling, loops, targets]
