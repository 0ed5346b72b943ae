import { mountOf } from '../sdk/mount-table.js'

/** What a command means that was given no address: the mounted directory one stands in, else the default volume. */
export function defaultOperand(): string {
  return mountOf(process.cwd()) === undefined ? ':/' : '.'
}
