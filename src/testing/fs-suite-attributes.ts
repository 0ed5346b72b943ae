import { constants } from 'node:fs'
import { assert, type FsCase, fails } from './fs-case.js'

const modes: FsCase = {
  name: 'modes: umask on new files, all twelve bits with chmod, kept by overwriting',
  async run({ p, root }) {
    const umask = process.umask()
    await p.writeFile(`${root}/f`, '')
    await p.mkdir(`${root}/d`)
    await p.writeFile(`${root}/x`, '', { mode: 0o777 })
    assert.equal((await p.stat(`${root}/f`)).mode, constants.S_IFREG | (0o666 & ~umask))
    assert.equal((await p.stat(`${root}/d`)).mode, constants.S_IFDIR | (0o777 & ~umask))
    assert.equal((await p.stat(`${root}/x`)).mode & 0o7777, 0o777 & ~umask)
    for (const mode of [0, 0o400, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o7777]) {
      await p.chmod(`${root}/f`, mode)
      assert.equal((await p.stat(`${root}/f`)).mode & 0o7777, mode)
    }
    await p.chmod(`${root}/f`, '640')
    await p.writeFile(`${root}/f`, 'again', { mode: 0o777 })
    assert.equal((await p.stat(`${root}/f`)).mode & 0o7777, 0o640)
    const h = await p.open(`${root}/f`)
    await h.chmod(0o600)
    assert.equal((await h.stat()).mode & 0o7777, 0o600)
    await h.close()
    await p.symlink('f', `${root}/l`)
    await p.chmod(`${root}/l`, 0o604)
    assert.equal((await p.stat(`${root}/f`)).mode & 0o777, 0o604)
  },
}

const owners: FsCase = {
  name: 'owners: chown, lchown, -1 keeps; setuid and setgid go with a change of owner',
  async run({ p, root, isRoot }) {
    await p.writeFile(`${root}/f`, '')
    await p.symlink('f', `${root}/l`)
    const { uid, gid } = await p.stat(`${root}/f`)
    await p.chown(`${root}/f`, uid, gid)
    if (!isRoot) return
    await p.chown(`${root}/f`, 1000, 2000)
    await p.lchown(`${root}/l`, 3, 4)
    const [f, l] = [await p.stat(`${root}/f`), await p.lstat(`${root}/l`)]
    assert.deepEqual([f.uid, f.gid, l.uid, l.gid], [1000, 2000, 3, 4])
    await p.chmod(`${root}/f`, 0o6755)
    const h = await p.open(`${root}/f`)
    await h.chown(1001, -1)
    const after = await h.stat()
    assert.deepEqual([after.uid, after.gid, after.mode & 0o7777], [1001, 2000, 0o755])
    await h.close()
  },
}

const setgid: FsCase = {
  name: 'a setgid directory hands its group to what is made in it',
  async run({ p, root, isRoot }) {
    if (!isRoot) return
    await p.mkdir(`${root}/d`)
    await p.chown(`${root}/d`, 0, 77)
    await p.chmod(`${root}/d`, 0o2775)
    await p.writeFile(`${root}/d/f`, '')
    await p.mkdir(`${root}/d/e`)
    assert.equal((await p.stat(`${root}/d/f`)).gid, 77)
    const e = await p.stat(`${root}/d/e`)
    assert.equal(e.gid, 77)
    assert.equal(e.mode & 0o2000, 0o2000)
  },
}

const times: FsCase = {
  name: 'utimes takes seconds, dates and strings; lutimes the link itself; bigint stats are exact',
  async run({ p, root }) {
    const f = `${root}/f`
    await p.writeFile(f, '')
    await p.utimes(f, 1_000_000_000, 1_500_000_000.5)
    const s = await p.stat(f)
    assert.deepEqual([s.atimeMs, s.mtimeMs], [1e12, 1_500_000_000_500])
    assert.deepEqual([s.atime, s.mtime], [new Date(1e12), new Date(1_500_000_000_500)])
    const when = new Date('2011-12-13T14:15:16.789Z')
    await p.utimes(f, when, '1234567890')
    const t = await p.stat(f)
    assert.deepEqual([t.atime, t.mtimeMs], [when, 1_234_567_890_000])
    await p.symlink('f', `${root}/l`)
    await p.lutimes(`${root}/l`, 5, 6)
    assert.equal((await p.lstat(`${root}/l`)).mtimeMs, 6000)
    assert.equal((await p.stat(f)).mtimeMs, 1_234_567_890_000)
    const h = await p.open(f)
    await h.utimes(7, 8.25)
    const b = await h.stat({ bigint: true })
    assert.deepEqual([b.atimeNs, b.mtimeNs, b.mtimeMs], [7_000_000_000n, 8_250_000_000n, 8250n])
    await h.close()
    assert.ok(s.birthtimeMs > 0 && s.ctimeMs >= s.birthtimeMs)
    await p.utimes(f, 4_102_444_800, 15_000_000_000)
    assert.equal((await p.stat(f)).mtimeMs, 15_000_000_000_000)
  },
}

