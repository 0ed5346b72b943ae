import type { Control } from './control.js'
import type { HistoryFolder } from './folder.js'
import type { Views } from './views.js'

/** What a mount shows of the past, and how it answers later. */
export interface Past {
  readonly views: Views
  readonly folder: HistoryFolder
  readonly control: Control
  /** Writes a reply that was promised. */
  send(reply: Uint8Array): void
  /** Promises were made: they must have a turn soon. */
  settle(): void
}
