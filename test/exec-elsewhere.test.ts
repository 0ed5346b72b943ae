import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

describe.skipIf(whyNoMount() !== undefined)('a command in a volume that another host writes', () => {
  let home: MountedHome
  let writer: Cairn
  let written: OpenVolume

  beforeAll(async () => {
    home = new MountedHome()
    const store = `file://${join(home.folder, 'shared')}`
    writer = await Cairn.open({ home: join(home.folder, 'writer'), via: 'process', actor: 'ann' })
    await writer.createVolume({ name: 'w', store })
    written = await writer.open('w')
    await written.fs.promises.writeFile('/f', 'text\n')
    await writer.flush('w')
    await home.must('init', 'w', '--store', store)
  })
  afterAll(async () => {
    await writer.close()
    await home.end()
  })

  const exec = async (...args: string[]): Promise<{ code: number; error: { code: string } }> => {
    const { code, output } = await home.cairn(...args)
    return { code, ...(JSON.parse(output) as { error: { code: string } }) }
  }

  it.each([
    ['in place', ['exec', 'w', '--json', '--', 'touch', 'made']],
    ['in a fork', ['exec', 'w', '--json', '--fork', '--', 'touch', 'made']],
    ['read-only, since that it ran could not be recorded', ['exec', 'w', '--json', '--read-only', '--', 'cat', 'f']],
    ['in a race', ['race', 'w', '--json', '--attempts', 'touch made']],
  ])('is not begun %s, and says who writes it', async (_, args) => {
    expect(await exec(...args)).toMatchObject({ code: 125, error: { code: 'ERR_LEASE_HELD' } })
    expect(JSON.parse(await home.must('volumes', '--deleted', '--json'))).toEqual([])
  })

  it('runs when that host has let go of it', async () => {
    await written.close()
    await writer.close()
    expect(await home.must('exec', 'w', '--read-only', '--', 'cat', 'f')).toBe('text\n')
    const chain = JSON.parse(await home.must('audit', 'w', '--limit', '1', '--json'))
    expect(chain).toMatchObject([{ kind: 'exec', argv: ['cat', 'f'], exit: 0 }])
  })
})
