import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as timeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import { TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import { MountedHome, run, whyNoMount } from './support/mounted-home.js'

/** Longer than any of this takes; lowered again when enough was seen. */
const FAR_MS = 600_000
/** So small that they lie in the tree, and so much that they are not all here when the volume is open. */
const FILES = 500
const FILE_BYTES = 2000

let server: S3Server
let hosts: MountedHome[]
let far: string
let near: string
const content = Array.from({ length: FILES }, () => randomBytes(FILE_BYTES))

function host(): MountedHome {
  const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000' })
  hosts.push(made)
  return made
}

const init = (on: MountedHome): Promise<string> =>
  on.must('init', 'far', '--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', server.endpoint, '--path-style')

/** Nothing here may block: the server of the bucket runs in this process. */
beforeEach(async () => {
  server = await new S3Server().start()
  hosts = []
  const [writer, reader] = [host(), host()]
  await init(writer)
  const folder = join(writer.scratch, 'folder')
  mkdirSync(folder)
  for (const [i, bytes] of content.entries()) writeFileSync(join(folder, `${i}`), bytes)
  await writer.must('cp', '-r', folder, 'far:/')
  await writer.must('checkpoint', 'save', 'far', 'first')
  await init(reader)
  await reader.must('init', 'near')
  far = reader.mountpoint
  near = join(reader.folder, 'near')
  mkdirSync(near)
  await reader.must('mount', 'near', near)
  await reader.must('mount', 'far', far)
})

afterEach(async () => {
  server.faults.clear()
  server.hurry()
  await hosts[1].must('unmount', near)
  for (const host of hosts) await host.end()
  await server.close()
})

/** It is alive all the time: what it holds back is slow, and nobody gives it up. */
async function askedNowAndThen(cairn: Cairn, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await cairn.checkStore('far')
    await timeout(200)
  }
}

describe.skipIf(whyNoMount() !== undefined)('a volume elsewhere', () => {
  it('lets others, and what is here, go on while changes, calls and views of the past wait for the store', async () => {
    const [, reader] = hosts
    const cairn = await Cairn.open({ home: reader.home, via: 'server' })
    const [{ fs }, past, other] = [await cairn.open('far'), await cairn.open('far', { ref: 'first' }), await cairn.open('near')]
    const at = (i: number): string => join(far, 'folder', `${i}`)
    expect(await readdir(join(far, 'folder'))).toHaveLength(FILES)
    const old = join(far, '.cairn', 'checkpoints', 'first', 'folder')
    await stat(old)
    // Names and attributes are in memory from now on, and content is not here.
    await writeFile(join(far, 'before'), 'b')
    await unlink(join(far, 'before'))
    await cairn.cache.clear('far')
    server.faults.add({ kind: 'delay', delayMs: FAR_MS, operation: 'GetObject', key: /packs/, times: Number.POSITIVE_INFINITY })
    const requests = server.requests('GetObject')
    let done = 0
    // By programs of their own: what waits takes the threads in which this one makes such calls.
    const copy = join(reader.scratch, 'copy')
    const commands = ['rm 30', 'printf more >> 80', 'truncate -s 10 130', 'mv -f 180 190', 'printf other > 230', `cat ${old}/280 > ${copy}`]
    const waiting = [
      ...commands.map(command => run('/bin/sh', ['-c', command], { cwd: join(far, 'folder') })),
      fs.promises.unlink('/folder/330'),
      fs.promises.readFile('/folder/380'),
      fs.promises.writeFile('/folder/480', 'other'),
      past.fs.promises.readFile('/folder/430'),
    ].map(one => Promise.resolve(one as Promise<unknown>).finally(() => done++))
    const all = Promise.all(waiting)
    all.catch(() => undefined)
    let isOver = false
    const alive = askedNowAndThen(cairn, () => isOver).catch(() => undefined)
    while (server.requests('GetObject') < requests + 2) await timeout(5)
    for (let i = 0; i < 20; i++) await writeFile(join(near, `${i}`), `${i}`)
    expect(await other.fs.promises.readFile('/19', 'utf8')).toBe('19')
    await writeFile(join(far, 'new'), 'new')
    expect(await readFile(join(far, 'new'), 'utf8')).toBe('new')
    expect(await fs.promises.readFile('/new', 'utf8')).toBe('new')
    expect(done).toBe(0)
    server.faults.clear()
    server.hurry()
    const results = await all
    isOver = true
    await alive
    expect(results.slice(0, commands.length)).toEqual(commands.map(() => ({ code: 0, output: '' })))
    expect(content[280].equals(await readFile(copy))).toBe(true)
    expect(content[380].equals(results[commands.length + 1] as Buffer)).toBe(true)
    expect(content[430].equals(results[commands.length + 3] as Buffer)).toBe(true)
    for (const gone of [30, 180, 330]) await expect(stat(at(gone))).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await readFile(at(80))).equals(Buffer.concat([content[80], Buffer.from('more')]))).toBe(true)
    expect((await readFile(at(130))).equals(content[130].subarray(0, 10))).toBe(true)
    expect((await readFile(at(190))).equals(content[180])).toBe(true)
    for (const written of [230, 480]) expect(await readFile(at(written), 'utf8')).toBe('other')
    await cairn.close()
  })
})
