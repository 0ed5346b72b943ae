import { collect } from '../history/gc/collect.js'
import type { GcReport } from '../history/gc/report.js'
import type { Clock } from '../sys/index.js'
import { systemClock, systemRandom } from '../sys/index.js'
import type { Engine } from '../volume/engine.js'

/** Collects the store of an engine at once; `between` runs between any two steps. For tests. */
export function collected(
  engine: Engine,
  options: { dryRun?: boolean; thorough?: boolean | string; clock?: Clock; between?: (step: number) => void } = {},
): GcReport {
  const { store } = engine.dev.context
  const { dryRun = false, thorough = false, clock = systemClock, between } = options
  const run = collect({ store, storeName: 'dev', home: engine.home, clock, random: systemRandom, dryRun, thorough })
  for (let step = 0; ; step++) {
    const next = run.next()
    if (next.done === true) return next.value
    between?.(step)
  }
}
