import { constants } from 'node:fs'
import { assert, type FsCase, fails } from './fs-case.js'

const whole: FsCase = {
  name: 'readFile, writeFile, appendFile: encodings, flags, kinds of data',
  async run({ p, root }) {
    const f = `${root}/f`
    await p.writeFile(f, 'grün')
    assert.equal(await p.readFile(f, 'utf8'), 'grün')
    assert.equal(await p.readFile(f, { encoding: 'hex' }), '6772c3bc6e')
    assert.equal(await p.readFile(f, 'base64'), 'Z3LDvG4=')
    assert.deepEqual(await p.readFile(f), Buffer.from('grün'))
    await p.writeFile(f, '6162', 'hex')
    await p.appendFile(f, 'c', 'latin1')
    assert.equal(await p.readFile(f, 'latin1'), 'abc')
    await p.writeFile(f, new Uint16Array([0x6261, 0x6463]))
    await p.appendFile(f, new DataView(new Uint8Array([101, 102]).buffer) as unknown as Uint8Array)
    assert.equal(await p.readFile(f, 'utf8'), 'abcdef')
    await p.writeFile(f, 'XY', { flag: 'r+' })
    assert.equal(await p.readFile(f, 'utf8'), 'XYcdef')
    await p.writeFile(f, '!', { flag: 'a' })
    assert.equal(await p.readFile(f, 'utf8'), 'XYcdef!')
    await fails(p.writeFile(f, '', { flag: 'wx' }), { code: 'EEXIST', syscall: 'open', path: f })
    await p.writeFile(f, '')
    assert.equal((await p.stat(f)).size, 0)
    assert.equal(await p.readFile(f, 'utf8'), '')
    assert.equal(await p.readFile(`${root}/made`, { flag: 'a+', encoding: 'utf8' }), '')
    assert.deepEqual(await p.readdir(root), ['f', 'made'])
  },
}

const iterables: FsCase = {
  name: 'writeFile takes iterables, async iterables and streams',
  async run({ p, fs, root }) {
    async function* parts() {
      yield 'a'
      yield 'b'
    }
    await p.writeFile(`${root}/a`, parts())
    await p.writeFile(`${root}/b`, ['c', 'd'])
    await p.writeFile(`${root}/c`, fs.createReadStream(`${root}/a`))
    await p.appendFile(`${root}/c`, 'e')
    assert.equal(await p.readFile(`${root}/a`, 'utf8'), 'ab')
    assert.equal(await p.readFile(`${root}/b`, 'utf8'), 'cd')
    assert.equal(await p.readFile(`${root}/c`, 'utf8'), 'abe')
  },
}

