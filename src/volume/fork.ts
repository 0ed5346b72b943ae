import { encodeHead, type Head } from '../codec/head.js'
import { CairnError } from '../errors.js'
import type { LocalStore, Put } from '../store/contract.js'
import { pinKey, writePin } from '../store/pins.js'
import { assert, type Clock, crashPoint, limits, type Random } from '../sys/index.js'
import { HeadFile } from './head.js'
import { isOfStorage } from './sealing.js'

export interface NewFork {
  /** The head, by the fork's id. */
  makeHead: (id: string) => Head
  /** What makes it known, by its id; last of all. */
  name?: (id: string) => Put
}

interface Forker {
  store: LocalStore
  random: Random
  clock: Clock
}

/**
 * Makes forks of one state beside collectors (spec/README.md, "A forker"), all of them or none: pin what they need, look whether the source still has
 * it, create the head of the first as pending, look whether the pin is there still, make that head ready. Whatever a collector reads in between, it
 * meets the source, the pin or the head. The pin stays for the collector to remove. The others follow: they name the very roots of the first, whose
 * ready head no collector passes by, and which has to be there still when they are.
 *
 * Ready heads and names are synced together, the rest not at all. A failure of the power ends the forker as well, and leaves what a killed one
 * leaves: a pin, a pending head, ready ones without names, or nothing. What it tears of a pending head nobody takes for a damaged one, because no name
 * leads to it (`RootReader`). A ready head has its bytes on the disk before it takes its place, and so have the packs that it names.
 * @returns undefined when a name was taken meanwhile
 * @throws CairnError ERR_FENCED; ERR_CONFLICT when collections come in between again and again; what the disk says
 */
export function makeForks(forker: Forker, source: HeadFile, forks: readonly NewFork[]): Head[] | undefined {
  for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
    const heads = forks.map(({ makeHead }) => makeHead(forker.random.bytes(8).toString('hex')))
    const names = forks.flatMap(({ name }, i) => name?.(heads[i].volume) ?? [])
    let done = 0
    try {
      done = publish(forker, source, heads, names)
    } catch (error) {
      if (error instanceof CairnError || isOfStorage(error)) takeBack(forker.store, heads, names)
      throw error
    }
    if (done === heads.length + names.length) return heads
    takeBack(forker.store, heads, names)
    if (done >= heads.length) return undefined
  }
  throw new CairnError('ERR_CONFLICT', `Collections came in between ${limits.casAttempts} times in a row.`, 'Try again.', { retry: 'same-call' })
}

/** Returns how many heads, and then names, it put; none when a collection came in between. */
function publish({ store, random, clock }: Forker, source: HeadFile, heads: readonly Head[], names: readonly Put[]): number {
  const [first, ...others] = heads
  const pin = { atMs: Math.floor(clock.now()), into: first.volume, roots: [first.root, first.history].filter(root => root !== '') }
  assert(
    others.every(({ root, history }) => root === first.root && history === first.history),
    'forks made together are of one state',
  )
  writePin(store, first.volume, pin)
  crashPoint('volume.fork.after-pin')
  if (!source.isCurrent) throw fenced(source.value)
  crashPoint('volume.fork.before-head')
  const made = HeadFile.create(store, { ...first, pending: true }, random, { relaxed: true })
  crashPoint('volume.fork.pending')
  if (store.headSync(pinKey(first.volume)) === undefined) return 0
  const puts = others.map(head => ({ key: HeadFile.key(head.volume), bytes: encodeHead(head), options: { ifAbsent: true } }))
  const done = made.updateWith({ pending: undefined }, [...puts, ...names])
  // The others had nothing but the first to keep what they name: a forker that stalled for days finds it collected.
  return others.length > 0 && store.headSync(HeadFile.key(first.volume)) === undefined ? 0 : done
}

/** Names first: one that leads nowhere is nothing. What the disk does not let go of is the collector's. */
function takeBack(store: LocalStore, heads: readonly Head[], names: readonly Put[]): void {
  try {
    const taken = names.filter(({ key, bytes }) => Buffer.from(store.getSync(key)?.bytes ?? []).equals(bytes))
    store.deleteSync(taken.map(({ key }) => key))
    store.deleteSync(heads.flatMap(({ volume }) => [HeadFile.key(volume), pinKey(volume)]))
  } catch (error) {
    if (!isOfStorage(error)) throw error
  }
}

export function fenced(source: Head): CairnError {
  return new CairnError('ERR_FENCED', `The volume ${source.name} was changed by another writer.`, 'Open it again.', { retry: 'reopen' })
}
