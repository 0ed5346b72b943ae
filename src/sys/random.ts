import { randomBytes } from 'node:crypto'

/** Randomness comes from here only, so that a simulation can replay it. */
export interface Random {
  bytes(size: number): Buffer
}

export const systemRandom: Random = { bytes: size => randomBytes(size) }
