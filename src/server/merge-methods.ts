import { CairnError } from '../errors.js'

import { aheadOfMerge, aheadOfUndo } from '../history/ahead.js'
import { abortMerge, continueMerge, type MergeOptions, type MergeResult, mergeFork, prepareMerge, rebaseFork } from '../history/merge/merge.js'
import { waitingMerge } from '../history/merge/merge-state.js'
import { prepareUndo, type UndoOptions, type UndoResult, undo } from '../history/merge/undo.js'
import { limits } from '../sys/index.js'
import type { Volume } from '../volume/volume.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { FarChange } from './when-near.js'

/** Which volume a merge goes into, and whether it begins, goes on or is given up. */
export interface MergeCall extends MergeOptions {
  /** Default: the volume that the fork comes from. */
  into?: string
  step?: 'continue' | 'abort'
}

/** Runs `work` when all that a volume acknowledged is sealed. */
type Flushed = <T>(name: string, work: (flushed: { bytes: number }, open: OpenVolume) => T) => T | Promise<T>

/** Makes a change of a volume, waiting as little as may be. */
export type Change = <P, T>(open: OpenVolume, change: FarChange<P, T>) => T | Promise<T>

/** Merge, rebase and undo by the names of volumes. */
export function mergeMethods(volumes: OpenVolumes, flushed: Flushed, change: Change) {
  const use = <T>(name: string, work: (volume: Volume) => T): T => volumes.use(name, ({ volume }) => work(volume))
  const during = <T>(open: OpenVolume, work: (open: OpenVolume) => T | Promise<T>): T | Promise<T> => volumes.during([open], () => work(open))
  /** The other side: as its writer, or as a reader of what another host has published. */
  const acquireOther = (name: string): OpenVolume => {
    try {
      return volumes.acquire(name)
    } catch (error) {
      if (!(error instanceof CairnError) || !['ERR_LEASE_HELD', 'ERR_VOLUME_READ_ONLY'].includes(error.code)) throw error
    }
    const open = volumes.acquire(name, false, { readOnly: true })
    try {
      volumes.engine.refresh(open.volume)
      return open
    } catch (error) {
      volumes.release(open)
      throw error
    }
  }
  const useOther = <T>(name: string, work: (open: OpenVolume) => T | Promise<T>, attempt = 0): T | Promise<T> => {
    const open = acquireOther(name)
    const again = (error: unknown): T | Promise<T> => {
      // Its writer has published meanwhile.
      const isLate = open.volume.isReader && error instanceof CairnError && error.code === 'ERR_FENCED'
      if (!isLate || attempt >= limits.casAttempts) throw error
      return useOther(name, work, attempt + 1)
    }
    try {
      const result = during(open, work)
      return result instanceof Promise ? result.catch(again) : result
    } catch (error) {
      return again(error)
    }
  }
  /** What is only tried takes no lease. */
  const acquireRead = (name: string): OpenVolume => volumes.acquire(name, false, { readOnly: true })

  /** Content that is brought over must be in the store: what is not is written in slices before the rest is done at once. A dry run brings none. */
  const both = (other: string, name: string, options: MergeCall, work: (other: Volume, volume: Volume) => MergeResult): MergeResult | Promise<MergeResult> => {
    const near = (fork: OpenVolume) => (into: OpenVolume) => changed(fork, into, options, work)
    if (options.dryRun === true) return during(acquireRead(other), fork => during(acquireRead(name), near(fork)))
    const isRead = useOther(other, ({ volume }) => volume.isReader)
    // Of what another host writes nothing waits here.
    if (isRead === true) return useOther(other, fork => during(volumes.acquire(name), near(fork)))
    return flushed(other, (_bytes, fork) => during(volumes.acquire(name), near(fork))) as MergeResult | Promise<MergeResult>
  }

  const changed = (fork: OpenVolume, into: OpenVolume, options: MergeCall, work: (other: Volume, volume: Volume) => MergeResult) =>
    change(into, {
      prepare: () => prepareMerge(into.volume, fork.volume, options),
      ahead: () => aheadOfMerge(into.volume, fork.volume),
      change: () => work(fork.volume, into.volume),
    })

  const merged = (fork: string, name: string, options: MergeCall): MergeResult | Promise<MergeResult> => {
    const merge = (other: Volume, volume: Volume): MergeResult => mergeFork(volume, other, options)
    if (options.dryRun === true) return both(fork, name, options, merge)
    return useOther(fork, other =>
      other.volume.hasOwnContent || other.volume.hasMuchToSeal
        ? both(fork, name, options, merge)
        : during(volumes.acquire(name), into => changed(other, into, options, merge)),
    )
  }

  const step = (name: string, options: MergeCall): MergeResult => use(name, volume => (options.step === 'abort' ? abortMerge : continueMerge)(volume, options))

  return {
    merge: (_: string, fork: string, options: MergeCall = {}): MergeResult | Promise<MergeResult> => {
      if (options.step !== undefined) {
        const place = options.into ?? waitingPlace(volumes, fork)
        checkSameMerge(volumes, place, fork)
        return step(place, options)
      }
      return merged(fork, options.into ?? parentOf(volumes, fork), options)
    },
    rebase: (_: string, fork: string, options: MergeCall = {}): MergeResult | Promise<MergeResult> => {
      if (options.step !== undefined) return step(fork, options)
      return both(parentOf(volumes, fork, 'rebase'), fork, options, (parent, volume) => rebaseFork(volume, parent, options))
    },
    undo: (_: string, name: string, options: UndoOptions = {}): UndoResult | Promise<UndoResult> =>
      during(options.dryRun === true ? acquireRead(name) : volumes.acquire(name), open =>
        change(open, {
          prepare: () => prepareUndo(open.volume, options),
          ahead: () => aheadOfUndo(open.volume, options),
          change: () => undo(open.volume, options),
        }),
      ),
  }
}

