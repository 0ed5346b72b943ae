import { loadavg } from 'node:os'
import { machine, number, spread, table } from '../lib.mjs'

const shownMs = ms => (ms >= 10_000 ? `${number(ms / 1000)} s` : `${number(ms)} ms`)
const shownBytes = bytes => (bytes < 100_000 ? `${number(bytes / 1000)} kB` : `${number(bytes / 1e6)} MB`)

/** Rows: what, with which latency, how long, requests and bytes of the middle run. */
export class StoresReport {
  #rows = []
  #load = loadavg()[0]

  add(what, latency, runs, aim = '', ratio = '') {
    const { median, min, max } = spread(runs.map(run => run.ms))
    const middle = runs.find(run => run.ms === median)
    this.#rows.push({
      what,
      latency,
      median,
      min,
      max,
      cpu: middle.cpu,
      aim,
      ratio,
      requests: middle.requests,
      up: middle.up,
      down: middle.down,
      counts: middle.counts,
    })
    console.error(`${what} (${latency} ms): ${shownMs(median)} ${ratio}, ${middle.requests} requests ${JSON.stringify(middle.counts)}`)
  }

  /** @param plain the same without Cairn */
  peer(what, latency, runs, plain, aim) {
    const { median } = spread(plain.map(run => run.ms))
    const cpu = spread(plain.map(run => run.cpu)).median
    this.add(what, latency, runs, aim, `${number(median / spread(runs.map(run => run.ms)).median)} × plain (${shownMs(median)}, ${shownMs(cpu)} of CPU)`)
  }

  skip(what, why) {
    this.#rows.push({ what, skipped: why })
  }

  get values() {
    return this.#rows
  }

  print(command) {
    console.log(`${machine()}; load ${this.#load.toFixed(1)} at the start, ${loadavg()[0].toFixed(1)} at the end; medians; \`${command}\`\n`)
    table(
      ['stores elsewhere', 'aim', 'latency', 'by the clock', 'range', 'CPU of the client', 'requests', 'down', 'up'],
      this.#rows.map(({ what, aim, latency, median, min, max, cpu, ratio, requests, up, down, skipped }) => {
        if (skipped !== undefined) return [what, '', '', skipped, '', '', '', '', '']
        const range = min === max ? '' : `${shownMs(min)} – ${shownMs(max)}`
        return [
          what,
          aim,
          `${latency} ms`,
          `${shownMs(median)}${ratio === '' ? '' : `, ${ratio}`}`,
          range,
          cpu === undefined ? '' : shownMs(cpu),
          requests,
          shownBytes(down),
          shownBytes(up),
        ]
      }),
    )
  }
}
