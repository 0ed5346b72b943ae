import { humanSize, plural } from './format.js'
import type { Output } from './output.js'

const AFTER_MS = 1000
const EVERY_MS = 200

/** A line on stderr that counts files and bytes, on a terminal, once the work has taken a second. */
export class Progress {
  private readonly out: Output
  private readonly label: string
  private readonly started = performance.now()
  private last = 0
  private shown = false
  files = 0
  bytes = 0

  constructor(out: Output, label: string) {
    this.out = out
    this.label = label
  }

  add(files: number, bytes: number): void {
    this.set({ files: this.files + files, bytes: this.bytes + bytes })
  }

  /** Says how much is done in all. */
  set(done: { files: number; bytes: number }): void {
    this.files = done.files
    this.bytes = done.bytes
    if (this.out.streams.stderr.isTTY !== true) return
    const now = performance.now()
    if (now - this.started < AFTER_MS || now - this.last < EVERY_MS) return
    this.last = now
    this.shown = true
    const rate = this.bytes / ((now - this.started) / 1000)
    this.out.streams.stderr.write(`\r\u001b[K${this.label} ${plural(this.files, 'file')}, ${humanSize(this.bytes)}B, ${humanSize(Math.round(rate))}B/s`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.shown) this.out.streams.stderr.write('\r\u001b[K')
  }
}
