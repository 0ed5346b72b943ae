import { type ChangesBy, changesBy } from '../history/diff/changes-by.js'
import type { Change } from '../volume/api.js'
import { changedIn } from '../volume/audit/changed.js'
import { type AuditEvent, readAudit } from '../volume/audit/index.js'
import type { Slices } from '../volume/near-reads.js'
import type { Volume } from '../volume/volume.js'

/** What a run changed, and the last commit of it. */
export interface RunChanges {
  changes: Change[]
  after?: string
  /** Something that it wrote was refused for a quota. */
  quotaReached?: true
}

/** What commits after `since` say that a run changed. Yields now and then. */
export function changesOfRun(volume: Volume, since: string | undefined, exec: string | undefined): Slices<undefined, ChangesBy> {
  volume.commitChanges()
  return changesBy(volume, since, commit => exec !== undefined && commit.exec === exec)
}

/**
 * Records the end of a run in the audit chain.
 * @param event what is known without what it changed
 * @param again a server before this one may have recorded it
 * @throws CairnError of a full disk: nothing is recorded then
 */
export function recordEnd(volume: Volume, event: AuditEvent, { changes, after }: RunChanges, again: boolean): void {
  if (again && isRecorded(volume, event.exec)) return
  volume.audit.append({ ...event, ...changedIn(changes), ...(after === undefined ? {} : { after }) })
}

function isRecorded(volume: Volume, exec: string | undefined): boolean {
  return exec !== undefined && readAudit(volume.state.history, { exec, limit: 1 }).entries.some(({ exit }) => exit !== undefined && exit !== null)
}
