import { copyFileSync, cpSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Coding } from '../codec/coding.js'
import { decodeHead, encodeHead, type Head } from '../codec/head.js'
import { packIdOf } from '../codec/pack.js'
import { CairnError } from '../errors.js'
import { PackWriter, peekPack } from '../store/pack-writer.js'
import type { RemoteStore } from '../store/remote/remote-store.js'
import { makeFolder } from '../store/sync-folder.js'
import { writeFileDurably } from '../store/write-durably.js'
import { crashPoint, limits, namesIn, type Random } from '../sys/index.js'
import { HeadFile } from './head.js'
import { Spool } from './spool.js'
import type { StagedVolume } from './staging.js'
import { Transplant } from './transplant.js'
import type { Volume } from './volume.js'

/** Nobody else writes to a volume that is being made. */
const EPOCH = 1
/** In the id of a pack. */
const PACK_EPOCH_AT = 8

export interface AsideState {
  /** The volume that another host has taken over. */
  id: string
  name: string
  /** What this host had of it: see `Lease`. */
  folder: string
}

interface Recovery {
  store: RemoteStore
  random: Random
  /** Opens what a head names, with journal and spool in a folder. */
  open: (head: HeadFile, dir: string) => Volume
  stage: (members: Pick<Head, 'dirHashKey'> & Partial<Head>) => StagedVolume
}

/** The volume that an earlier attempt has made of it, if that came so far. */
export function recoveredBefore({ store, random }: Recovery, { folder }: AsideState): HeadFile | undefined {
  const path = join(folder, 'made')
  const head = existsSync(path) ? HeadFile.read(store, readFileSync(path, 'latin1'), random) : undefined
  return head?.value.deletedMs === undefined ? head : undefined
}

/**
 * Makes a volume of what was set aside. Its packs get other names: they may have been in the store before, without a head that names them, and a collector
 * that saw them then may delete them at any time.
 * @throws CairnError ERR_VOLUME_EXISTS …; it stays set aside then
 * Cost: what was not published, read and written once.
 */
export function recoverAside(recovery: Recovery, state: AsideState, freeName: () => string): HeadFile {
  const { store, random } = recovery
  const scratch = random.bytes(8).toString('hex')
  const kept = [HeadFile.key(state.id), HeadFile.key(scratch)]
  const { epoch } = headAside(state)
  /** Brought back, finished from the spool, made of the journal; or left by an attempt that was killed. */
  const ours = (): string[] => kept.flatMap(key => store.packsHere(key)).filter(key => isOfEpochs(key, state.id, epoch))
  finishSpool(join(state.folder, 'spool'), store.coding)
  store.bringBack(HeadFile.key(state.id), join(state.folder, 'packs'))
  for (const key of kept) store.keepHere(key)
  try {
    const sealed = sealedState(recovery, state, scratch)
    const moving = new Set(ours().map(key => packIdOf(key)?.toString('hex')))
    const { dirHashKey, arenaFloor, hidden, first } = sealed
    const parent = { volume: state.name, id: state.id, commit: sealed.parent?.commit ?? '' }
    const more = { ...(arenaFloor === undefined ? {} : { arenaFloor }), ...(hidden === undefined ? {} : { hidden }), ...(first === undefined ? {} : { first }) }
    const staged = recovery.stage({ dirHashKey, parent, ...more })
    writeFileDurably(join(state.folder, 'made'), Buffer.from(staged.id, 'latin1'))
    crashPoint('recover.staged')
    publish(
      staged,
      freeName,
      transplanted(staged, sealed, pack => moving.has(pack)),
    )
    crashPoint('recover.published')
    const made = HeadFile.read(store, staged.id, random)
    if (made === undefined) throw new Error(`invariant broken: the head of ${staged.id} is stored`)
    rmSync(state.folder, { recursive: true, force: true })
    return made
  } finally {
    store.takeBack(ours(), kept)
    store.letGo(HeadFile.key(scratch))
  }
}

function headAside({ folder }: Pick<AsideState, 'folder'>): Head {
  const path = join(folder, 'head')
  return decodeHead(readFileSync(path), path)
}

/** This host may have taken the volume again since: packs of later epochs are none of what was set aside. */
function isOfEpochs(key: string, volume: string, last: number): boolean {
  const id = packIdOf(key)
  return id !== undefined && (!key.startsWith(`packs/${volume}/`) || id.readUInt32BE(PACK_EPOCH_AT) <= last)
}

/**
 * Packs that were being written get their ends, once: an attempt that is killed may leave them on their way to the store, and where they are encrypted no two
 * ends are the same. One that is damaged is left to whoever knows what must be in it.
 */
function finishSpool(folder: string, coding: Coding): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name)
    const copy = `${folder}~`
    copyFileSync(path, copy)
    const { size } = statSync(copy)
    const pack = peekPack(copy) === undefined ? undefined : PackWriter.reopen(copy, [], coding)
    if (pack?.size === size) {
      pack.close()
      renameSync(copy, path)
    } else pack?.abandon()
    rmSync(copy, { force: true })
  }
}

/** Others take names at the same time. */
function publish(staged: StagedVolume, freeName: () => string, members: Parameters<StagedVolume['publish']>[1]): void {
  for (let attempt = 1; ; attempt++) {
    try {
      staged.publish(freeName(), members)
      return
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'ERR_VOLUME_EXISTS' || attempt === limits.casAttempts) throw error
    }
  }
}

/** All of it, the journal too, under a head that is nowhere but here. */
function sealedState({ store, random, open }: Recovery, { folder }: AsideState, scratch: string): Head {
  const work = join(folder, 'work')
  rmSync(work, { recursive: true, force: true })
  makeFolder(work)
  for (const part of ['journal', 'spool']) if (existsSync(join(folder, part))) cpSync(join(folder, part), join(work, part), { recursive: true })
  const { lease: _, log: __, ...members } = headAside({ folder })
  store.hold(HeadFile.key(scratch), '', encodeHead({ ...members, volume: scratch, nonce: random.bytes(8).toString('hex') }))
  const head = HeadFile.read(store, scratch, random)
  if (head === undefined) throw new Error('invariant broken: what is held is here')
  const volume = open(head, work)
  try {
    volume.commitAtEnd()
    volume.flush()
    return volume.head.value
  } finally {
    volume.abandon()
  }
}

function transplanted(staged: StagedVolume, sealed: Head, isMoving: (pack: string) => boolean): Pick<Head, 'root' | 'history' | 'inodes' | 'bytes'> {
  const { store, packs } = staged.context
  makeFolder(staged.dir)
  const spool = new Spool({ dir: join(staged.dir, 'spool'), volume: Buffer.from(staged.id, 'hex'), store, packs, raiseEpoch: () => EPOCH, birth: 1 })
  try {
    const transplant = new Transplant(packs, spool, isMoving)
    const { inodes, bytes } = sealed
    const copied = { root: transplant.tree(sealed.root), history: transplant.tree(sealed.history), inodes, bytes }
    transplant.publish()
    return copied
  } finally {
    spool.close()
  }
}
