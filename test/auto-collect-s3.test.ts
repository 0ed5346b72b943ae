import { afterEach, describe, expect, it, vi } from 'vitest'
import { AutoCollect } from '../src/server/auto-collect.js'
import type { JobTable } from '../src/server/job-table.js'
import { Body } from '../src/testing/object-server/s3-objects.js'
import { useBucket } from './support/bucket-hosts.js'
import { whyNoMount } from './support/mounted-home.js'

const bucket = useBucket()
const { host, must } = bucket

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A pack of a volume that is gone, large enough that a collection pays. */
const GARBAGE = 'shared/packs/00000000000000ff/00000401-00000001'

function plantGarbage(): Map<string, unknown> {
  const objects = bucket.server.buckets.get('bucket')?.objects
  const [other] = objects?.values() ?? []
  if (objects === undefined || other === undefined) throw new Error('there is no store yet')
  objects.set(GARBAGE, { ...other, body: new Body([Buffer.alloc(65 * 1024 * 1024)]) })
  return objects
}

describe('a server that writes a volume of a store elsewhere', () => {
  it.skipIf(whyNoMount() !== undefined)('collects that store by itself', async () => {
    const a = host({ CAIRN_GC_CHECK_MS: '200', CAIRN_GC_ELSEWHERE_MS: '1' })
    await must(a, 'init', 'w', ...bucket.store('shared'))
    await must(a, 'write', 'w:/f', 'content')
    const objects = plantGarbage()
    await must(a, 'mount', 'w', a.mountpoint)
    await vi.waitFor(() => expect([...objects.keys()]).not.toContain(GARBAGE), { timeout: 200_000, interval: 50 })
    await vi.waitFor(() => expect(a.log()).toMatch(/collected s3:\/\/bucket\/shared: 6\d+ bytes freed/), { timeout: 200_000 })
    expect(await must(a, 'cat', 'w:/f')).toContain('content')
    await must(a, 'unmount', 'w')
    expect(await must(a, 'fsck', 'w', '--remote')).not.toMatch(/missing|damaged/)
  })

  it('leaves that to its user where CAIRN_GC_ELSEWHERE says so', async () => {
    vi.stubEnv('CAIRN_GC_CHECK_MS', '1')
    vi.stubEnv('CAIRN_GC_ELSEWHERE_MS', '1')
    const collected = async (): Promise<Array<string | undefined>> => {
      const run = vi.fn(async (_kind: string, _volume: string | undefined) => null)
      const written = vi.fn(async () => [{ store: 's3://bucket/shared', volume: 'w' }])
      const collecting = new AutoCollect({ run } as unknown as JobTable, () => {}, written)
      collecting.begin()
      await vi.waitFor(() => expect(run.mock.calls.length).toBeGreaterThan(6), { timeout: 200_000 })
      collecting.end()
      return [...new Set(run.mock.calls.map(([, volume]) => volume))]
    }
    expect(await collected()).toEqual([undefined, 'w'])
    vi.stubEnv('CAIRN_GC_ELSEWHERE', 'false')
    expect(await collected()).toEqual([undefined])
  })
})
