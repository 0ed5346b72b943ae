import { setTimeout as sleep } from 'node:timers/promises'
import type { CairnError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import type { ExecHost } from './exec.js'

const AGAIN_MS = 10
const IN_USE: readonly string[] = ['ERR_VOLUME_IN_USE', 'ERR_VOLUME_BUSY', 'ERR_VOLUME_MOUNTED']

/** Deletes a fork that nobody works in any more; the server may still be sealing what was written there. */
export async function dropFork(host: ExecHost, name: string, options: { now: boolean }): Promise<void> {
  const until = systemClock.monotonic() + limits.volumeBusyMs
  for (;;) {
    try {
      await host.call('remove', name, { ...options, isScratch: true })
      return
    } catch (error) {
      if (!IN_USE.includes((error as CairnError).code) || systemClock.monotonic() > until) throw error
      await sleep(AGAIN_MS)
    }
  }
}
