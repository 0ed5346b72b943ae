import type { CommitRecord } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import { refusedByDisk } from '../../volume/collector.js'
import { commitItem } from '../../volume/first-commit.js'
import type { HistoryItem } from '../../volume/incarnations.js'
import { readSetting, settingRecord } from '../../volume/versions/settings.js'
import type { Volume } from '../../volume/volume.js'
import { windowItem } from '../../volume/windows.js'

/** A state that another host had published, which was no commit when this volume took it in: one that only this volume knows. */
export interface Met {
  id: string
  commit: CommitRecord
}

/** Setting in the history of a volume: the last such commit of another one, and the moment before it. */
interface MetSetting {
  id: string
  fromMs: number
  toMs: number
}

function settingOf(other: Volume): string {
  return `met/${other.info.id}`
}

function lastMet(volume: Volume, other: Volume): MetSetting | undefined {
  return readSetting(volume.state.history, settingOf(other)) as MetSetting | undefined
}

/**
 * Commits that stand for states of `of` which it has published, although its own history does not have them: what `volume` was forked of through a reader, or
 * took from one. Whatever `of` is now came of them.
 * @throws CairnError ERR_FENCED when `of` is that of a writer whom another one has overtaken, so that this is not known
 */
export function metOf(volume: Volume, of: Volume): string[] {
  const { parent } = volume.head.value
  const forkedAt = parent !== undefined && parent.id === of.info.id ? [parent.commit] : []
  const ids = [...forkedAt, ...[lastMet(volume, of)?.id ?? '']].filter(id => id !== '' && of.history.get(id) === undefined)
  const known = ids.filter(id => volume.history.get(id) !== undefined)
  if (known.length > 0 && !of.isReader && of.context.store.isStillOurs !== undefined && !of.head.isCurrent)
    throw new CairnError('ERR_FENCED', `The volume ${of.info.name} was changed by another writer.`, 'Open it again.', { retry: 'reopen' })
  return known
}

/** The commit of what a reader shows: its own, or one that `volume` has of the same state; undefined where there is none. */
export function knownCommit(volume: Volume, reader: Volume): string | undefined {
  const { root } = reader.head.value
  const newest = reader.history.newest()
  if (newest !== undefined && newest.root === root) return newest.id
  const { parent } = volume.head.value
  const ids = [lastMet(volume, reader)?.id, parent?.id === reader.info.id ? parent.commit : undefined]
  return ids.find(id => id !== undefined && id !== '' && volume.history.get(id)?.root === root)
}

/** A commit of what a reader shows, for a volume that takes it in; by the clock of that one. */
export function newMet(volume: Volume, reader: Volume): Met {
  const { root, inodes, bytes } = reader.head.value
  const newest = reader.history.newest()
  const parents = newest === undefined ? [] : [newest.id]
  return volume.history.unrecorded({ kind: 'auto', root, inodes, bytes, nextIno: reader.state.nextIno, parents }, volume.session.nowS * 1000)
}

/**
 * Records it where nobody meets it but who looks for what both volumes come from: it is in no list, and goes when the next one of that volume comes.
 * What it names must be pinned.
 */
export function recordMet(volume: Volume, reader: Volume, { id, commit }: Met): void {
  const { session, history } = volume
  const before = lastMet(volume, reader)
  const window = { fromMs: commit.timeMs - 1, toMs: commit.timeMs }
  const items: HistoryItem[] = [commitItem(id, commit), windowItem(window), settingRecord(settingOf(reader), { id, ...window })]
  if (before !== undefined) items.push({ key: commitItem(before.id, commit).key }, { key: windowItem(before).key })
  session.look()
  for (const { key, value } of items) {
    if (value === undefined) session.historyDel(key, key.length)
    else session.historyPut(key, key.length, value, value.length)
  }
  const result = session.commit()
  if (result !== 0) throw refusedByDisk('The merge could not be recorded', result)
  history.wentOn()
}
