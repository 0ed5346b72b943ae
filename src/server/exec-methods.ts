import type { AuditEvent } from '../volume/audit/index.js'
import type { OpenVolumes } from './open-volumes.js'
import { changesOfRun, type RunChanges, recordEnd } from './runs.js'

/** What clients that run commands ask, by method name. */
export function execMethods(volumes: OpenVolumes) {
  return {
    /** As `endRun` of a run whose view is gone with the server before this one, which may have recorded it. */
    runEnded: (_: string, name: string, event: AuditEvent): RunChanges =>
      volumes.use(name, ({ volume }) => {
        const found = changesOfRun(volume, event.before, event.exec)
        let step = found.next()
        while (step.done !== true) step = found.next()
        const { changes, after } = step.value
        const told = { changes, ...(after === undefined ? {} : { after }) }
        recordEnd(volume, event, told, true)
        return told
      }),
  }
}
