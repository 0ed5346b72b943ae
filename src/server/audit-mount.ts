import { CairnError } from '../errors.js'
import type { AuditEvent } from '../volume/audit/index.js'
import type { Volume } from '../volume/volume.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

/** Tells the audit chain of something that is done whether or not the disk takes the entry. */
export function tellAudit(volume: Volume, event: AuditEvent): void {
  if (volume.isReader) return
  try {
    volume.audit.append(event)
  } catch (error) {
    if (!(error instanceof CairnError) && typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  }
}

/** Tells it of a mount through which something may be changed. */
export function auditMount(kind: 'mount' | 'unmount', { id, mountpoint, readOnly, actor, reason, sub }: MountRecord, { volume }: OpenVolume): void {
  if (readOnly) return
  const by = { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
  tellAudit(volume, { kind, session: `mount-${id}`, ...by, detail: { mountpoint, ...(sub === undefined ? {} : { sub }) } })
}
