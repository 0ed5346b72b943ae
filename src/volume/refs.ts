const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `2026-11-20`, `2026-11-20T10:00`, `2026-11-20T10:00:30Z`, `-2h`: milliseconds since the epoch; undefined when it is none. */
export function parseTime(ref: string, nowMs: number): number | undefined {
  const ago = /^-(\d{1,9})([smhdw])$/.exec(ref)
  if (ago !== null) return nowMs - Number(ago[1]) * (units[ago[2]] ?? 0)
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(ref)) return undefined
  // A day alone begins where the user is, as the times of that day do.
  const time = Date.parse(ref.length === 10 ? `${ref}T00:00` : ref)
  return Number.isNaN(time) ? undefined : time
}

/**
 * `01m7z14ncq`: begins as the ids of commits do, and is long enough to be one cut short. A checkpoint of that name would be found in
 * place of the commit.
 */
export function looksLikeCommitId(name: string): boolean {
  return /^0[0-9][0-9a-hjkmnp-tv-z]{4,24}$/i.test(name) && /[a-z]/i.test(name)
}

/** Names that a ref of another kind could have; checkpoints may not take them. */
export function looksLikeOtherRef(name: string): boolean {
  return name.startsWith('~') || name.startsWith('-') || /^[0-9a-hjkmnp-tv-z]{26}$/i.test(name) || looksLikeCommitId(name) || parseTime(name, 0) !== undefined
}
