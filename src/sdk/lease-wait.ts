import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.js'
import { limits, systemClock } from '../sys/index.js'

export interface LeaseWait {
  /** How long to wait for another host that writes the volume; default 0: who it is is said at once. */
  waitMs?: number | undefined
  /** Called when it has to be waited for, once, with the error that says for whom. */
  onWait?: ((held: CairnError) => void) | undefined
}

/** Runs `work`, again and again while another host has the lease that it wants. @throws what it throws, ERR_LEASE_HELD when that takes longer */
export async function whileHeld<T>(work: () => Promise<T>, { waitMs = 0, onWait }: LeaseWait): Promise<T> {
  const until = systemClock.monotonic() + waitMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const left = until - systemClock.monotonic()
      if (!(error instanceof CairnError) || error.code !== 'ERR_LEASE_HELD' || left <= 0) throw error
      if (attempt === 1) onWait?.(error)
      await sleep(Math.min(left, limits.leaseAskMs))
    }
  }
}
