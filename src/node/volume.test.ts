import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import type { VolumeApi } from '../volume/api.js'
import { Engine } from '../volume/engine.js'
import { createFs, LocalBackend, LocalOps, openWrite, type TransactionFs, type TransactionOptions, transaction, type VolumeFs } from './index.js'

describe('staged writes and transactions on a volume', () => {
  const home = mkdtempSync(`${tmpdir()}/cairn-node-`)
  let engine: Engine
  let volume: VolumeApi
  let fs: VolumeFs
  let root = ''
  let count = 0

  beforeAll(() => {
    engine = Engine.open({ home })
    engine.create('v')
    volume = engine.openVolume('v')
    fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  })

  beforeEach(() => {
    root = `/t${count++}`
    fs.mkdirSync(root)
  })

  afterAll(() => {
    volume.close()
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  const run = <T>(body: (tx: TransactionFs) => Promise<T>, options?: TransactionOptions) =>
    transaction(volume, session => new FileSystem(session), body, options)

  it('has every member of node:fs/promises of this Node', async () => {
    const native = Object.keys(await import('node:fs/promises')).filter(name => name !== 'default')
    expect(native.filter(name => !(name in fs.promises))).toEqual([])
    // Node 24 has it, and the types of Node 20 do not.
    const made = await (fs.promises as unknown as { mkdtempDisposable(prefix: string): Promise<AsyncDisposable & { path: string }> }).mkdtempDisposable(
      `${root}/d-`,
    )
    await fs.promises.writeFile(`${made.path}/f`, '')
    await made[Symbol.asyncDispose]()
    expect(await fs.promises.readdir(root)).toEqual([])
  })

  it('lets the program go on between writes that are many', async () => {
    const file = await fs.promises.open(`${root}/f`, 'w')
    const turns: number[] = []
    let written = 0
    const timer = setInterval(() => turns.push(written), 0)
    for (; written < 8; written++) await file.write(Buffer.alloc(1024 * 1024, written))
    setImmediate(() => turns.push(-1))
    await file.writev([Buffer.alloc(2 * 1024 * 1024), Buffer.alloc(2 * 1024 * 1024)])
    clearInterval(timer)
    await file.close()
    expect(turns[0]).toBeLessThan(8)
    expect(turns).toContain(-1)
    expect(fs.statSync(`${root}/f`).size).toBe(12 * 1024 * 1024)
  })

  it('shows a staged file when it is closed, with the mode of the one it replaces', async () => {
    const path = `${root}/f`
    fs.writeFileSync(path, 'old')
    fs.chmodSync(path, 0o640)
    const stream = openWrite(fs, path)
    await new Promise<void>((resolve, reject) => stream.write('new ', error => (error ? reject(error) : resolve())))
    expect(fs.readFileSync(path, 'utf8')).toBe('old')
    stream.write('content')
    await stream.close()
    expect(fs.readFileSync(path, 'utf8')).toBe('new content')
    expect(fs.statSync(path).mode & 0o777).toBe(0o640)
    expect(fs.readdirSync(root)).toEqual(['f'])
  })

  it('leaves nothing of a staged file that is discarded or fails', async () => {
    const path = `${root}/f`
    const stream = openWrite(fs, path)
    stream.write('half')
    await stream.discard()
    expect(fs.readdirSync(root)).toEqual([])
    const failing = (async function* () {
      yield 'a'
      throw new Error('no more')
    })()
    const target = openWrite(fs, path)
    const closed = new Promise(resolve => target.on('close', resolve))
    await expect(pipeline(failing, target)).rejects.toThrow('no more')
    await closed
    expect(fs.readdirSync(root)).toEqual([])
    await expect(openWrite(fs, `${root}/no/f`).close()).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('applies a transaction at once, which reads its own writes', async () => {
    const result = await run(async tx => {
      await tx.mkdir(`${root}/d`)
      await tx.writeFile(`${root}/d/a`, 'one')
      expect(await tx.readFile(`${root}/d/a`, 'utf8')).toBe('one')
      expect(tx.fs.readdirSync(`${root}/d`)).toEqual(['a'])
      expect(fs.existsSync(`${root}/d`)).toBe(false)
      return 7
    })
    expect(result).toBe(7)
    expect(fs.readFileSync(`${root}/d/a`, 'utf8')).toBe('one')
  })

  it('leaves no trace of a transaction that throws', async () => {
    const body = async (tx: TransactionFs) => {
      await tx.writeFile(`${root}/a`, 'x')
      throw new Error('changed my mind')
    }
    await expect(run(body)).rejects.toThrow('changed my mind')
    expect(fs.readdirSync(root)).toEqual([])
  })

  it('reports a conflict, and runs the body again when asked to', async () => {
    fs.writeFileSync(`${root}/n`, '1')
    let attempts = 0
    const increment = async (tx: TransactionFs) => {
      const n = Number(await tx.readFile(`${root}/n`, 'utf8'))
      if (attempts++ === 0) fs.writeFileSync(`${root}/n`, '10')
      await tx.writeFile(`${root}/n`, String(n + 1))
    }
    await expect(run(increment)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    expect(fs.readFileSync(`${root}/n`, 'utf8')).toBe('10')
    attempts = 0
    await run(increment, { retries: 3 })
    expect(attempts).toBe(2)
    expect(fs.readFileSync(`${root}/n`, 'utf8')).toBe('11')
  })
})
