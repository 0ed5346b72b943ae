import { rootedNames } from '../volume/paths.js'
import type { Session } from '../volume/session.js'
import type { PruneReport } from '../volume/versions/pruner.js'
import type { Retention } from '../volume/versions/settings.js'
import type { PruneOptions } from '../volume/versions/versions.js'
import type { Volume } from '../volume/volume.js'
import { as } from './as-actor.js'
import type { OpenVolumes } from './open-volumes.js'

/** A version of a file: a path from the root, UTF-8, and a number as `versions` gives it; without one the newest that is not current. */
export interface VersionPlace {
  path: string
  number?: number
}

/** The file of a version, in a volume of its own. @throws CairnError ERR_VERSION_UNKNOWN */
export function openVersion(volume: Volume, { path, number }: VersionPlace): Session {
  return volume.versions.open(pathBytes(path), number).session
}

/** One char per byte, as the volume wants it. */
function pathBytes(path: string): string {
  return Buffer.from(`/${rootedNames(path).join('/')}`, 'utf8').toString('latin1')
}

/** What clients ask about versions of files, by method name. @param inSlices somebody pumps the engine: long work goes on between requests */
export function versionMethods(volumes: OpenVolumes, inSlices: boolean) {
  return {
    versions: (_: string, name: string, path: string) => volumes.read(name, ({ volume }) => volume.versions.list(pathBytes(path))),
    retention: (_: string, name: string) => volumes.read(name, ({ volume }) => volume.versions.retention),
    setRetention: (_: string, name: string, retention: Retention, options?: { actor?: string }) =>
      volumes.use(name, ({ volume }) => as(options?.actor, volume, () => volume.versions.setRetention(retention))),
    prune: (_: string, name: string, options?: PruneOptions): PruneReport | Promise<PruneReport> => {
      const readOnly = options?.dryRun === true
      if (!inSlices) return volumes.use(name, ({ volume }) => volume.versions.prune(options), { readOnly })
      const open = volumes.acquire(name, false, { readOnly })
      if (open.volume.isReader) {
        try {
          return open.volume.versions.prune(options)
        } finally {
          volumes.release(open)
        }
      }
      return open.volume.versions.pruneSoon(options).finally(() => volumes.release(open))
    },
  }
}