/** Sets the times of a path far back, runs `act`, and says which of mtime and ctime moved on. */
async function moved(p: FsCaseP, path: string, act: () => Promise<unknown>): Promise<{ mtime: boolean; ctime: boolean }> {
  await p.lutimes(path, 1000, 1000)
  const before = await p.lstat(path, { bigint: true })
  while ((await p.lstat(path, { bigint: true })).ctimeNs === before.ctimeNs && Date.now() * 1e6 <= Number(before.ctimeNs) + 12e6);
  await act()
  const after = await p.lstat(path, { bigint: true })
  return { mtime: after.mtimeNs !== before.mtimeNs, ctime: after.ctimeNs !== before.ctimeNs }
}
type FsCaseP = Parameters<FsCase['run']>[0]['p']

const changes: FsCase = {
  name: 'mtime and ctime move with content, names and attributes, of the file and of its directory',
  async run({ p, root }) {
    const f = `${root}/f`
    const both = { mtime: true, ctime: true }
    const changed = { mtime: false, ctime: true }
    const none = { mtime: false, ctime: false }
    await p.writeFile(f, 'x')
    await p.mkdir(`${root}/d`)
    assert.deepEqual(await moved(p, f, () => p.appendFile(f, 'y')), both, 'append')
    assert.deepEqual(await moved(p, f, () => p.truncate(f, 1)), both, 'truncate')
    assert.deepEqual(await moved(p, f, () => p.writeFile(f, 'z')), both, 'overwrite')
    assert.deepEqual(await moved(p, f, () => p.chmod(f, 0o600)), changed, 'chmod')
    assert.deepEqual(await moved(p, f, () => p.link(f, `${root}/g`)), changed, 'link')
    assert.deepEqual(await moved(p, f, () => p.unlink(`${root}/g`)), changed, 'unlink of another link')
    assert.deepEqual(await moved(p, f, () => p.readFile(f)), none, 'read')
    assert.deepEqual(await moved(p, root, () => p.writeFile(`${root}/new`, '')), both, 'create in it')
    assert.deepEqual(await moved(p, root, () => p.writeFile(`${root}/new`, 'more')), none, 'overwrite in it')
    assert.deepEqual(await moved(p, root, () => p.unlink(`${root}/new`)), both, 'unlink in it')
    assert.deepEqual(await moved(p, root, () => p.rename(f, `${root}/d/f`)), both, 'rename out of it')
    assert.deepEqual(await moved(p, `${root}/d`, () => p.rename(`${root}/d/f`, f)), both, 'rename out of the other')
    assert.deepEqual(await moved(p, root, () => p.mkdir(`${root}/e`)), both, 'mkdir in it')
    assert.deepEqual(await moved(p, root, () => p.symlink('x', `${root}/s`)), both, 'symlink in it')
  },
}

const relatime: FsCase = {
  name: 'atime moves on at a read that follows a change',
  async run({ p, root }) {
    const f = `${root}/f`
    await p.writeFile(f, 'x')
    await p.utimes(f, 1000, 2000)
    await p.readFile(f)
    const first = (await p.stat(f)).atimeMs
    assert.ok(first > 2_000_000, 'it was older than mtime')
    await p.readFile(f)
    assert.equal((await p.stat(f)).atimeMs, first)
  },
}

const shape: FsCase = {
  name: 'stats: fields, kinds, bigint; ino and dev name a file',
  async run({ p, root }) {
    await p.writeFile(`${root}/f`, 'x'.repeat(5000))
    const s = await p.stat(`${root}/f`)
    const fields = ['dev', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'blksize', 'ino', 'size', 'blocks', 'atimeMs', 'mtimeMs', 'ctimeMs', 'birthtimeMs'] as const
    assert.deepEqual(Object.keys(s).slice(0, fields.length), fields)
    for (const field of fields) assert.equal(typeof s[field], 'number', field)
    assert.ok(s.isFile() && !s.isDirectory() && !s.isSymbolicLink() && !s.isFIFO() && !s.isSocket() && !s.isBlockDevice() && !s.isCharacterDevice())
    assert.ok(s.blocks >= 8 && s.blocks <= 256)
    const b = await p.stat(`${root}/f`, { bigint: true })
    assert.equal(b.ino, BigInt(s.ino))
    assert.equal(b.size, 5000n)
    assert.ok(b.isFile())
    assert.equal((await p.stat(root)).dev, s.dev)
    const fsStats = await p.statfs(root)
    for (const field of ['type', 'bsize', 'blocks', 'bfree', 'bavail', 'files', 'ffree'] as const) assert.equal(typeof fsStats[field], 'number')
    assert.ok(fsStats.blocks >= fsStats.bfree && fsStats.bsize >= 512)
    assert.equal(typeof (await p.statfs(root, { bigint: true })).bsize, 'bigint')
  },
}

const accessChecks: FsCase = {
  name: 'access tells what may be done',
  async run({ p, root, isRoot }) {
    const path = `${root}/f`
    await p.writeFile(path, '', { mode: 0o600 })
    await p.access(path)
    await p.access(path, constants.R_OK | constants.W_OK)
    await fails(p.access(path, constants.X_OK), { code: 'EACCES', syscall: 'access', path })
    await p.access(root, constants.X_OK)
    await p.chmod(path, 0o100)
    await p.access(path, constants.X_OK)
    if (!isRoot) await fails(p.access(path, constants.R_OK), { code: 'EACCES', syscall: 'access', path })
    await p.symlink('nowhere', `${root}/l`)
    await fails(p.access(`${root}/l`), { code: 'ENOENT', syscall: 'access', path: `${root}/l` })
  },
}

export const attributeCases: FsCase[] = [modes, owners, setgid, times, changes, relatime, shape, accessChecks]