/** Bytes that tell where they came from. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255
  return bytes
}

const sizes: FsCase = {
  name: 'content of all sizes around the limits of storage comes back, whole and in pieces',
  async run({ p, root }) {
    for (const size of [1, 255, 256, 257, 2047, 2048, 2049, 4096, 65535, 65536, 65537, 131072, 200_001, 1_500_000]) {
      const bytes = pattern(size)
      await p.writeFile(`${root}/f`, bytes)
      assert.ok((await p.readFile(`${root}/f`)).equals(bytes), `whole, ${size}`)
      assert.equal((await p.stat(`${root}/f`)).size, size)
      const handle = await p.open(`${root}/f`)
      const into = Buffer.alloc(100)
      for (const at of [0, size >> 1, Math.max(0, size - 50), size]) {
        const { bytesRead } = await handle.read(into, 0, 100, at)
        assert.ok(into.subarray(0, bytesRead).equals(bytes.subarray(at, at + 100)), `at ${at} of ${size}`)
      }
      await handle.close()
    }
  },
}

const openFlags: FsCase = {
  name: 'open flags: r r+ w wx w+ a ax a+ and numbers',
  async run({ p, root }) {
    const f = `${root}/f`
    await fails(p.open(f, 'r'), { code: 'ENOENT', syscall: 'open', path: f })
    await fails(p.open(f, 'r+'), { code: 'ENOENT', syscall: 'open', path: f })
    for (const flag of ['wx', 'ax', 'wx+', 'ax+']) {
      const path = `${root}/${flag}`
      await (await p.open(path, flag)).close()
      await fails(p.open(path, flag), { code: 'EEXIST', syscall: 'open', path })
    }
    await p.writeFile(f, '0123456789')
    for (const [flag, left] of [
      ['r+', '0123456789'],
      ['a', '0123456789'],
      ['w', ''],
      ['w+', ''],
    ] as const) {
      await p.writeFile(f, '0123456789')
      await (await p.open(f, flag)).close()
      assert.equal(await p.readFile(f, 'utf8'), left, flag)
    }
    const handle = await p.open(f, constants.O_CREAT | constants.O_RDWR | constants.O_TRUNC, 0o600)
    await handle.write('x')
    await handle.close()
    await fails(p.open(f, constants.O_RDONLY | constants.O_DIRECTORY), { code: 'ENOTDIR', syscall: 'open', path: f })
    await p.symlink('f', `${root}/l`)
    await fails(p.open(`${root}/l`, constants.O_RDONLY | constants.O_NOFOLLOW), { code: 'ELOOP', syscall: 'open', path: `${root}/l` })
    const dir = await p.open(root, constants.O_RDONLY | constants.O_DIRECTORY)
    assert.ok((await dir.stat()).isDirectory())
    await fails(dir.read(), { code: 'EISDIR', syscall: 'read' })
    await dir.close()
  },
}

const access: FsCase = {
  name: 'a handle opened for one thing does not do the other: EBADF; EINVAL for truncate',
  async run({ p, root }) {
    await p.writeFile(`${root}/f`, 'x')
    const reader = await p.open(`${root}/f`, 'r')
    await fails(reader.write('x'), { code: 'EBADF', syscall: 'write', path: undefined })
    await fails(reader.truncate(0), { code: 'EINVAL', syscall: 'ftruncate' })
    await reader.close()
    const writer = await p.open(`${root}/f`, 'w')
    await fails(writer.read(), { code: 'EBADF', syscall: 'read' })
    await fails(writer.readFile(), { code: 'EBADF', syscall: 'read' })
    await writer.close()
    assert.equal(writer.fd, -1)
    await writer.close()
    await fails(writer.stat(), { code: 'EBADF' })
    await fails(writer.read(), { code: 'EBADF' })
  },
}

const appends: FsCase = {
  name: 'O_APPEND writes at the end whatever the position; two appenders do not overwrite',
  async run({ p, root }) {
    const [a, b] = [await p.open(`${root}/f`, 'a'), await p.open(`${root}/f`, 'a+')]
    await a.write('1')
    await b.write('2')
    await a.write('3', 0)
    await b.writeFile('4')
    const into = Buffer.alloc(10)
    assert.equal((await b.read(into, 0, 10, 0)).bytesRead, 4)
    assert.equal(into.toString('utf8', 0, 4), '1234')
    await a.close()
    await b.close()
  },
}

const positions: FsCase = {
  name: 'a handle keeps its position; positioned reads and writes do not move it; writes past the end leave zeros',
  async run({ p, root }) {
    const h = await p.open(`${root}/f`, 'w+')
    await h.write('hello ')
    await h.write(Buffer.from('xworldx'), 1, 5)
    await h.write('J', 0)
    const into = Buffer.alloc(4)
    assert.equal((await h.read(into, 0, 4, null)).bytesRead, 0)
    assert.equal((await h.read(into, 0, 4, 6)).bytesRead, 4)
    assert.equal(into.toString(), 'worl')
    await h.write('!', 14)
    assert.deepEqual(await p.readFile(`${root}/f`), Buffer.from('Jello world\0\0\0!'))
    const { bytesWritten } = await h.writev([Buffer.from('ab'), new Uint8Array([99])], 11)
    assert.equal(bytesWritten, 3)
    const two = [Buffer.alloc(3), Buffer.alloc(20)]
    assert.equal((await h.readv(two, 9)).bytesRead, 6)
    assert.equal(two[0].toString() + two[1].toString('utf8', 0, 3), 'ldabc!')
    await h.close()
    const r = await p.open(`${root}/f`)
    assert.equal((await r.read({ buffer: into, length: 2 })).bytesRead, 2)
    assert.equal((await r.read(into, { position: 2, length: 1 })).bytesRead, 1)
    assert.equal(await r.readFile('utf8'), 'llo worldabc!')
    assert.equal(await r.readFile('utf8'), '')
    await r.close()
  },
}

const truncation: FsCase = {
  name: 'truncate shortens, extends with zeros, and what was cut does not come back',
  async run({ p, root }) {
    for (const size of [10, 300, 5000, 200_000]) {
      const bytes = pattern(size).fill(1)
      await p.writeFile(`${root}/f`, bytes)
      await p.truncate(`${root}/f`, size >> 1)
      await p.truncate(`${root}/f`, size)
      const now = await p.readFile(`${root}/f`)
      assert.equal(now.length, size)
      assert.ok(now.subarray(0, size >> 1).equals(bytes.subarray(0, size >> 1)))
      assert.ok(
        now.subarray(size >> 1).every(b => b === 0),
        `zeros behind ${size >> 1}`,
      )
    }
    await p.truncate(`${root}/f`)
    assert.equal((await p.stat(`${root}/f`)).size, 0)
    const h = await p.open(`${root}/f`, 'r+')
    await h.write('abc')
    await h.truncate(1)
    await h.write('d')
    assert.deepEqual(await p.readFile(`${root}/f`), Buffer.from('a\0\0d'))
    await h.truncate(-1)
    assert.equal((await h.stat()).size, 0)
    await h.close()
  },
}

const sparse: FsCase = {
  name: 'a file of 100 GiB with one byte is a hole with few blocks',
  async run({ p, root }) {
    const h = await p.open(`${root}/f`, 'w+')
    const size = 100 * 2 ** 30
    await h.truncate(size)
    await h.write('x', size - 1)
    await h.write('y', 50 * 2 ** 30)
    const { size: found, blocks } = await h.stat()
    assert.equal(found, size)
    assert.ok(blocks < 2048, `${blocks} blocks`)
    const into = Buffer.alloc(3, 1)
    await h.read(into, 0, 3, 50 * 2 ** 30 - 1)
    assert.equal(into.toString(), '\0y\0')
    assert.equal((await h.read(into, 0, 3, size - 1)).bytesRead, 1)
    assert.equal((await h.read(into, 0, 3, size)).bytesRead, 0)
    await h.close()
  },
}

const unlinked: FsCase = {
  name: 'an unlinked file, and one that was renamed over, live while they are open',
  async run({ p, root }) {
    await p.writeFile(`${root}/f`, 'first')
    const h = await p.open(`${root}/f`, 'r+')
    await p.unlink(`${root}/f`)
    assert.equal((await h.stat()).nlink, 0)
    await h.write('F', 0)
    assert.equal(await h.readFile('utf8'), 'First')
    await p.writeFile(`${root}/f`, 'second')
    assert.notEqual((await p.stat(`${root}/f`)).ino, (await h.stat()).ino)
    const g = await p.open(`${root}/f`)
    await p.writeFile(`${root}/g`, 'third')
    await p.rename(`${root}/g`, `${root}/f`)
    assert.equal(await g.readFile('utf8'), 'second')
    assert.equal(await p.readFile(`${root}/f`, 'utf8'), 'third')
    await h.close()
    await g.close()
    await p.mkdir(`${root}/d`)
    const d = await p.open(`${root}/d`)
    await p.rmdir(`${root}/d`)
    assert.ok((await d.stat()).isDirectory())
    await d.close()
  },
}

const overwrite: FsCase = {
  name: 'many small overwrites, random in place, read back as a model says',
  async run({ p, root }) {
    const model = Buffer.alloc(300_000)
    const h = await p.open(`${root}/f`, 'w+')
    await h.truncate(model.length)
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return seed % below
    }
    for (let i = 0; i < 200; i++) {
      const at = random(model.length - 5000)
      const bytes = Buffer.alloc(1 + random(5000), i + 1)
      bytes.copy(model, at)
      await h.write(bytes, 0, bytes.length, at)
    }
    assert.ok((await p.readFile(`${root}/f`)).equals(model))
    await h.close()
  },
}

const copies: FsCase = {
  name: 'copyFile: content and mode, EXCL, over what is there, onto itself',
  async run({ p, root }) {
    const [a, b] = [`${root}/a`, `${root}/b`]
    await p.writeFile(a, pattern(150_000), { mode: 0o750 })
    await p.chmod(a, 0o751)
    await p.copyFile(a, b)
    assert.ok((await p.readFile(b)).equals(pattern(150_000)))
    assert.equal((await p.stat(b)).mode & 0o777, 0o751)
    await fails(p.copyFile(a, b, constants.COPYFILE_EXCL), { code: 'EEXIST', syscall: 'copyfile', path: a, dest: b })
    await p.writeFile(a, 'short')
    await p.copyFile(a, b)
    assert.equal(await p.readFile(b, 'utf8'), 'short')
    await p.copyFile(a, a)
    assert.equal(await p.readFile(a, 'utf8'), 'short')
    await p.mkdir(`${root}/d`)
    await fails(p.copyFile(a, `${root}/d`), { code: 'EISDIR', syscall: 'copyfile', path: a, dest: `${root}/d` })
    await p.symlink('b', `${root}/l`)
    await p.copyFile(`${root}/l`, `${root}/c`)
    assert.ok((await p.lstat(`${root}/c`)).isFile())
  },
}

const temporary: FsCase = {
  name: 'mkdtemp makes a private directory with six characters more',
  async run({ p, root }) {
    const [a, b] = [await p.mkdtemp(`${root}/t-`), await p.mkdtemp(`${root}/t-`)]
    assert.notEqual(a, b)
    assert.match(a, /\/t-[A-Za-z0-9]{6}$/)
    assert.equal((await p.stat(a)).mode & 0o777, 0o700)
    const c = await p.mkdtemp(`${root}/ü`, 'buffer')
    assert.ok((await p.stat(c)).isDirectory())
  },
}

export const fileCases: FsCase[] = [whole, iterables, sizes, openFlags, access, appends, positions, truncation, sparse, unlinked, overwrite, copies, temporary]
