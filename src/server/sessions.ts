import { CairnError } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import type { ContentsRead } from '../history/contents/contents-read.js'
import type { TreeWalk } from '../history/contents/tree-walk.js'
import type { DiffRead } from '../history/diff/diff-read.js'
import type { BlameRead } from '../history/log/blame-read.js'
import type { LogRead } from '../history/log/log-read.js'
import type { LocalBackend } from '../node/backend.js'
import { limits, systemClock } from '../sys/index.js'
import type { TransactionSession } from '../volume/api.js'
import type { Session } from '../volume/session.js'
import type { ChangeLog } from './changes.js'
import type { OpenVolume } from './open-volumes.js'

/** What a client has open: a volume live, as it was at a ref, or inside a transaction. Its handles are closed with it. */
export interface Target {
  readonly open: OpenVolume
  /** The live FileSystem of the volume, or one over a ref or a transaction. */
  readonly fs: FileSystemApi
  readonly backend: LocalBackend
  readonly transaction?: TransactionSession
  /** Who changes through it. */
  readonly actor?: string
  /** What the audit chain calls it, when it may change something. */
  readonly auditSession?: string
  /** Long work that is done step by step, at its client's pace. */
  readonly steps?: Iterator<unknown, unknown>
  /** What a transaction changed, told to the kernel when it is committed. */
  readonly changes?: ChangeLog
  /** A diff that the client reads, and the other volume of it. */
  readonly diff?: DiffRead
  readonly second?: OpenVolume
  readonly log?: LogRead
  readonly blame?: BlameRead
  readonly contents?: ContentsRead
  /** A state of the past that it is of. */
  readonly past?: Session
  readonly walk?: TreeWalk
}

/** The clients of a server and what each holds. A client that dies takes its handles and transactions with it. */
export class Sessions {
  readonly #targets = new Map<string, Map<number, Target>>()
  readonly #onEnd: (target: Target) => void
  readonly #underWay = new Map<string, number>()
  /** Clients that have gone and have work under way. */
  readonly #gone = new Set<string>()
  /** Never the number of anything that another server of this home had open: its clients may still name that. */
  #next = Math.floor(systemClock.now()) * 1024

  constructor(onEnd: (target: Target) => void) {
    this.#onEnd = onEnd
  }

  /** Work for a client that goes on after this turn: what it adds when the client has gone ends at once. */
  during<T>(session: string, work: Promise<T>): Promise<T> {
    this.#underWay.set(session, (this.#underWay.get(session) ?? 0) + 1)
    return work.finally(() => {
      const left = (this.#underWay.get(session) ?? 1) - 1
      if (left > 0) this.#underWay.set(session, left)
      else {
        this.#underWay.delete(session)
        this.#gone.delete(session)
      }
    })
  }

  get size(): number {
    return this.#targets.size
  }

  /** It can have one more target. @throws CairnError ERR_TOO_MANY_OPEN, ERR_VOLUME_CLOSED */
  check(session: string): void {
    if (this.#gone.has(session)) throw closed()
    if ((this.#targets.get(session)?.size ?? 0) < limits.sessionTargets) return
    throw new CairnError('ERR_TOO_MANY_OPEN', `This program has ${limits.sessionTargets} volumes and transactions open.`, 'Close some of them.')
  }

  /** @throws as `check`: what the target holds is still its maker's then */
  add(session: string, target: Target): number {
    this.check(session)
    const targets = this.#targets.get(session) ?? new Map<number, Target>()
    this.#targets.set(session, targets)
    const id = this.#next++
    targets.set(id, target)
    return id
  }

  get(session: string, id: number): Target {
    const target = this.#targets.get(session)?.get(id)
    if (target === undefined) throw closed()
    return target
  }

  remove(session: string, id: number): void {
    const target = this.#targets.get(session)?.get(id)
    if (target === undefined) return
    this.#targets.get(session)?.delete(id)
    this.#onEnd(target)
  }

  /** The client went away. */
  end(session: string): void {
    for (const id of [...(this.#targets.get(session)?.keys() ?? [])].reverse()) this.remove(session, id)
    this.#targets.delete(session)
    if (this.#underWay.has(session)) this.#gone.add(session)
  }
}

function closed(): CairnError {
  return new CairnError('ERR_VOLUME_CLOSED', 'The volume was closed, or the server that had it open was started again.', 'Open it again.', {
    retry: 'reopen',
  })
}
