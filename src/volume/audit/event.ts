import { AUDIT_SALT_BYTES } from '../../codec/index.js'
import { limits, type Random } from '../../sys/index.js'

/** What was decided before something ran, and by what. */
export interface AuditDecision {
  effect: 'allow' | 'checkpoint' | 'ask' | 'deny'
  rule?: string
  reason?: string
  /** Who answered, where a person was asked. */
  by?: string
}

/** How many paths changed, by kind. */
export type AuditCounts = Partial<Record<'created' | 'modified' | 'deleted' | 'renamed' | 'mode' | 'xattr', number>>

/**
 * What an entry of the audit chain says; all but its kind as far as it is known. Kinds that Cairn makes: `begin` (of a chain), `exec`, `race`, `open`, `close`, `mount`,
 * `unmount`, `checkpoint`, `restore`, `undo`, `merge`, `rename`, `delete`, `undelete`, `take-over`, `recover`, `prune`, `purge`, `policy`, `retention`, `quota`, `gap`. Strings are cut when they are too long together
 * (`limits.auditPayloadBytes`), which `cut` says. JSON-safe.
 */
export interface AuditEvent {
  kind: string
  actor?: string
  /** Why, in the words of who did it. */
  reason?: string
  /** Id of the run. */
  exec?: string
  /** Id of the session of an SDK, or of the mount. */
  session?: string
  argv?: string[]
  /** Instead of `argv`. */
  shell?: string
  cwd?: string
  decision?: AuditDecision
  /** Exit code; null when it did not end by itself. */
  exit?: number | null
  signal?: string
  timedOut?: boolean
  sandbox?: string
  durationMs?: number
  /** Ids of commits. */
  before?: string
  after?: string
  changes?: AuditCounts
  /** Some of what it touched, from the root. */
  paths?: string[]
  /** Of what it created or modified. */
  bytes?: number
  /** What only entries of this kind have. */
  detail?: Record<string, unknown>
  cut?: true
}

/** Lists that are cut keep so many members, strings so many characters. */
const KEPT_MEMBERS = 64
const KEPT_CHARACTERS = 512
const LEAST_CHARACTERS = 16

/** The payload of an entry: JSON with a salt, so that its hash does not tell a short one to whoever tries all. */
export function payloadOf(event: AuditEvent, random: Random): Buffer {
  const salt = random.bytes(AUDIT_SALT_BYTES).toString('hex')
  let bytes = Buffer.from(JSON.stringify({ salt, ...event }))
  for (let members = KEPT_MEMBERS, characters = KEPT_CHARACTERS; bytes.length > limits.auditPayloadBytes; members >>= 1, characters >>= 1) {
    const cut = cutAll(event, Math.max(1, members), Math.max(LEAST_CHARACTERS, characters)) as AuditEvent
    bytes = Buffer.from(JSON.stringify({ salt, ...cut, ...(members === 0 ? { detail: undefined } : {}), cut: true }))
    if (members === 0) break
  }
  return bytes
}

function cutAll(value: unknown, members: number, characters: number): unknown {
  if (typeof value === 'string') return value.length > characters ? `${value.slice(0, characters)}…` : value
  if (Array.isArray(value)) return value.slice(0, members).map(one => cutAll(one, members, characters))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cutAll(one, members, characters)]))
}

/** Undefined for what is no event. */
export function eventIn(payload: Uint8Array): AuditEvent | undefined {
  try {
    const { salt: _salt, ...event } = JSON.parse(Buffer.from(payload).toString('utf8')) as AuditEvent & { salt?: string }
    return typeof event.kind === 'string' ? event : undefined
  } catch {
    return undefined
  }
}
