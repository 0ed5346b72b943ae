import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { assert, type FsCase, fails } from './fs-case.js'

async function text(stream: Readable): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString()
}

const reading: FsCase = {
  name: 'createReadStream: whole, from start to end, in small pieces, with an encoding',
  async run({ p, fs, root }) {
    const f = `${root}/f`
    await p.writeFile(f, '0123456789')
    assert.equal(await text(fs.createReadStream(f)), '0123456789')
    assert.equal(await text(fs.createReadStream(f, { start: 3 })), '3456789')
    assert.equal(await text(fs.createReadStream(f, { start: 3, end: 5 })), '345')
    assert.equal(await text(fs.createReadStream(f, { end: 1, highWaterMark: 1 })), '01')
    assert.equal(await text(fs.createReadStream(f, { start: 20 })), '')
    const stream = fs.createReadStream(f, { encoding: 'hex', highWaterMark: 4 })
    const [first] = await once(stream, 'data')
    assert.equal(first, '30313233')
    stream.destroy()
    await once(stream, 'close')
    assert.equal(stream.bytesRead >= 4, true)
    assert.equal(stream.path, f)
    await fails(text(fs.createReadStream(`${root}/gone`)), { code: 'ENOENT', syscall: 'open', path: `${root}/gone` })
    await fails(() => fs.createReadStream(f, { start: 5, end: 1 }), { code: 'ERR_OUT_OF_RANGE' })
    await fails(() => fs.createReadStream(f, { start: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  },
}

const writing: FsCase = {
  name: 'createWriteStream: whole, at a start, appending; open, ready, finish, close in order',
  async run({ p, fs, root }) {
    const f = `${root}/f`
    const stream = fs.createWriteStream(f, { mode: 0o600 })
    const events: string[] = []
    for (const event of ['open', 'ready', 'finish', 'close']) stream.on(event, () => events.push(event))
    stream.write('ab')
    stream.write(Buffer.from('cd'))
    stream.end('ef')
    await once(stream, 'close')
    assert.deepEqual(events, ['open', 'ready', 'finish', 'close'])
    assert.equal(stream.bytesWritten, 6)
    assert.equal(await p.readFile(f, 'utf8'), 'abcdef')
    assert.equal((await p.stat(f)).mode & 0o777, 0o600)
    await pipeline(['XY'], fs.createWriteStream(f, { flags: 'r+', start: 2 }))
    assert.equal(await p.readFile(f, 'utf8'), 'abXYef')
    await pipeline(['!'], fs.createWriteStream(f, { flags: 'a' }))
    assert.equal(await p.readFile(f, 'utf8'), 'abXYef!')
    const bad = fs.createWriteStream(`${root}/gone/x`)
    const [error] = await once(bad, 'error')
    assert.equal(error.code, 'ENOENT')
  },
}

const large: FsCase = {
  name: 'a megabyte through a pipeline of two streams',
  async run({ p, fs, root }) {
    const bytes = Buffer.alloc(1_000_003, 'stream')
    await p.writeFile(`${root}/a`, bytes)
    await pipeline(fs.createReadStream(`${root}/a`), fs.createWriteStream(`${root}/b`))
    assert.ok((await p.readFile(`${root}/b`)).equals(bytes))
  },
}

const onHandles: FsCase = {
  name: 'streams, lines and web streams of a FileHandle; autoClose',
  async run({ p, fs, root }) {
    await p.writeFile(`${root}/f`, 'one\ntwo\r\nthree')
    const lines: string[] = []
    for await (const line of (await p.open(`${root}/f`)).readLines()) lines.push(line)
    assert.deepEqual(lines, ['one', 'two', 'three'])
    const fd = await promisify(fs.open)(`${root}/f`, 'r+')
    assert.equal(await text(fs.createReadStream('', { fd, autoClose: false, start: 4, end: 6 })), 'two')
    assert.equal((await promisify(fs.fstat)(fd)).size, 14)
    await pipeline(['ONE'], fs.createWriteStream('', { fd, start: 0, autoClose: false }))
    await promisify(fs.close)(fd)
    const h = await p.open(`${root}/f`)
    const closed = once(h as unknown as NodeJS.EventEmitter, 'close')
    await text(h.createReadStream({ start: 0 }))
    await closed
    assert.equal(h.fd, -1)
    const w = await p.open(`${root}/f`)
    const chunks: Buffer[] = []
    for await (const chunk of w.readableWebStream({ type: 'bytes' }) as unknown as AsyncIterable<ArrayBuffer | Uint8Array>) {
      chunks.push(Buffer.from(chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : chunk))
    }
    assert.equal(Buffer.concat(chunks).toString(), 'ONE\ntwo\r\nthree')
    await w.close()
  },
}

const aborted: FsCase = {
  name: 'a signal destroys a stream',
  async run({ p, fs, root }) {
    await p.writeFile(`${root}/f`, 'x'.repeat(1000))
    const controller = new AbortController()
    const stream = fs.createReadStream(`${root}/f`, { signal: controller.signal, highWaterMark: 10 })
    stream.once('data', () => controller.abort())
    const [error] = await once(stream, 'error')
    assert.equal(error.name, 'AbortError')
  },
}

export const streamCases: FsCase[] = [reading, writing, large, onHandles, aborted]
