import { loadavg } from 'node:os'
import { machine, number, table } from '../lib.mjs'

/** Rows: what, the aim, cairn's median and range, and the peer's beside it. */
export class HistoryReport {
  #rows = []
  #load = loadavg()[0]

  /** @param measured a spread: median, min, max; and `cpu` where CPU time of this process says something */
  add(what, measured, unit, aim = '') {
    this.#rows.push({ what, aim, unit, ...measured })
    console.error(`${what}: ${number(measured.median)} ${unit}${measured.cpu === undefined ? '' : `, ${number(measured.cpu)} by CPU`}`)
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
      ['history', 'aim', 'by CPU time', 'by the clock', 'range by the clock'],
      this.#rows.map(({ what, aim, unit, median, cpu, min, max, skipped }) => {
        if (skipped !== undefined) return [what, '', '', skipped, '']
        return [what, aim, cpu === undefined ? '' : `${number(cpu)} ${unit}`, `${number(median)} ${unit}`, min === max ? '' : `${number(min)} – ${number(max)}`]
      }),
    )
  }
}
