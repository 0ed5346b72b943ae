import './support/without-syncs.js'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeHead } from '../src/codec/head.js'
import { HASH_BYTES, PACK_ID_BYTES } from '../src/codec/pointer.js'
import { purge } from '../src/history/purge/purge.js'
import { restore } from '../src/history/restore/restore.js'
import type { StoredObject } from '../src/store/contract.js'
import { limits, systemClock } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { Follower } from '../src/volume/follower.js'
import { HeadFile } from '../src/volume/head.js'
import { Transition } from '../src/volume/transition.js'
import type { TreeChanges } from '../src/volume/tree-changes.js'
import type { Volume } from '../src/volume/volume.js'
import { publish, shape, useHosts } from './support/readers.js'

const shared = useHosts()
const { host } = shared

async function two(onRefreshed?: () => void) {
  const a = host('a')
  a.attach('ws', shared.address)
  const writer = a.openVolume('ws')
  const files = shape(writer)
  files.writeFileSync('/one', '1')
  writer.checkpoint('first')
  await publish(a, writer)
  const b = host('b', onRefreshed)
  b.attach('ws', shared.address)
  const reader = b.openVolume('ws', { readOnly: true })
  return { a, b, writer, files, reader, seen: shape(reader) }
}

describe('a reader', () => {
  it('changes nothing in the store, whatever is tried', async () => {
    const { a, writer, files, reader, seen } = await two()
    expect(() => seen.writeFileSync('/big', Buffer.alloc(3_000_000, 'x'))).toThrow(/EROFS/)
    const transaction = reader.begin()
    const tx = shape({ session: transaction } as unknown as Volume)
    expect(() => tx.writeFileSync('/big', Buffer.alloc(3_000_000, 'x'))).toThrow(/EROFS/)
    expect(transaction.commitTransaction()).toBe(0)
    // An epoch that the reader had raised would be the end of this.
    files.writeFileSync('/two', '2')
    await publish(a, writer)
  })

  it('follows a volume that is renamed where it is written', async () => {
    const { a, b, writer, reader, seen } = await two()
    writer.close()
    a.rename('ws', 'other')
    // Nothing that it shows: here the volume has the name that it had.
    expect(b.refresh(reader)).toBe(false)
    expect(reader.info.name).toBe('ws')
    const again = a.openVolume('other')
    shape(again).writeFileSync('/two', '2')
    await publish(a, again)
    expect(b.refresh(reader)).toBe(true)
    expect(seen.readFileSync('/two', 'utf8')).toBe('2')
    again.close()
    reader.close()
    const own = b.openVolume('ws')
    shape(own).writeFileSync('/three', '3')
    await publish(b, own)
    const third = host('c')
    third.attach('other', shared.address)
    const look = third.openVolume('other', { readOnly: true })
    expect(shape(look).readFileSync('/three', 'utf8')).toBe('3')
  })

  it('takes no lease when another has overtaken what this host wrote', async () => {
    const a = host('a')
    a.attach('ws', shared.address)
    shape(a.openVolume('ws')).writeFileSync('/lost', 'l')
    a.crash()
    const b = host('b')
    b.attach('ws', shared.address)
    const stolen = b.openVolume('ws', { steal: true, force: true })
    shape(stolen).writeFileSync('/b', 'b')
    stolen.close()
    const again = host('a')
    const reader = again.openVolume('ws', { readOnly: true })
    expect(reader.isReader).toBe(true)
    expect(shape(reader).readdirSync('/')).toEqual(['b'])
    expect(again.statusOf('ws').remote).toMatchObject({ setAside: 1 })
  })

  it('forks a fork of an older state that its writer has not opened yet, and shows no more of the history', async () => {
    const { a, b, writer, files } = await two()
    files.writeFileSync('/one', 'secret later')
    writer.checkpoint('second')
    a.fork('ws', 'first', 'old')
    b.attach('old', shared.address)
    const reader = b.openVolume('old', { readOnly: true })
    expect(reader.commits().map(commit => commit.name)).toEqual(['first'])
    b.fork('old', undefined, 'oldest')
    const fork = b.openVolume('oldest')
    expect(fork.commits().map(commit => commit.name)).toEqual(['first'])
  })

  it('is opened by two processes of a home', async () => {
    await two()
    const c = Engine.open({ home: join(shared.folder, 'b'), refreshMs: 1 })
    shared.engines.push(c)
    const other = c.openVolume('ws', { readOnly: true })
    expect(shape(other).readFileSync('/one', 'utf8')).toBe('1')
    expect(c.refresh(other)).toBe(false)
  })
})

