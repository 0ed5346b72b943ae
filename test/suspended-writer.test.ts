import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { type Clock, systemClock } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { MountedHome, pause, whyNoMount } from './support/mounted-home.js'

const MINUTE = 60_000
let home: MountedHome
let engine: Engine | undefined

afterEach(async () => {
  engine?.crash()
  engine = undefined
  await home.end()
})

/** A host whose clock is ahead of this one's. */
function hostAhead(byMs: number): Engine {
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + byMs, monotonic: () => systemClock.monotonic() }
  engine = Engine.open({ home: join(home.folder, 'other'), clock })
  engine.attach('w', { kind: 'file', path: join(home.folder, 'shared') })
  return engine
}

const why = whyNoMount()

describe.skipIf(why !== undefined)(`a writer that sleeps${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  it('is overtaken by who believes that its lease ran out, loses cleanly when it wakes, and its work is kept', async () => {
    home = new MountedHome({ CAIRN_IDLE_MS: '2000' })
    await home.must('init', 'w', '--store', `file://${home.folder}/shared`)
    await home.mount()
    await writeFile(join(home.mountpoint, 'published'), 'p')
    await home.must('flush', 'w')
    await writeFile(join(home.mountpoint, 'not-published'), 'n'.repeat(100_000))
    const { server } = home.pids()
    process.kill(server, 'SIGSTOP')

    // By a clock that is a little ahead the lease runs still; by one that is far ahead it has run out.
    const near = hostAhead(MINUTE / 2)
    expect(() => near.openVolume('w', { steal: true })).toThrow(/is written by .* since/)
    near.crash()
    const far = hostAhead(10 * MINUTE)
    const volume = far.openVolume('w', { steal: true })
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    expect(fs.readdirSync('/')).toEqual(['published'])
    fs.writeFileSync('/by-the-other', 'o')
    volume.flush()
    await far.publish(volume)
    volume.close()

    process.kill(server, 'SIGCONT')
    const flushed = await home.cairn('flush', 'w')
    expect(flushed.code).toBe(1)
    expect(flushed.output).toMatch(
      /^cairn: The volume w was taken over by another host\. What was not published is kept here: unmount it, and `cairn recover w`/,
    )
    expect(home.pids().server).toBe(server)
    for (;;) {
      const code = await writeFile(join(home.mountpoint, 'too-late'), 't').then(
        () => '',
        (error: NodeJS.ErrnoException) => error.code,
      )
      if (code === 'EROFS') break
      expect(code).toBe('')
      await pause(50)
    }
    await home.must('unmount', 'w')
    await home.must('recover', 'w')
    expect(await home.must('cat', 'w-recovered:/not-published')).toBe('n'.repeat(100_000))
    expect(await home.must('ls', 'w:/')).toBe('by-the-other\npublished\n')
  })

  it('by a clock that is behind its lease seems to run for ever: it is taken by force', async () => {
    home = new MountedHome({ CAIRN_IDLE_MS: '2000' })
    await home.must('init', 'w', '--store', `file://${home.folder}/shared`)
    await home.mount()
    await writeFile(join(home.mountpoint, 'f'), 'f')
    await home.must('flush', 'w')
    await home.killBoth()
    const behind = hostAhead(-365 * 24 * 60 * MINUTE)
    expect(() => behind.openVolume('w', { steal: true })).toThrow(/is written by .* since/)
    const volume = behind.openVolume('w', { steal: true, force: true })
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    expect(fs.readFileSync('/f', 'utf8')).toBe('f')
    volume.close()
  })
})
