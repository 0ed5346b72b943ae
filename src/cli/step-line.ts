import type { Output } from './output.js'

const AFTER_MS = 1000
const EVERY_MS = 200

/** A line on stderr that says where long work stands: on a terminal, once it has taken a second. */
export class StepLine {
  readonly #out: Output
  readonly #started = performance.now()
  #last = 0
  #shown = false

  constructor(out: Output) {
    this.#out = out
  }

  say(text: string): void {
    if (this.#out.streams.stderr.isTTY !== true) return
    const now = performance.now()
    if (now - this.#started < AFTER_MS || now - this.#last < EVERY_MS) return
    this.#last = now
    this.#shown = true
    this.#out.streams.stderr.write(`\r\u001b[K${text}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) this.#out.streams.stderr.write('\r\u001b[K')
  }
}