/** The volume that a fork comes from, by its name now. @throws CairnError ERR_NO_PARENT */
function parentOf(volumes: OpenVolumes, fork: string, operation: 'merge' | 'rebase' = 'merge'): string {
  const { parent } = volumes.engine.info(fork)
  const instead =
    operation === 'merge' ? 'Say with --into which volume it is to be merged into.' : 'Only a fork can be rebased; `cairn volumes --tree` shows them.'
  if (parent === undefined) throw new CairnError('ERR_NO_PARENT', `${fork} is no fork.`, instead)
  const found = volumes.engine.volumeById(parent.id)
  if (found !== undefined) return found.name
  throw new CairnError(
    'ERR_NO_PARENT',
    `The volume ${parent.volume}, which ${fork} comes from, is not there any more.`,
    operation === 'merge' ? 'Bring it back with `cairn undelete`, or say with --into which volume is meant.' : 'Bring it back with `cairn undelete`.',
  )
}

/** Where a merge with this fork waits: in its parent, or in the volume that was named itself. */
function waitingPlace(volumes: OpenVolumes, name: string): string {
  const waits = volumes.use(name, ({ volume }) => waitingMerge(volume.state.history, volume.info.id) !== undefined)
  return waits ? name : parentOf(volumes, name)
}

/** `--abort` and `--continue` of one fork must not end the merge of another: what was resolved there would be gone. @throws CairnError ERR_MERGE_WAITING */
function checkSameMerge(volumes: OpenVolumes, place: string, fork: string): void {
  const waiting = volumes.use(place, ({ volume }) => waitingMerge(volume.state.history, volume.info.id))
  if (waiting === undefined || fork === place || fork === waiting.other) return
  // A fork that was renamed meanwhile is meant by its new name.
  if (!volumes.engine.volumes().some(volume => volume.name === waiting.other)) return
  throw new CairnError(
    'ERR_MERGE_WAITING',
    `The merge that waits in ${place} is with ${waiting.other}, not with ${fork}.`,
    `\`cairn merge ${waiting.other} --into ${place}\` with --continue or --abort ends it.`,
  )
}
