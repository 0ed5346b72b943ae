import type { Answer, Operation } from './exchange.js'

/**
 * `delay` answers late; `conflict` 409, `refusal` 412, `error` 500 and `throttle` 503 are answered without applying anything; `error-applied` applies,
 * then answers 500; `lost` closes the connection before, `lost-applied` after applying; `short` sends half of the body and closes;
 * `flip` changes a byte of the body; `forbidden` answers 403; `hang` never answers.
 */
export type FaultKind =
  | 'delay'
  | 'conflict'
  | 'refusal'
  | 'error'
  | 'error-applied'
  | 'lost'
  | 'lost-applied'
  | 'short'
  | 'flip'
  | 'throttle'
  | 'forbidden'
  | 'hang'

export interface Fault {
  kind: FaultKind
  /** Operations that it strikes, such as `PutObject`; all where missing. */
  operation?: string | readonly string[]
  /** Keys that it strikes. */
  key?: string | RegExp
  /** How often it strikes; once where missing. */
  times?: number
  /** Requests that pass before it strikes. */
  after?: number
  /** Part of the requests that it strikes, from 0 to 1, by `random`. */
  rate?: number
  random?: () => number
  /** For `delay`. */
  delayMs?: number
}

const BEFORE: Partial<Record<FaultKind, number>> = { conflict: 409, refusal: 412, error: 500, throttle: 503, forbidden: 403 }

/** The faults that a server has been told of. */
export class Faults {
  #armed: Array<Fault & { left: number; skip: number }> = []
  /** How often each kind struck. */
  readonly struck = new Map<FaultKind, number>()

  add(fault: Fault): void {
    this.#armed.push({ ...fault, left: fault.times ?? (fault.rate === undefined ? 1 : Number.POSITIVE_INFINITY), skip: fault.after ?? 0 })
  }

  clear(): void {
    this.#armed = []
  }

  /** The fault that strikes this operation, if any. */
  take(operation: Operation): Fault | undefined {
    for (const fault of this.#armed) {
      if (fault.left <= 0 || !concerns(fault, operation)) continue
      if (fault.rate !== undefined && (fault.random ?? Math.random)() >= fault.rate) continue
      if (fault.skip-- > 0) continue
      fault.left--
      this.struck.set(fault.kind, (this.struck.get(fault.kind) ?? 0) + 1)
      return fault
    }
    return undefined
  }
}

function concerns(fault: Fault, { name, key }: Operation): boolean {
  if (fault.operation !== undefined && !(Array.isArray(fault.operation) ? fault.operation.includes(name) : fault.operation === name)) return false
  return fault.key === undefined || (typeof fault.key === 'string' ? fault.key === key : fault.key.test(key))
}

/** The status that a fault answers in place of the operation; undefined when the operation is applied. */
export function statusInstead(fault: Fault | undefined): number | undefined {
  return fault && BEFORE[fault.kind]
}

/** The answer with one byte of its body changed. */
export function flipped(plain: Answer): Answer {
  if (plain.body.length === 0) return plain
  const body = Buffer.from(plain.body)
  body[body.length >> 1] ^= 0x20
  return { ...plain, body }
}
