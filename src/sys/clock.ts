/** Time comes from here only, so that a simulation can replay it. */
export interface Clock {
  /** Milliseconds since the epoch, with a fraction where the platform has one. */
  now(): number
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
}
