import { CairnError } from '../errors.js'
import type { VolumeInfo } from '../volume/api.js'
import type { AuditEvent } from '../volume/audit/index.js'
import type { TakeOptions } from '../volume/lease.js'
import { tellAudit } from './audit-mount.js'
import type { OpenVolumes } from './open-volumes.js'

/** Who does something to a volume as a whole, for its audit chain. */
export interface By {
  actor?: string
  reason?: string
}

interface Removal extends By {
  now?: boolean
  /** It was only for a run, whose own entry says what became of it. */
  isScratch?: boolean
}

/** What becomes of volumes as a whole, by method name; the chain of each tells of it. @param close closes a volume that nobody uses */
export function lifeMethods(volumes: OpenVolumes, close: (name: string, isGoing?: boolean) => void) {
  const { engine } = volumes
  /** What is done already stays done where it cannot be told: another host writes the volume, or it is damaged. */
  const told = (name: string, event: AuditEvent): void => {
    try {
      volumes.use(name, ({ volume }) => tellAudit(volume, event))
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
    }
  }
  return {
    rename: (_: string, from: string, to: string, by: By = {}): VolumeInfo => {
      const info = engine.rename(from, to)
      if (from !== to) told(to, { kind: 'rename', ...by, detail: { from, to } })
      return info
    },
    remove: (_: string, name: string, { now = false, isScratch = false, ...by }: Removal = {}): void => {
      close(name, now)
      // Of what is gone at once the chain is gone as well.
      if (!now && !isScratch && volumes.get(engine.info(name).id) === undefined) {
        told(name, { kind: 'delete', ...by, detail: { name } })
        close(name)
      }
      engine.remove(name, { now })
    },
    undelete: (_: string, name: string, by: By = {}): VolumeInfo => {
      const info = engine.undelete(name)
      told(info.name, { kind: 'undelete', ...by, detail: { name: info.name } })
      return info
    },
    recover: (_: string, name: string, by: By = {}): VolumeInfo[] => {
      close(name)
      const made = engine.recover(name)
      for (const info of made) told(info.name, { kind: 'recover', ...by, detail: { name: info.name, of: name } })
      return made
    },
    takeLease: (_: string, name: string, options: TakeOptions): void => volumes.release(volumes.acquire(name, false, options)),
  }
}
