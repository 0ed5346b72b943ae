import type { Quota } from '../volume/quota.js'
import type { Volume } from '../volume/volume.js'
import { as } from './as-actor.js'
import type { OpenVolumes } from './open-volumes.js'

/** What a volume holds now, and what it may hold. */
export interface QuotaReport {
  bytes: { used: number; limit?: number }
  files: { used: number; limit?: number }
  /** Of one file. */
  fileSize?: number
  /** What versions may hold; what they do is counted by `beginHistoryUse`. */
  historyLimit?: number
}

/** What clients ask about quotas, by method name. */
export function quotaMethods(volumes: OpenVolumes) {
  return {
    quota: (_: string, name: string) => volumes.read(name, ({ volume }) => reportOf(volume)),
    setQuota: (_: string, name: string, quota: Quota, options?: { actor?: string }) =>
      volumes.use(name, ({ volume }) => {
        as(options?.actor, volume, () => volume.setQuota(quota))
        return reportOf(volume)
      }),
  }
}

function reportOf({ quota, session }: Volume): QuotaReport {
  const { bytes, files, fileSize, history } = quota
  const { usage } = session
  return {
    bytes: { used: usage.bytes, ...(bytes === undefined ? {} : { limit: bytes }) },
    files: { used: usage.inodes, ...(files === undefined ? {} : { limit: files }) },
    ...(fileSize === undefined ? {} : { fileSize }),
    ...(history === undefined ? {} : { historyLimit: history }),
  }
}
