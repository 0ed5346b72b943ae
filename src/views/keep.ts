import type { LiveSession } from '../volume/live-session.js'

/** Commits the record of something that the kernel holds. Of a volume that is only read none is kept: after a restart of the server the kernel asks by name again. */
export function keep(session: LiveSession): number {
  if (!session.readOnly) return session.commit()
  session.discard()
  return 0
}
