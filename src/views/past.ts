import type { Control } from './control.js'
import type { HistoryFolder } from './folder.js'
import type { VersionTree } from './version-tree.js'
import type { Views } from './views.js'

/** What a mount shows of the past, and how it answers later. */
export interface Past {
  readonly views: Views
  readonly folder: HistoryFolder
  readonly versions: VersionTree
  /** Undefined: there is none, and nobody finds it. */
  readonly control: Control | undefined
  /** Makes the kernel forget what it listed of a directory. */
  uncache(view: number, ino: number): void
  /** Writes a reply that was promised. */
  send(reply: Uint8Array): void
  /** Promises were made: they must have a turn soon. */
  settle(): void
}
