import { limits } from '../../sys/index.js'

/** `-score`, behind the name of an attempt. */
const BEHIND = 6

/** The name of a fork for a run or a race of a volume: a long name of the volume is cut, what follows tells forks apart. */
export function forkName(volume: string, of: string): string {
  return `${volume.slice(0, limits.volumeNameCharacters - BEHIND - of.length - 1)}-${of}`
}
