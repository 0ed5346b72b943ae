import { promisify } from 'node:util'
import { assert, type FsCase, fails } from './fs-case.js'

/** The synchronous forms; left out where the volume is in another process. */
const sync: FsCase = {
  name: 'synchronous forms do what the promises do',
  async run({ fs, root }) {
    const f = `${root}/f`
    fs.writeFileSync(f, 'abc')
    fs.appendFileSync(f, 'def')
    assert.equal(fs.readFileSync(f, 'utf8'), 'abcdef')
    assert.equal(fs.statSync(f).size, 6)
    assert.ok(fs.existsSync(f) && !fs.existsSync(`${root}/no`))
    assert.equal(fs.statSync(`${root}/no`, { throwIfNoEntry: false }), undefined)
    const fd = fs.openSync(f, 'r+')
    const b = Buffer.alloc(3)
    assert.equal(fs.readSync(fd, b), 3)
    assert.equal(b.toString(), 'abc')
    assert.equal(fs.readSync(fd, b, 0, 2, 4), 2)
    assert.equal(fs.writeSync(fd, 'D', 3), 1)
    assert.equal(fs.writeSync(fd, Buffer.from('EF'), 0, 2, 4), 2)
    assert.equal(fs.readFileSync(fd, 'utf8'), 'DEF')
    fs.fsyncSync(fd)
    fs.fdatasyncSync(fd)
    fs.ftruncateSync(fd, 4)
    fs.fchmodSync(fd, 0o600)
    fs.futimesSync(fd, 1, 2)
    assert.equal(fs.fstatSync(fd).mtimeMs, 2000)
    fs.closeSync(fd)
    await fails(() => fs.closeSync(fd), { code: 'EBADF', syscall: 'close' })
    fs.mkdirSync(`${root}/d/e`, { recursive: true })
    fs.renameSync(f, `${root}/d/g`)
    fs.symlinkSync('d', `${root}/l`)
    fs.linkSync(`${root}/d/g`, `${root}/h`)
    assert.deepEqual(fs.readdirSync(root), ['d', 'h', 'l'])
    assert.equal(fs.realpathSync(`${root}/l/g`), `${root}/d/g`)
    assert.equal(fs.realpathSync.native(`${root}/l/g`), `${root}/d/g`)
    assert.equal(fs.readlinkSync(`${root}/l`), 'd')
    fs.copyFileSync(`${root}/h`, `${root}/i`)
    fs.cpSync(`${root}/d`, `${root}/k`, { recursive: true })
    assert.equal(fs.readFileSync(`${root}/k/g`, 'latin1'), 'abcD')
    const dir = fs.opendirSync(`${root}/d`)
    assert.ok(dir.readSync() !== null && dir.readSync() !== null && dir.readSync() === null)
    dir.closeSync()
    fs.rmSync(`${root}/d`, { recursive: true })
    fs.rmSync(`${root}/d`, { force: true })
    await fails(() => fs.readFileSync(`${root}/d/g`), { code: 'ENOENT', syscall: 'open', path: `${root}/d/g` })
    assert.ok(fs.mkdtempSync(`${root}/t`).startsWith(`${root}/t`))
  },
}

const callbacks: FsCase = {
  name: 'callback forms do what the promises do',
  async run({ fs, root }) {
    const f = `${root}/f`
    await promisify(fs.writeFile)(f, 'abc')
    assert.equal(await promisify(fs.readFile)(f, 'utf8'), 'abc')
    await fails(promisify(fs.readFile)(`${root}/no`), { code: 'ENOENT', syscall: 'open' })
    const fd = await promisify(fs.open)(f, 'r+')
    const b = Buffer.alloc(2)
    const got = await new Promise(resolve => fs.read(fd, b, 0, 2, 1, (error, count, buffer) => resolve([error, count, buffer === b])))
    assert.deepEqual(got, [null, 2, true])
    const put = await new Promise(resolve => fs.write(fd, 'Z', 0, (error, count, data) => resolve([error, count, data])))
    assert.deepEqual(put, [null, 1, 'Z'])
    assert.equal((await promisify(fs.fstat)(fd)).size, 3)
    await promisify(fs.close)(fd)
    assert.equal(b.toString(), 'bc')
    const results = await new Promise<unknown[]>(resolve => fs.mkdir(`${root}/d`, (...args: unknown[]) => resolve(args)))
    assert.equal(results[0], null)
    assert.deepEqual(await promisify(fs.readdir)(root), ['d', 'f'])
    assert.equal(await new Promise(resolve => fs.exists(f, resolve)), true)
    assert.equal(await new Promise(resolve => fs.exists(`${root}/no`, resolve)), false)
    await fails(() => (fs.stat as unknown as (path: string) => void)(f), { code: 'ERR_INVALID_ARG_TYPE' })
    let later = false
    const done = new Promise<void>(resolve => {
      fs.stat(f, () => {
        assert.ok(later)
        resolve()
      })
    })
    later = true
    await done
  },
}

const disposal: FsCase = {
  name: 'a FileHandle is disposed of, and emits close',
  async run({ p, root }) {
    const h = await p.open(`${root}/f`, 'w')
    let closed = false
    ;(h as unknown as NodeJS.EventEmitter).once('close', () => {
      closed = true
    })
    assert.equal(typeof h.fd, 'number')
    await h.sync()
    await h.datasync()
    const dispose = (h as unknown as Record<symbol, () => Promise<void>>)[(Symbol as unknown as { asyncDispose: symbol }).asyncDispose]
    await dispose.call(h)
    assert.ok(closed)
    assert.equal(h.fd, -1)
  },
}

export const syncCases: FsCase[] = [sync]
export const formCases: FsCase[] = [callbacks, disposal]
