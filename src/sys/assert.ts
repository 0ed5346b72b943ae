/** Our own invariants, checked in production too. A caller's mistake is not one: it gets a POSIX code or a CairnError. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}
