import type { Volume } from '../volume/volume.js'

/** Runs `work`, whose changes are those of `actor`. */
export function as<T>(actor: string | undefined, volume: Volume, work: () => T): T {
  const { session } = volume
  const usual = session.actor
  session.actor = actor ?? usual
  try {
    return work()
  } finally {
    session.actor = usual
  }
}
