import type { VolumeInfo } from '../volume/api.js'
import type { Engine } from '../volume/engine.js'

/** Several forks of one and the same state, or none: those made are removed when one fails. */
export function forkAll(engine: Engine, source: string, ref: string | undefined, names: readonly string[]): VolumeInfo[] {
  const made: VolumeInfo[] = []
  try {
    for (const name of names) made.push(engine.fork(source, ref, name))
  } catch (error) {
    for (const { name } of made) engine.remove(name, { now: true })
    throw error
  }
  return made
}
