import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { MountedHome, run, whyNoMount } from './support/mounted-home.js'

const MIB = 1024 * 1024

describe('a quota', () => {
  let home: string
  let cairn: Cairn
  let volume: OpenVolume

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cairn-quota-'))
    cairn = await Cairn.open({ home, via: 'process' })
    await cairn.ensureVolume({ name: 'w' })
    volume = await cairn.open('w')
  })

  afterEach(async () => {
    await cairn.close()
    rmSync(home, { recursive: true, force: true })
  })

  it('refuses what would take more, leaves no trace of it, and never keeps anybody from deleting', async () => {
    const { promises: fs } = volume.fs
    await fs.writeFile('/big', Buffer.alloc(3 * MIB))
    const { used } = (await cairn.quota('w')).bytes
    expect(used).toBe(3 * MIB)
    await cairn.setQuota('w', { bytes: 4 * MIB })
    await fs.writeFile('/more', Buffer.alloc(MIB))
    await expect(fs.writeFile('/other', Buffer.alloc(MIB))).rejects.toMatchObject({ code: 'EDQUOT' })
    await expect(fs.appendFile('/big', Buffer.alloc(200_000))).rejects.toMatchObject({ code: 'EDQUOT' })
    expect((await fs.stat('/big')).size).toBe(3 * MIB)
    expect((await cairn.quota('w')).bytes).toEqual({ used: 4 * MIB, limit: 4 * MIB })
    // What takes no more goes on; below what is used already, too.
    await cairn.setQuota('w', { bytes: MIB })
    await fs.writeFile('/big', Buffer.alloc(3 * MIB, 'x'))
    await fs.rename('/big', '/large')
    await fs.truncate('/large', MIB)
    await fs.rm('/large')
    await expect(fs.writeFile('/other', Buffer.alloc(MIB))).rejects.toMatchObject({ code: 'EDQUOT' })
    await fs.rm('/more')
    await fs.rm('/other', { force: true })
    await fs.writeFile('/other', Buffer.alloc(MIB))
  })

  it('counts files, bounds the length of one, and shows in statfs', async () => {
    const { promises: fs } = volume.fs
    await fs.writeFile('/long', Buffer.alloc(MIB))
    await cairn.setQuota('w', { files: 4, fileSize: 100_000, bytes: 8 * MIB })
    await fs.mkdir('/d')
    await fs.writeFile('/d/a', 'a')
    await expect(fs.writeFile('/d/b', 'b')).rejects.toMatchObject({ code: 'EDQUOT' })
    await expect(fs.mkdir('/e')).rejects.toMatchObject({ code: 'EDQUOT' })
    await expect(fs.symlink('a', '/d/l')).rejects.toMatchObject({ code: 'EDQUOT' })
    await fs.link('/d/a', '/d/hard')
    await expect(fs.truncate('/d/a', 100_001)).rejects.toMatchObject({ code: 'EFBIG' })
    await fs.truncate('/d/a', 100_000)
    await expect(fs.appendFile('/d/a', 'x')).rejects.toMatchObject({ code: 'EFBIG' })
    // One that is longer already can be written in place.
    const handle = await fs.open('/long', 'r+')
    await handle.write(Buffer.from('x'), 0, 1, MIB - 1)
    await expect(handle.write(Buffer.from('x'), 0, 1, MIB)).rejects.toMatchObject({ code: 'EFBIG' })
    await handle.close()
    const space = await fs.statfs('/')
    expect(space.ffree).toBe(0)
    expect(space.bavail * space.bsize).toBeLessThanOrEqual(7 * MIB)
    await fs.rm('/d/hard')
    await fs.rm('/d/a')
    await fs.writeFile('/d/b', 'b')
  })

  it('holds for a transaction at its end, for going back to a larger state, in forks, and after the volume was opened again', async () => {
    const { promises: fs } = volume.fs
    await fs.writeFile('/big', Buffer.alloc(2 * MIB))
    await cairn.checkpoint('w', 'large')
    await fs.rm('/big')
    await cairn.setQuota('w', { bytes: MIB })
    const tooMuch = volume.transaction(async tx => {
      await tx.writeFile('/a', Buffer.alloc(MIB))
      await tx.writeFile('/b', Buffer.alloc(MIB))
    })
    await expect(tooMuch).rejects.toMatchObject({ code: 'EDQUOT' })
    expect(await fs.readdir('/')).toEqual([])
    await volume.transaction(async tx => {
      await tx.writeFile('/a', Buffer.alloc(MIB))
      await tx.writeFile('/b', Buffer.alloc(MIB))
      await tx.rm('/a')
    })
    await expect(cairn.restore('w', { ref: 'large' })).rejects.toMatchObject({ code: 'EDQUOT', remedy: expect.stringContaining('cairn quota') })
    expect(await fs.readdir('/')).toEqual(['b'])
    await cairn.fork('w', undefined, 'fork')
    expect((await cairn.quota('fork')).bytes.limit).toBe(MIB)
    await cairn.close()
    cairn = await Cairn.open({ home, via: 'process' })
    volume = await cairn.open('w')
    await expect(volume.fs.promises.writeFile('/c', Buffer.alloc(MIB))).rejects.toMatchObject({ code: 'EDQUOT' })
    await cairn.setQuota('w', {})
    await volume.fs.promises.writeFile('/c', Buffer.alloc(MIB))
    await expect(cairn.setQuota('w', { bytes: -1 })).rejects.toMatchObject({ code: 'ERR_QUOTA' })
  })
})

describe.skipIf(whyNoMount() !== undefined)('a quota of a mounted volume', () => {
  let host: MountedHome

  afterEach(() => host.end())

  it('is told to programs as EDQUOT, and shown by df', async () => {
    host = new MountedHome()
    await host.must('init', 'w')
    await host.must('mount', 'w', host.mountpoint)
    expect(await host.must('quota', 'w', 'set', '--bytes', '2M', '--files', '1k')).toContain('0B of 2.0MB')
    const sh = (command: string) => run('/bin/sh', ['-c', command], { cwd: host.mountpoint })
    expect(await sh('head -c 3000000 /dev/zero > full')).toMatchObject({ code: 1, output: expect.stringMatching(/quota exceeded/i) })
    expect((await sh('df -k . | tail -1')).output.split(/\s+/)[3]).toMatch(/^\d{1,3}$/)
    const told = await sh(
      'exec 2>&1; mkdir d && : > d/a && : > d/b; : > full && stat -c %s full; head -c 3000000 /dev/zero > d/c; echo x >> d/a; rm -rf d && ls',
    )
    expect(told).toMatchObject({ code: 0, output: expect.stringMatching(/^0\n.*quota exceeded\n.*\nfull\n$/i) })
    expect(await sh('rm full && head -c 2000000 /dev/zero > fits && ls')).toMatchObject({ code: 0, output: 'fits\n' })
    expect(JSON.parse(await host.must('quota', 'w', '--json'))).toMatchObject({ volume: 'w', bytes: { limit: 2 * MIB }, files: { used: 2, limit: 1000 } })
    expect(await host.must('quota', 'w', 'clear')).toContain('no limit')
    for (const [args, message] of [
      [['quota', 'w', 'set'], /No limit was given/],
      [['quota', 'w', 'set', '--bytes', 'lots'], /lots is no limit/],
      [['quota', 'w', 'show', '--bytes', '1'], /set a limit/],
      [['quota', 'w', 'drop'], /has no "drop"/],
    ] as const) {
      const { code, output } = await host.cairn(...args)
      expect([code, output]).toEqual([2, expect.stringMatching(message)])
    }
  })
})
