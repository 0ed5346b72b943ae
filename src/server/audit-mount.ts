import { CairnError } from '../errors.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

/** Tells the audit chain of a mount through which something may be changed. A disk that takes nothing keeps nobody from mounting or unmounting. */
export function auditMount(kind: 'mount' | 'unmount', { id, mountpoint, readOnly, actor, reason, sub }: MountRecord, { volume }: OpenVolume): void {
  if (readOnly || volume.isReader) return
  const by = { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
  try {
    volume.audit.append({ kind, session: `mount-${id}`, ...by, detail: { mountpoint, ...(sub === undefined ? {} : { sub }) } })
  } catch (error) {
    if (!(error instanceof CairnError) && typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  }
}
