import type { Session } from '../../../src/volume/session.js'
import type { Volume } from '../../../src/volume/volume.js'

/** A view of the past, or a transaction that has changed nothing, left open while others go on. */
export interface Held {
  id: string
  volume: Volume
  session: Session
  /** What it shows, for as long as it is open. */
  state: number
}
