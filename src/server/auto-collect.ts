import { limits, systemClock, systemRandom } from '../sys/index.js'
import type { JobTable } from './job-table.js'
import { TurnsElsewhere, type Written } from './turns-elsewhere.js'

/** A test makes it short. */
function msOf(variable: string, usual: number): number {
  const given = Number(process.env[variable])
  return Number.isFinite(given) && given > 0 ? given : usual
}

/** How often the server asks whether a collection is worth its cost. */
function everyMs(): number {
  return msOf('CAIRN_GC_CHECK_MS', limits.gcCheckMs)
}

function isOff(variable: string): boolean {
  return /^(0|false|no|off)$/i.test(process.env[variable] ?? '')
}

/** Collects by itself, in a thread that gives way to all others, unless CAIRN_GC says no. */
export class AutoCollect {
  readonly #jobs: JobTable
  readonly #log: (line: string) => void
  readonly #written: () => Promise<readonly Written[]>
  readonly #turns = new TurnsElsewhere(systemClock, systemRandom, msOf('CAIRN_GC_ELSEWHERE_MS', limits.gcElsewhereMs))
  #timer: NodeJS.Timeout | undefined
  #failed = ''

  /** @param written the volumes of stores elsewhere that this server writes */
  constructor(jobs: JobTable, log: (line: string) => void, written: () => Promise<readonly Written[]>) {
    this.#jobs = jobs
    this.#log = log
    this.#written = written
  }

  begin(): void {
    if (isOff('CAIRN_GC')) return
    this.#timer = setTimeout(() => void this.#look().finally(() => this.begin()), everyMs())
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    try {
      await this.#collect(undefined)
      const written = isOff('CAIRN_GC_ELSEWHERE') ? [] : await this.#written()
      for (const volume of this.#turns.due(written)) await this.#collect(volume)
      this.#failed = ''
    } catch (error) {
      // Said once: a damaged volume, or another process that collects, is there the next time too.
      const { message } = error as Error
      if (message !== this.#failed) this.#log(`not collected: ${message}`)
      this.#failed = message
    }
  }

  /** @param volume of the store; undefined for the home's own */
  async #collect(volume: string | undefined): Promise<void> {
    const report = (await this.#jobs.run('gc', volume, { onlyIfWorth: true })) as { store: string; freedBytes: number; durationMs: number } | null
    if (report !== null) this.#log(`collected ${report.store}: ${report.freedBytes} bytes freed in ${report.durationMs} ms`)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
