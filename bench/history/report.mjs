import { loadavg } from 'node:os'
import { machine, number, table } from '../lib.mjs'

/** Rows: what, the aim, cairn's median and range, and the peer's beside it. */
export class HistoryReport {
  #rows = []
  #load = loadavg()[0]

  /** @param measured a spread: median, min, max */
  add(what, measured, unit, aim = '') {
    this.#rows.push({ what, aim, unit, ...measured })
    console.error(`${what}: ${number(measured.median)} ${unit}`)
  }

  value(what, value, unit, aim) {
    this.add(what, { median: value, min: value, max: value }, unit, aim)
  }

  /** A part that this build does not have yet, or this machine cannot do. */
  skip(what, why) {
    this.#rows.push({ what, skipped: why })
    console.error(`${what}: skipped, ${why}`)
  }

  get values() {
    return this.#rows
  }

  print(command) {
    console.log(`${machine()}; load ${this.#load.toFixed(1)} at the start, ${loadavg()[0].toFixed(1)} at the end; medians; \`${command}\`\n`)
    table(
      ['history', 'aim', 'measured', 'range'],
      this.#rows.map(({ what, aim, unit, median, min, max, skipped }) =>
        skipped === undefined ? [what, aim, `${number(median)} ${unit}`, min === max ? '' : `${number(min)} – ${number(max)}`] : [what, '', skipped, ''],
      ),
    )
  }
}
