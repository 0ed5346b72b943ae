import { limits } from '../sys/index.js'
import type { JobTable } from './job-table.js'

/** How often the server asks whether a collection is worth its cost; a test makes it short. */
function everyMs(): number {
  const given = Number(process.env['CAIRN_GC_CHECK_MS'])
  return Number.isFinite(given) && given > 0 ? given : limits.gcCheckMs
}

/** Collects by itself, in a thread that gives way to all others, unless CAIRN_GC says no. */
export class AutoCollect {
  readonly #jobs: JobTable
  readonly #log: (line: string) => void
  #timer: NodeJS.Timeout | undefined
  #failed = ''

  constructor(jobs: JobTable, log: (line: string) => void) {
    this.#jobs = jobs
    this.#log = log
  }

  begin(): void {
    if (/^(0|false|no|off)$/i.test(process.env['CAIRN_GC'] ?? '')) return
    this.#timer = setTimeout(() => void this.#look().finally(() => this.begin()), everyMs())
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    try {
      const report = (await this.#jobs.run('gc', undefined, { onlyIfWorth: true })) as { freedBytes: number; durationMs: number } | null
      if (report !== null) this.#log(`collected: ${report.freedBytes} bytes freed in ${report.durationMs} ms`)
      this.#failed = ''
    } catch (error) {
      // Said once: a damaged volume, or another process that collects, is there the next time too.
      const { message } = error as Error
      if (message !== this.#failed) this.#log(`not collected: ${message}`)
      this.#failed = message
    }
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
