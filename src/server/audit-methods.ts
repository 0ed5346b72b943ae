import { type AuditEvent, type AuditFilter, type AuditState, type AuditTip, readAudit } from '../volume/audit/index.js'
import type { OpenVolumes } from './open-volumes.js'

/** What clients ask of the audit chain, by method name. */
export function auditMethods(volumes: OpenVolumes) {
  return {
    auditAppend: (_: string, name: string, ...events: AuditEvent[]): AuditTip => volumes.use(name, ({ volume }) => volume.audit.append(...events)),
    /** Whether what is done next can be recorded: it is not, where another host writes the volume, and then it is not begun either. */
    auditReady: (_: string, name: string): void => volumes.use(name, () => undefined),
    auditRead: (_: string, name: string, filter?: AuditFilter) => volumes.read(name, ({ volume }) => readAudit(volume.state.history, filter)),
    auditState: (_: string, name: string): AuditState | undefined => volumes.read(name, ({ volume }) => volume.audit.state),
  }
}
