import { appendFileSync, chmodSync, renameSync, statSync } from 'node:fs'
import { limits } from '../sys/index.js'

/** From the one that says least. A level shows itself and those before it. */
const levels = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof levels)[number]

/** CAIRN_LOG_LEVEL of whoever started the server; what is none of them is `info`. */
function chosenLevel(): number {
  const at = levels.indexOf(process.env['CAIRN_LOG_LEVEL'] as LogLevel)
  return at < 0 ? levels.indexOf('info') : at
}

/** The log of the server and its supervisor: one line each time, two files of bounded size, 0600. Never fails. */
export class Log {
  readonly #path: string
  readonly #who: string
  readonly #level = chosenLevel()

  constructor(path: string, who: string) {
    this.#path = path
    this.#who = who
  }

  line(text: string, level: LogLevel = 'info'): void {
    if (levels.indexOf(level) > this.#level) return
    try {
      this.#rotate()
      appendFileSync(this.#path, `${new Date().toISOString()} ${this.#who}[${process.pid}] ${text.trimEnd()}\n`, { mode: 0o600 })
    } catch {
      // A full disk must not stop the service.
    }
  }

  #rotate(): void {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
    if (size < limits.serverLogBytes) return
    renameSync(this.#path, `${this.#path}.1`)
    chmodSync(`${this.#path}.1`, 0o600)
  }
}

/** What an error says in a log: its stack, which names no credential. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
