import { expect } from 'vitest'
import type { createFs } from '../../../src/node/index.js'

type Shape = ReturnType<typeof createFs>

const STRIPES = 60_000
/** Its name ends so that no versions of it are kept: what it held is garbage soon. */
const LARGE = '/large-wal'
const PATCHED = '/patched'

/** All states that a simulation has ever made, by number; each says which one it was made of. */
export class States {
  /** By number: the one before. */
  readonly #before: number[] = [-1]

  next(before: number): number {
    this.#before.push(before)
    return this.#before.length - 1
  }

  /** The one state came of the other, or is it. */
  includes(state: number, earlier: number): boolean {
    for (let at = state; at >= 0; at = this.#before[at]) if (at === earlier) return true
    return false
  }

  isKnown(state: number): boolean {
    return this.#before[state] !== undefined
  }
}

/** Writes one number into several files, of which some are large and some are only changed. */
export function writeState(fs: Shape, state: number): void {
  fs.writeFileSync('/small', String(state))
  fs.writeFileSync(LARGE, Buffer.alloc(1 + ((state * 7919) % 200_000), `${state};`))
  if (!fs.existsSync(PATCHED)) fs.writeFileSync(PATCHED, Buffer.alloc(4 * STRIPES))
  const number = Buffer.alloc(4)
  number.writeUInt32LE(state)
  const fd = fs.openSync(PATCHED, 'r+')
  fs.writeSync(fd, number, 0, 4, 0)
  fs.writeSync(fd, number, 0, 4, 4 * (1 + ((state * 104_729) % (STRIPES - 1))))
  fs.closeSync(fd)
}

/** The state that is there; 0 before the first. Fails when it is not all of one. */
export function stateIn(fs: Shape): number {
  const names = fs.readdirSync('/').sort()
  if (names.length === 0) return 0
  expect(names).toEqual(['large-wal', 'patched', 'small'])
  const state = Number(fs.readFileSync('/small', 'utf8'))
  expect(fs.readFileSync(LARGE).equals(Buffer.alloc(1 + ((state * 7919) % 200_000), `${state};`))).toBe(true)
  const patched = fs.readFileSync(PATCHED)
  expect(patched.readUInt32LE(0)).toBe(state)
  expect(patched.readUInt32LE(4 * (1 + ((state * 104_729) % (STRIPES - 1))))).toBe(state)
  return state
}
