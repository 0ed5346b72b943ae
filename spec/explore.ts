/**
 * Exhaustive breadth-first exploration of a model: every state that any order of steps can reach, each visited once.
 * The first violation found is therefore one that needs the fewest steps.
 */
export interface Model<S> {
  readonly initial: S
  /** Calls `emit` for every step that is possible in `state`, in an order that depends on the state only. */
  steps(state: S, emit: (step: string, next: S) => void): void
  /** Writes all that distinguishes the state; returns the number of bytes. */
  encode(state: S, into: Uint8Array): number
  /** What is wrong with a state. */
  violation(state: S): string | undefined
  /** What is wrong with a state that no step leaves. */
  stuck(state: S): string | undefined
}

export interface Exploration {
  states: number
  transitions: number
  /** Length of the longest shortest path. */
  depth: number
  /** False when the budget of states ended the search: then nothing is proved. */
  complete: boolean
  violation?: string
  /** The shortest way to the violation. */
  trace: string[]
}

const largestState = 1024

/** @param maxStates ends the search there; the result then says `complete: false` */
export function explore<S>(model: Model<S>, maxStates: number): Exploration {
  const seen = new StateSet()
  const buffer = new Uint8Array(largestState)
  const cameFrom: number[] = [-1]
  const byStep: number[] = [-1]
  let level: Array<{ state: S; id: number }> = [{ state: model.initial, id: 0 }]
  let transitions = 0
  let depth = 0
  const result = (complete: boolean, violation?: string, at = 0): Exploration => ({
    states: cameFrom.length,
    transitions,
    depth,
    complete,
    violation,
    trace: violation === undefined ? [] : traceTo(model, at, cameFrom, byStep),
  })

  seen.add(buffer, model.encode(model.initial, buffer))
  const wrongAtStart = model.violation(model.initial)
  if (wrongAtStart !== undefined) return result(true, wrongAtStart)

  while (level.length > 0) {
    const next: typeof level = []
    for (const { state, id } of level) {
      let ordinal = 0
      let found: string | undefined
      model.steps(state, (_, to) => {
        const step = ordinal++
        transitions++
        if (found !== undefined || !seen.add(buffer, model.encode(to, buffer))) return
        cameFrom.push(id)
        byStep.push(step)
        next.push({ state: to, id: cameFrom.length - 1 })
        found = model.violation(to)
      })
      if (found !== undefined) return result(true, found, cameFrom.length - 1)
      const stuck = ordinal === 0 ? model.stuck(state) : undefined
      if (stuck !== undefined) return result(true, stuck, id)
      if (cameFrom.length > maxStates) return result(false)
    }
    if (next.length > 0) depth++
    level = next
  }
  return result(true)
}

/** The steps are run again from the start, so that no state needs to be kept. */
function traceTo<S>(model: Model<S>, id: number, cameFrom: readonly number[], byStep: readonly number[]): string[] {
  const ordinals: number[] = []
  for (let at = id; cameFrom[at] >= 0; at = cameFrom[at]) ordinals.unshift(byStep[at])
  const trace: string[] = []
  let state = model.initial
  for (const wanted of ordinals) {
    const options: Array<{ step: string; next: S }> = []
    model.steps(state, (step, next) => options.push({ step, next }))
    trace.push(options[wanted].step)
    state = options[wanted].next
  }
  return trace
}

/**
 * States by a 64-bit hash alone (hash compaction, Wolper and Leroy 1993): with 5 million states the chance that two share
 * one, and one of them is missed, is below one in a million.
 */
class StateSet {
  #table = new Uint32Array(2 << 16)
  #size = 0

  /** False when it was there. */
  add(bytes: Uint8Array, length: number): boolean {
    if (length > largestState) throw new Error('the state does not fit the buffer: raise largestState')
    let a = 0x811c9dc5
    let b = 0x9e3779b9
    for (let i = 0; i < length; i++) {
      a = Math.imul(a ^ bytes[i], 0x01000193)
      b = Math.imul(b ^ bytes[i], 0x85ebca6b)
      b ^= b >>> 13
    }
    a = mix(a ^ length)
    b = mix(b + a)
    // Zero marks a free place.
    return this.#insert(a >>> 0 || 1, b >>> 0)
  }

  #insert(a: number, b: number): boolean {
    if (this.#size * 4 > this.#table.length) this.#grow()
    const mask = this.#table.length / 2 - 1
    let at = b & mask
    while (this.#table[at * 2] !== 0) {
      if (this.#table[at * 2] === a && this.#table[at * 2 + 1] === b) return false
      at = (at + 1) & mask
    }
    this.#table[at * 2] = a
    this.#table[at * 2 + 1] = b
    this.#size++
    return true
  }

  #grow(): void {
    const old = this.#table
    this.#table = new Uint32Array(old.length * 2)
    this.#size = 0
    for (let i = 0; i < old.length; i += 2) if (old[i] !== 0) this.#insert(old[i], old[i + 1])
  }
}

/** The finaliser of MurmurHash3. */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
