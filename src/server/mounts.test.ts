import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { limits } from '../sys/index.js'
import { type HomePaths, prepareHome } from './home.js'
import type { Keeper } from './keeper.js'
import { Mounts } from './mounts.js'
import type { MountRecord } from './protocol.js'

describe('views that outlive their server', () => {
  let folder: string
  let paths: HomePaths
  let mounts: Mounts
  let unmounted: string[]
  let ended: number[]

  beforeEach(() => {
    vi.useFakeTimers()
    folder = mkdtempSync(join(tmpdir(), 'cairn-mounts-'))
    paths = prepareHome(join(folder, 'home'))
    unmounted = []
    ended = []
    const call = async (_: string, method: string, args: unknown[]): Promise<unknown> => {
      if (method === 'mount.end') ended.push(args[0] as number)
      return undefined
    }
    const nothing = async (): Promise<void> => undefined
    const kernel = {
      list: () => [],
      mount: () => -1,
      tune: () => undefined,
      unmount: (path: string) => {
        unmounted.push(path)
        return 0
      },
      clear: async () => true,
      isDead: async () => false,
      close: () => undefined,
      notify: nothing,
    }
    const keeper = { hold: nothing, update: nothing, drop: nothing } as unknown as Keeper
    mounts = new Mounts({ paths, engine: { call }, keeper, kernel, firstId: 100, log: () => undefined })
  })

  afterEach(() => {
    vi.useRealTimers()
    rmSync(folder, { recursive: true, force: true })
  })

  const record = (id: number, view?: MountRecord['view']): MountRecord => {
    const mountpoint = view === undefined ? join(folder, `${id}`) : join(paths.views, `${id}`)
    mkdirSync(mountpoint, { recursive: true })
    return { id, volumeId: 'v', rootIno: 1, mountpoint, readOnly: false, allowOther: false, negotiated: {}, ...(view && { view }) }
  }

  it('go when nobody claims them in time; those of a program that did stay, and so does the mount', async () => {
    const records = [record(1), record(2, { secret: 'two' }), record(3, { secret: 'three' })]
    await mounts.resume(records, 6)
    expect(() => mounts.claimView('client', 2, 'three')).toThrow(expect.objectContaining({ code: 'ERR_VIEW_UNKNOWN' }))
    mounts.claimView('client', 3, 'three')
    expect(() => mounts.ownView('other', 3)).toThrow(expect.objectContaining({ code: 'ERR_VIEW_UNKNOWN' }))
    mounts.ownView('client', 3)
    await vi.advanceTimersByTimeAsync(limits.viewClaimMs)
    expect([unmounted, ended]).toEqual([[records[1].mountpoint], [2]])
    expect(readdirSync(paths.views)).toEqual(['3'])
    expect(mounts.isMounted('v')).toBe(true)
    expect([mounts.list(String), mounts.listViews(String)].map(list => list.map(({ mountpoint }) => mountpoint))).toEqual([
      [records[0].mountpoint],
      [records[2].mountpoint],
    ])
    expect(await mounts.closeView('other', 3)).toBe(false)
    await mounts.endViewsOf('client')
    expect(ended).toEqual([2, 3])
    expect(readdirSync(paths.views)).toEqual([])
    expect(mounts.size).toBe(1)
  })

  it('leave no folders behind that a killed server made', async () => {
    mkdirSync(join(paths.views, '7'), { recursive: true })
    await mounts.resume([], 6)
    expect(readdirSync(paths.views)).toEqual([])
  })
})
