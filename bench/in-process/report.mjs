import { loadavg } from 'node:os'
import { machine, number, table } from '../lib.mjs'

/** Rows of the result, each with the aim beside it. */
export class Report {
  #rows = []
  #load = loadavg()[0]

  /** @param measured `{ wall, cpu }` with median, min and max of each; `cpu` may be missing where only the clock counts */
  add(what, measured, unit, aim) {
    const { wall, cpu } = measured
    const range = wall.min === wall.max ? '' : `${number(wall.min)} – ${number(wall.max)}`
    this.#rows.push([what, aim, cpu === undefined ? '' : `${number(cpu.median)} ${unit}`, `${number(wall.median)} ${unit}`, range])
    console.error(`${what}: ${cpu === undefined ? '' : `${number(cpu.median)} by CPU, `}${number(wall.median)} ${unit}`)
  }

  /** One value that is no series. */
  value(what, value, unit, aim) {
    this.add(what, { wall: { median: value, min: value, max: value } }, unit, aim)
  }

  print(command) {
    console.log(`${machine()}; load ${this.#load.toFixed(1)} at the start, ${loadavg()[0].toFixed(1)} at the end; \`${command}\`\n`)
    table(['in process', 'aim', 'by CPU time', 'by the clock', 'range by the clock'], this.#rows)
  }
}
