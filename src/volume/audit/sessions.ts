import { CairnError } from '../../errors.js'
import type { AuditEvent } from './event.js'

/** Sessions of one volume that may still change something; of more nothing is known. */
const MOST = 10_000

/** What is known of a session when it begins. */
export interface SessionStart extends Omit<AuditEvent, 'kind' | 'session'> {
  actor: string
}

/** A session whose end is told as well lasted so long. */
const LONG_MS = 1000

interface Known {
  start: SessionStart
  /** When the entry of its beginning was recorded. */
  recordedMs?: number
}

/**
 * Sessions that may change a volume. The chain hears of one when it changes something for the first time, and of its end when it lasted longer: who only
 * reads leaves no trace, and one command of a shell leaves one entry. What the disk does not take must not keep the change itself from being made.
 */
export class AuditSessions {
  readonly #append: (event: AuditEvent) => void
  readonly #newId: () => string
  readonly #nowMs: () => number
  readonly #forgetAuthor: () => void
  readonly #known = new Map<string, Known>()

  /** @param parts forgetAuthor: whoever changes something next is told of by `changes` */
  constructor(parts: { append: (event: AuditEvent) => void; newId: () => string; nowMs: () => number; forgetAuthor: () => void }) {
    this.#append = parts.append
    this.#newId = parts.newId
    this.#nowMs = parts.nowMs
    this.#forgetAuthor = parts.forgetAuthor
  }

  /** @returns its id */
  begin(start: SessionStart): string {
    const id = this.#newId()
    if (this.#known.size < MOST) this.#known.set(id, { start })
    this.#forgetAuthor()
    return id
  }

  /** An actor is about to change something; which of his sessions it is nobody knows. */
  changes(actor: string): void {
    for (const [session, known] of this.#known) {
      if (known.recordedMs !== undefined || known.start.actor !== actor) continue
      known.recordedMs = this.#nowMs()
      this.#try({ kind: 'open', session, ...known.start })
    }
  }

  end(session: string): void {
    const known = this.#known.get(session)
    this.#known.delete(session)
    if (known?.recordedMs === undefined) return
    const durationMs = Math.round(this.#nowMs() - known.recordedMs)
    if (durationMs >= LONG_MS) this.#try({ kind: 'close', session, actor: known.start.actor, durationMs })
  }

  #try(event: AuditEvent): void {
    try {
      this.#append(event)
    } catch (error) {
      if (!(error instanceof CairnError) && typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
    }
  }
}