describe('a reader goes on', () => {
  it('to what a third host made of the volume that took it over, and the first one has nothing more to say', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    const c = host('c')
    c.attach('ws', shared.address)
    files.writeFileSync('/overtaken', 'o')
    const thief = c.openVolume('ws', { steal: true, force: true })
    expect(b.refresh(reader)).toBe(false)
    shape(thief).writeFileSync('/stolen', 's')
    await publish(c, thief)
    await expect(publish(a, writer)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    expect(b.refresh(reader)).toBe(true)
    expect(seen.readdirSync('/').sort()).toEqual(['one', 'stolen'])
    writer.close()
    expect(a.recover('ws')).toMatchObject([{ name: 'ws-recovered' }])
    expect(b.refresh(reader)).toBe(false)
  })

  it('to an older state that the volume went back to, and to commits from which something was purged', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    const { ino } = seen.statSync('/one')
    const [first] = reader.commits()
    files.rmSync('/one')
    files.writeFileSync('/secret', 's')
    writer.checkpoint('second')
    await publish(a, writer)
    b.refresh(reader)
    expect(seen.readdirSync('/')).toEqual(['secret'])
    restore(writer, { ref: 'first' })
    await publish(a, writer)
    b.refresh(reader)
    expect(seen.readFileSync('/one', 'utf8')).toBe('1')
    expect(seen.statSync('/one').ino).toBe(ino)
    for (const _ of purge(writer, '/secret'));
    await publish(a, writer)
    b.refresh(reader)
    const second = reader.commits().find(commit => commit.name === 'second')
    expect(shape({ session: reader.at('second') } as unknown as Volume).readdirSync('/')).toEqual([])
    expect(reader.state.rewritten.get(second?.id ?? '')).toBe(1)
    expect(reader.state.rewritten.has(first.id)).toBe(false)
  })

  it('although the state that it showed was collected, and says then that anything may be different', async () => {
    const { b, reader, seen } = await two()
    const { value } = reader.head
    const pack = 2 * HASH_BYTES
    const gone = `${'ab'.repeat(HASH_BYTES)}${'ee'.repeat(PACK_ID_BYTES)}${value.root.slice(pack + 2 * PACK_ID_BYTES)}`
    const found = { bytes: encodeHead(value), version: reader.head.version }
    const { changes, rewritten } = new Transition(b.poolOf('ws').context.store, reader.treesOf({ ...value, root: gone }), reader.state, value, found).finish()
    expect(changes.isAll).toBe(true)
    expect(changes.entries.map(({ name }) => name)).toEqual(['one'])
    expect([...changes.inodes]).toContain(seen.statSync('/one').ino)
    expect(rewritten).toEqual([reader.commits()[0].id])
    // What is new must be there.
    expect(() => new Transition(b.poolOf('ws').context.store, reader.state, reader.treesOf({ ...value, root: gone }), value, found).finish()).toThrow(/missing/)
  })

  it('hundreds of times, and keeps no more open than the cache may', async () => {
    const { a, b, writer, files, reader, seen } = await two()
    const descriptors = (): number => readdirSync('/proc/self/fd').length
    const before = descriptors()
    const rounds = limits.cacheOpenFiles + 40
    for (let round = 0; round < rounds; round++) {
      files.writeFileSync(`/${round % 10}`, `round ${round}`)
      await publish(a, writer)
      expect(b.refresh(reader)).toBe(true)
      expect(seen.readFileSync(`/${round % 10}`, 'utf8')).toBe(`round ${round}`)
    }
    expect(descriptors() - before).toBeLessThan(limits.cacheOpenFiles + 10)
  })
})

/** Heads as a test hands them out, to a follower that it pumps. */
async function followed() {
  const all = await two()
  const { a, b, writer, reader } = all
  const key = HeadFile.key(reader.head.value.volume)
  const stored = (): StoredObject => {
    const found = b.poolOf('ws').context.store.getSync(key)
    if (found === undefined) throw new Error('there is a head')
    return found
  }
  const answers: Array<() => void> = []
  let refreshed = 0
  const follower = new Follower({
    volume: reader,
    dir: join(shared.folder, 'b'),
    clock: systemClock,
    everyMs: 0,
    isNew: false,
    onRefreshed: () => refreshed++,
    onSettled: () => {},
    mayMiss: false,
    store: {
      storedSync: stored,
      storedSoon: (_key, _version, done) => {
        const found = stored()
        answers.push(() => done(undefined, found))
      },
    },
  })
  const next = async (change: () => void): Promise<void> => {
    change()
    await publish(a, writer)
  }
  return { ...all, follower, answers, next, refreshed: () => refreshed }
}

