import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { listFuseMounts } from '../../src/fuse/index.js'
import type { Cairn } from '../../src/sdk/cairn.js'
import { canMount, type Home, isAlive, killBoth, makeHome, openCairn, pidsOf, program, until } from './support.js'

describe.skipIf(!canMount)('a mount', () => {
  let home: Home
  let cairn: Cairn

  beforeEach(async () => {
    home = makeHome()
    cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
  })

  const mount = () => cairn.mount({ name: 'v', path: home.mountpoint })
  const isMounted = () => listFuseMounts().some(one => one.path === home.mountpoint)

  test('is made where there is nothing, answers at once, and is gone after unmount with all that was written', async () => {
    expect(await mount()).toEqual({ name: 'v', mountpoint: home.mountpoint, readOnly: false })
    await writeFile(join(home.mountpoint, 'a'), 'through the mount')
    expect(await cairn.unmount('v')).toBe(true)
    expect(isMounted()).toBe(false)
    expect(await cairn.unmount('v')).toBe(false)
    expect(await readdir(home.mountpoint)).toEqual([])
    const volume = await cairn.open('v')
    expect(await volume.fs.promises.readFile('/a', 'utf8')).toBe('through the mount')
  })

  test('is the same when asked for again, also through a symlink, and refused elsewhere', async () => {
    const first = await mount()
    expect(await mount()).toEqual(first)
    symlinkSync(home.mountpoint, join(home.folder, 'link'))
    expect(await cairn.mount({ name: 'v', path: join(home.folder, 'link') })).toEqual(first)
    await expect(cairn.mount({ name: 'v', path: join(home.folder, 'other') })).rejects.toMatchObject({ code: 'ERR_ALREADY_MOUNTED' })
    await expect(cairn.mount({ name: 'v', path: home.mountpoint, readOnly: true })).rejects.toMatchObject({ code: 'ERR_ALREADY_MOUNTED' })
    await cairn.createVolume({ name: 'w' })
    await expect(cairn.mount({ name: 'w', path: home.mountpoint })).rejects.toMatchObject({ code: 'ERR_MOUNT_PATH' })
  })

  test('is refused where it can never work', async () => {
    mkdirSync(join(home.folder, 'full'))
    writeFileSync(join(home.folder, 'full', 'x'), '')
    const at = (path: string) => cairn.mount({ name: 'v', path: join(home.folder, path) }).catch((error: { code: string }) => error.code)
    expect(await at('full')).toBe('ERR_MOUNT_NOT_EMPTY')
    expect(await at('full/x')).toBe('ERR_MOUNT_PATH')
    expect(await at('full/x/y')).toBe('ERR_MOUNT_PATH')
    expect(await at('home/inside')).toBe('ERR_MOUNT_PATH')
    expect(await at('.')).toBe('ERR_MOUNT_PATH')
    await mount()
    await cairn.createVolume({ name: 'w' })
    await expect(cairn.mount({ name: 'w', path: join(home.mountpoint, 'deep') })).rejects.toMatchObject({ code: 'ERR_MOUNT_PATH' })
    await expect(cairn.mount({ name: 'nope', path: join(home.folder, 'n') })).rejects.toMatchObject({ code: 'ERR_VOLUME_UNKNOWN' })
    await expect(cairn.mount({ name: 'w', sub: '/no', path: join(home.folder, 'n') })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('shows a directory of the volume as its root', async () => {
    const volume = await cairn.open('v')
    await volume.fs.promises.mkdir('/deep/er', { recursive: true })
    await volume.fs.promises.writeFile('/deep/er/file', '1')
    await volume.close()
    expect(await cairn.mount({ name: 'v', sub: '/deep', path: home.mountpoint })).toMatchObject({ sub: '/deep' })
    expect(await readdir(home.mountpoint)).toEqual(['er'])
    expect(await readFile(join(home.mountpoint, 'er', '..', 'er', 'file'), 'utf8')).toBe('1')
  })

  test('has what was stored through a mapping when the file is closed, whoever is killed then', async () => {
    await mount()
    const script = `
import mmap, sys
f = open(sys.argv[1], 'w+b')
f.write(b'.' * 8192)
f.flush()
m = mmap.mmap(f.fileno(), 8192)
m[0:5], m[5000:5005] = b'HELLO', b'WORLD'
m.close()
f.close()`
    execFileSync('python3', ['-c', script, join(home.mountpoint, 'mapped')])
    await killBoth(home)
    await mount()
    const bytes = await readFile(join(home.mountpoint, 'mapped'))
    expect([bytes.toString('latin1', 0, 5), bytes.toString('latin1', 5000, 5005), bytes.length]).toEqual(['HELLO', 'WORLD', 8192])
  })

  test('refuses changes when it is read-only', async () => {
    await cairn.mount({ name: 'v', path: home.mountpoint, readOnly: true })
    await expect(writeFile(join(home.mountpoint, 'a'), '')).rejects.toMatchObject({ code: 'EROFS' })
  })

  test('shows at once what a program changes through the server, and the other way round', async () => {
    await mount()
    const volume = await (await openCairn(home)).open('v')
    const file = join(home.mountpoint, 'f')
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
    for (let i = 0; i < 20; i++) {
      const text = 'x'.repeat(i * 300)
      await volume.fs.promises.writeFile('/f', text)
      expect(await readFile(file, 'utf8')).toBe(text)
      await writeFile(file, `${text}!`)
      expect(await volume.fs.promises.readFile('/f', 'utf8')).toBe(`${text}!`)
    }
    await volume.fs.promises.rename('/f', '/g')
    expect(await readdir(home.mountpoint)).toEqual(['g'])
    await volume.transaction(async tx => {
      await tx.writeFile('/h', 'tx')
      await tx.unlink('/g')
    })
    expect(await readdir(home.mountpoint)).toEqual(['h'])
    expect(await readFile(join(home.mountpoint, 'h'), 'utf8')).toBe('tx')
    await expect(stat(join(home.mountpoint, 'g'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('that is busy names who uses it, and gives way to force', async () => {
    await mount()
    const shell = spawn('sleep', ['1000'], { cwd: home.mountpoint, stdio: 'ignore' })
    try {
      await until(() => readFileSync(`/proc/${shell.pid}/comm`, 'utf8') === 'sleep\n')
      await expect(cairn.unmount('v')).rejects.toMatchObject({
        code: 'ERR_MOUNT_BUSY',
        message: expect.stringContaining(`sleep (pid ${shell.pid}, ${home.mountpoint})`),
      })
      await writeFile(join(home.mountpoint, 'still'), 'there')
      expect(await cairn.unmount(home.mountpoint, { force: true })).toBe(true)
      expect(isMounted()).toBe(false)
    } finally {
      shell.kill('SIGKILL')
    }
    await mount()
    expect(await readFile(join(home.mountpoint, 'still'), 'utf8')).toBe('there')
  })

  test('that another mount namespace has a copy of is unmounted all the same, and ends there', async () => {
    await mount()
    await writeFile(join(home.mountpoint, 'a'), 'acknowledged')
    const script = `echo there; read go; said=$(cat ${join(home.mountpoint, 'a')} 2>&1); echo "$said"`
    const container = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
    try {
      await once(container.stdout, 'data')
      expect(await cairn.unmount('v')).toBe(true)
      container.stdin.end('go\n')
      expect(String(await once(container.stdout, 'data'))).toMatch(/Transport endpoint is not connected|Software caused connection abort/)
    } finally {
      container.kill('SIGKILL')
    }
    await mount()
    expect(await readFile(join(home.mountpoint, 'a'), 'utf8')).toBe('acknowledged')
  })

  test('that somebody else unmounted is known to be gone', async () => {
    await mount()
    await writeFile(join(home.mountpoint, 'a'), '1')
    execFileSync('umount', [home.mountpoint])
    await until(async () => (await cairn.status()).server.mounts.length === 0)
    await mount()
    expect(await readdir(home.mountpoint)).toEqual(['a'])
  })

  test('keeps its volume from being deleted, but not from another name', async () => {
    await mount()
    await expect(cairn.deleteVolume('v')).rejects.toMatchObject({ code: 'ERR_VOLUME_MOUNTED' })
    await cairn.renameVolume('v', 'renamed')
    expect((await cairn.status()).server.mounts).toEqual([{ name: 'renamed', mountpoint: home.mountpoint, readOnly: false }])
    expect(await cairn.unmount('renamed')).toBe(true)
  })

  test('whose server and supervisor were killed is dead, said to be so, and cleared by the next mount', async () => {
    await mount()
    writeFileSync(join(home.mountpoint, 'a'), 'acknowledged')
    await killBoth(home)
    expect(() => readdirSync(home.mountpoint)).toThrow(/ENOTCONN|ECONNABORTED/)
    const later = await openCairn(home)
    expect((await later.status()).server).toMatchObject({ running: false, mounts: [{ name: 'v', stale: true }] })
    expect(await later.mount({ name: 'v', path: home.mountpoint })).toEqual({ name: 'v', mountpoint: home.mountpoint, readOnly: false })
    expect(readFileSync(join(home.mountpoint, 'a'), 'utf8')).toBe('acknowledged')
    expect(listFuseMounts().filter(one => one.path === home.mountpoint)).toHaveLength(1)
  })

  test('that is dead can be unmounted without a server', async () => {
    await mount()
    await killBoth(home)
    const later = await openCairn(home)
    expect(await later.unmount('v')).toBe(true)
    expect(isMounted()).toBe(false)
  })

  test('lives on when the server is killed: a reader and a writer in the middle finish, and nothing is lost', { timeout: 300_000 }, async () => {
    const volume = await cairn.open('v')
    const megabyte = Buffer.alloc(1 << 20)
    const large = await volume.fs.promises.open('/large', 'w')
    for (let i = 0; i < 48; i++) await large.write(megabyte.fill(i), 0, megabyte.length, i * megabyte.length)
    await large.close()
    await volume.close()
    await mount()
    const reader = program(
      `import { openSync, readSync } from 'node:fs'
      const fd = openSync(process.argv[1], 'r')
      const chunk = Buffer.alloc(65536)
      for (let at = 0; at < 48 << 20; at += chunk.length) {
        if (readSync(fd, chunk, 0, chunk.length, at) !== chunk.length) throw new Error('short at ' + at)
        if (chunk.some(byte => byte !== at >> 20)) throw new Error('wrong at ' + at)
        if (at === 8 << 20) console.log('reading')
      }
      console.log('read')`,
      [join(home.mountpoint, 'large')],
    )
    const writer = program(
      `import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
      mkdirSync(process.argv[1])
      for (let i = 0; i < 600; i++) {
        writeFileSync(process.argv[1] + '/tmp', 'file ' + i)
        renameSync(process.argv[1] + '/tmp', process.argv[1] + '/' + i)
        if (i % 100 === 50) console.log('written ' + i)
      }`,
      [join(home.mountpoint, 'out')],
    )
    const { supervisor, server } = pidsOf(home)
    await Promise.all([reader.printed('reading'), writer.printed('written 50')])
    process.kill(server, 'SIGKILL')
    await writer.printed('written 250')
    // It may have written that much before.
    const next = await vi.waitFor(
      () => {
        const found = pidsOf(home).server
        expect(found).not.toBe(server)
        return found
      },
      { timeout: 60_000, interval: 5 },
    )
    process.kill(next, 'SIGKILL')
    expect(await reader.ended).toMatchObject({ code: 0 })
    expect(await writer.ended).toMatchObject({ code: 0 })
    expect(pidsOf(home).supervisor).toBe(supervisor)
    expect(isAlive(server)).toBe(false)
    const out = join(home.mountpoint, 'out')
    expect(readdirSync(out)).toHaveLength(600)
    for (let i = 0; i < 600; i++) expect(readFileSync(join(out, String(i)), 'utf8')).toBe(`file ${i}`)
    await cairn.unmount('v')
    expect((await cairn.fsck('v')).findings).toEqual([])
  })

  test('takes fsync from many programs at once', async () => {
    await mount()
    const code = `import { openSync, writeSync, fsyncSync } from 'node:fs'
      const fd = openSync(process.argv[1], 'w')
      for (let i = 0; i < 50; i++) {
        writeSync(fd, 'line ' + i)
        fsyncSync(fd)
      }`
    const ends = await Promise.all(['a', 'b', 'c', 'd'].map(name => program(code, [join(home.mountpoint, name)]).ended))
    expect(ends).toEqual(ends.map(() => ({ code: 0, output: '' })))
    await killBoth(home)
    const later = await openCairn(home)
    await later.unmount('v')
    const volume = await later.open('v')
    const sizes = await Promise.all(['/a', '/b', '/c', '/d'].map(async path => (await volume.fs.promises.stat(path)).size))
    expect(new Set(sizes)).toEqual(new Set([10 * 6 + 40 * 7]))
  })

  test('whose server cannot be kept alive is given up, with a word in the log', { timeout: 300_000 }, async () => {
    const { limits } = await import('../../src/sys/index.js')
    await mount()
    const { supervisor } = pidsOf(home)
    let last = 0
    for (let i = 0; i <= limits.serverRestarts; i++) {
      await until(() => !isAlive(supervisor) || (pidsOf(home).server !== last && isAlive(pidsOf(home).server)))
      if (!isAlive(supervisor)) break
      last = pidsOf(home).server
      process.kill(last, 'SIGKILL')
    }
    await until(() => !isAlive(supervisor))
    expect(home.log()).toContain('is not started again')
    expect(isMounted()).toBe(false)
  })
})
