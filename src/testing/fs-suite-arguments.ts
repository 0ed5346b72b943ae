import { pathToFileURL } from 'node:url'
import { assert, type FsCase, type FsContext, fails } from './fs-case.js'

/** Calls with arguments that types forbid. */
type Loose = Record<string, (...args: unknown[]) => Promise<unknown>>
const loose = (p: FsContext['p']): Loose => p as unknown as Loose

const paths: FsCase = {
  name: 'paths are strings, buffers or file URLs, without NUL',
  async run({ p, root }) {
    await p.writeFile(pathToFileURL(`${root}/a b`), 'url')
    assert.equal(await p.readFile(Buffer.from(`${root}/a b`), 'utf8'), 'url')
    await fails(p.stat(new URL('http://x/y')), { code: 'ERR_INVALID_URL_SCHEME' })
    for (const bad of [undefined, null, 1, {}, [], true, () => 1]) {
      for (const name of ['stat', 'unlink', 'readdir', 'mkdir', 'rm', 'open', 'readlink', 'realpath', 'access', 'opendir']) {
        await fails(() => loose(p)[name](bad), { code: 'ERR_INVALID_ARG_TYPE' })
      }
      await fails(() => loose(p).rename(bad, root), { code: 'ERR_INVALID_ARG_TYPE' })
      await fails(() => loose(p).rename(root, bad), { code: 'ERR_INVALID_ARG_TYPE' })
      await fails(() => loose(p).symlink('x', bad), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    await fails(p.stat('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(p.writeFile(Buffer.from('a\0b'), ''), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(p.symlink('a\0b', `${root}/l`), { code: 'ERR_INVALID_ARG_VALUE' })
  },
}

const messages: FsCase = {
  name: 'errors about arguments read as those of node',
  async run({ p }) {
    const words = async (work: Promise<unknown>) => {
      const e: Error = await work.then(
        () => assert.fail('it should fail'),
        error => error,
      )
      return `${e.name}: ${e.message}`
    }
    const call = loose(p)
    assert.equal(await words(call.stat(undefined)), 'TypeError: The "path" argument must be of type string or an instance of Buffer or URL. Received undefined')
    assert.equal(
      await words(call.stat({})),
      'TypeError: The "path" argument must be of type string or an instance of Buffer or URL. Received an instance of Object',
    )
    assert.equal(await words(call.stat(1)), 'TypeError: The "path" argument must be of type string or an instance of Buffer or URL. Received type number (1)')
    assert.equal(
      await words(call.rename('a', 3)),
      'TypeError: The "newPath" argument must be of type string or an instance of Buffer or URL. Received type number (3)',
    )
    assert.match(await words(p.stat('a\0')), /^TypeError: The argument 'path' must be a string, Uint8Array, or URL without null bytes\. Received 'a\\x00'$/)
    assert.match(await words(call.chmod('a', 'x')), /^TypeError: The argument 'mode' must be a 32-bit unsigned integer or an octal string\. Received 'x'$/)
    assert.equal(await words(call.chmod('a', -1)), 'RangeError: The value of "mode" is out of range. It must be >= 0 && <= 4294967295. Received -1')
    assert.equal(await words(call.chown('a', 1.5, 0)), 'RangeError: The value of "uid" is out of range. It must be an integer. Received 1.5')
  },
}

const values: FsCase = {
  name: 'flags, modes, encodings, times, data and options are checked',
  async run({ p, root }) {
    const f = `${root}/f`
    await p.writeFile(f, 'x')
    const call = loose(p)
    await fails(call.open(f, 'rw'), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(call.open(f, {}), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(call.open(f, 'r', 'x'), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(call.open(f, 'r', 1.5), { code: 'ERR_OUT_OF_RANGE' })
    await fails(call.chmod(f), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.chown(f, 'a', 1), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.chown(f, -2, 1), { code: 'ERR_OUT_OF_RANGE' })
    await fails(call.readFile(f, 'nope'), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(call.readFile(f, { encoding: 'nope' }), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(call.readFile(f, 5), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.writeFile(f, 5), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.writeFile(f, {}), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.utimes(f, 'x', 1), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.utimes(f, 1, {}), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.truncate(f, 1.5), { code: 'ERR_OUT_OF_RANGE' })
    await fails(call.mkdir(`${root}/d`, { recursive: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.rm(f, { force: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(call.access(f, 99), { code: 'ERR_OUT_OF_RANGE' })
    await fails(call.copyFile(f, f, 99), { code: 'ERR_OUT_OF_RANGE' })
    await fails(call.cp(f, f, { filter: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
    const h = await p.open(f, 'r+')
    const b = Buffer.alloc(4)
    const handle = h as unknown as Loose
    await fails(handle.read('x'), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(handle.read(b, 5, 1), { code: 'ERR_OUT_OF_RANGE' })
    await fails(handle.read(b, 0, 5), { code: 'ERR_OUT_OF_RANGE' })
    await fails(handle.read(b, -1, 1), { code: 'ERR_OUT_OF_RANGE' })
    await fails(handle.read(Buffer.alloc(0), 0, 1), { code: 'ERR_INVALID_ARG_VALUE' })
    await fails(handle.write(b, 5), { code: 'ERR_OUT_OF_RANGE' })
    await fails(handle.write(b, 0, 5), { code: 'ERR_OUT_OF_RANGE' })
    await fails(handle.write({}), { code: 'ERR_INVALID_ARG_TYPE' })
    await fails(handle.readv('x'), { code: 'ERR_INVALID_ARG_TYPE' })
    await h.close()
  },
}

const aborts: FsCase = {
  name: 'an aborted signal stops readFile and writeFile, and nothing is written',
  async run({ p, root }) {
    await p.writeFile(`${root}/f`, 'kept')
    const signal = AbortSignal.abort(new Error('enough'))
    const aborted = { code: 'ABORT_ERR' }
    await fails(p.readFile(`${root}/f`, { signal }), aborted)
    await fails(p.writeFile(`${root}/f`, 'x', { signal }), aborted)
    assert.equal(await p.readFile(`${root}/f`, 'utf8'), 'kept')
    const error: Error = await p.readFile(`${root}/f`, { signal }).then(
      () => assert.fail('it should fail'),
      e => e,
    )
    assert.equal(error.name, 'AbortError')
    assert.equal((error.cause as Error).message, 'enough')
    const controller = new AbortController()
    async function* parts() {
      yield 'a'
      controller.abort()
      yield 'b'
    }
    await fails(p.writeFile(`${root}/g`, parts(), { signal: controller.signal }), aborted)
  },
}

export const argumentCases: FsCase[] = [paths, messages, values, aborts]