describe('a follower', () => {
  it('does not go back to what an answer says that was asked for before another one came', async () => {
    const { follower, answers, next, files, seen, refreshed } = await followed()
    await next(() => files.writeFileSync('/one', '2'))
    follower.pump(5)
    await next(() => files.writeFileSync('/one', '3'))
    expect(follower.look()).toBe(true)
    answers[0]()
    while (follower.pump(5) === 0);
    expect(seen.readFileSync('/one', 'utf8')).toBe('3')
    expect(refreshed()).toBe(0)
  })

  it('shows the state before until all is known that differs, however long that takes', async () => {
    const { follower, answers, next, files, seen, reader } = await followed()
    for (let i = 0; i < 2000; i++) files.writeFileSync(`/${i}`, '')
    await next(() => files.writeFileSync('/one', '2'))
    let told = 0
    reader.onBecame = changes => (told = changes.entries.length)
    let went: boolean | undefined
    follower.lookSoon((_error, isOther) => (went = isOther))
    answers[0]()
    let slices = 0
    for (; follower.pump(0.05) === 0; slices++) if (went === undefined) expect(seen.readdirSync('/')).toEqual(['one'])
    expect(slices).toBeGreaterThan(2)
    expect(went).toBe(true)
    expect(told).toBe(2000)
    expect(seen.readdirSync('/')).toHaveLength(2001)
  })

  it('answers who asks with what is stored after they asked', async () => {
    const { follower, answers, next, files, seen } = await followed()
    follower.pump(5)
    await next(() => files.writeFileSync('/one', '2'))
    let went: boolean | undefined
    follower.lookSoon((_error, isOther) => (went = isOther))
    answers[0]()
    expect(went).toBe(undefined)
    follower.pump(5)
    answers[1]()
    while (follower.pump(5) === 0);
    expect(went).toBe(true)
    expect(seen.readFileSync('/one', 'utf8')).toBe('2')
  })

  it('says that the volume was deleted, shows what it was, and goes on when it is brought back', async () => {
    const { a, b, writer, reader, seen } = await two()
    writer.close()
    a.remove('ws')
    expect(() => b.refresh(reader)).toThrow(/was deleted by another host/)
    expect(seen.readFileSync('/one', 'utf8')).toBe('1')
    expect(b.statusOf('ws').remote?.problem).toMatch(/was deleted/)
    const back = a.undelete('ws')
    const again = a.openVolume(back.name)
    shape(again).writeFileSync('/one', 'back')
    await publish(a, again)
    expect(b.refresh(reader)).toBe(true)
    expect(seen.readFileSync('/one', 'utf8')).toBe('back')
    expect(b.statusOf('ws').remote?.problem).toBe(undefined)
  })
})

describe('a mount that outlives the server of a reader', () => {
  /** What the kernel is told of by the server after the one that `before` was called for. */
  async function resumed(before: (all: Awaited<ReturnType<typeof two>>) => Promise<void>, meanwhile: (dir: string) => void = () => {}) {
    const all = await two()
    all.reader.onlookers = { mayHold: () => false, isMounted: () => true }
    all.reader.showing?.begins()
    await before(all)
    const id = all.reader.head.value.volume
    all.b.crash()
    meanwhile(join(shared.folder, 'b', 'volumes', id, 'read'))
    const b = host('b')
    const reader = b.openVolume('ws', { readOnly: true, resumed: true })
    let told: TreeChanges | undefined
    reader.onBecame = changes => (told = changes)
    reader.tellAgain()
    return { told, reader, ino: shape(reader).statSync('/one').ino }
  }
  const write = async ({ a, b, writer, files, reader }: Awaited<ReturnType<typeof two>>, text: string): Promise<void> => {
    files.writeFileSync('/one', text)
    await publish(a, writer)
    b.refresh(reader)
  }

  it('hears of everything that was shown and that nobody told it of, also where that is as it was before', async () => {
    const { told, ino, reader } = await resumed(async all => {
      await write(all, 'two')
      all.files.writeFileSync('/short-lived', '')
      await write(all, 'three')
      all.files.rmSync('/short-lived')
      await write(all, '1')
    })
    expect(shape(reader).readFileSync('/one', 'utf8')).toBe('1')
    expect([...(told?.stale ?? [])]).toContain(ino)
    expect(told?.entries.map(({ name }) => name)).toContain('short-lived')
    expect(told?.isAll).toBe(false)
  })

  it('hears of nothing that it was told of', async () => {
    const { told, ino } = await resumed(async all => {
      await write(all, 'two')
      all.reader.told(all.reader.head.value.sequence)
    })
    expect(told?.inodes.has(ino)).toBe(false)
  })

  it.each([
    ['missing', (dir: string) => rmSync(join(dir, 'shown'))],
    ['damaged', (dir: string) => writeFileSync(join(dir, 'shown'), 'x')],
    ['of a newer version', (dir: string) => writeFileSync(join(dir, 'shown'), '{"format":99}\n')],
  ])('hears of everything there is when what it was told of is %s', async (_what, meanwhile) => {
    const { told, ino } = await resumed(async all => {
      all.files.writeFileSync('/new', 'n')
      await publish(all.a, all.writer)
    }, meanwhile)
    expect(told?.isAll).toBe(true)
    expect(told?.entries.map(({ name }) => name)).toContain('one')
    expect(told?.inodes.has(ino)).toBe(true)
  })
})
