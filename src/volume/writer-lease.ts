import type { Head } from '../codec/head.js'
import type { CairnError } from '../errors.js'
import type { HeadFile } from './head.js'
import type { TakeOptions } from './lease.js'
import type { LogWriter } from './log/log-writer.js'

/** The right to write a volume that others can reach too: across hosts (`Lease`), or across the processes of one (`FileLease`). */
export interface WriterLease {
  /** All that is sealed is where others see it. */
  readonly isPublished: boolean
  lastPublishMs: number | undefined
  /** Who had the volume until it was taken, and had not let go of it. */
  readonly tookFrom?: string | undefined
  /** Why nothing is published any more: somebody else has taken the volume. */
  lost: CairnError | undefined
  /** The lease of whoever that is, as it was when it was noticed. */
  lostTo: Head['lease']
  /** Why the last publication failed. */
  failed: Error | undefined
  /** @throws CairnError ERR_LEASE_HELD, ERR_STORE_UNREACHABLE, ERR_VOLUME_UNKNOWN */
  take(options?: TakeOptions): void
  /** Sets aside what this host had not published, if another one has taken the volume over since. */
  look(): void
  /** Background work. Returns in how many milliseconds it wants to be called again. */
  pump(head: HeadFile): number
  publishWithin(timeoutMs: number, done: (error: Error | undefined) => void): void
  publishSync(): void
  /** The log of the volume that is opened with this lease, where durable commits go there. */
  newLog?(): LogWriter
  /** Lets go of the volume, which is sealed and closed. @throws why it could not be published */
  release(head: HeadFile): void
}
