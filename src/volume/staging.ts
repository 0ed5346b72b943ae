import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Head } from '../codec/head.js'
import { pinKey } from '../store/pins.js'
import { crashPoint } from '../sys/index.js'
import { HeadFile } from './head.js'
import type { StoreContext } from './volume.js'

/** A volume that is being made elsewhere than in its journal: nobody sees it before `publish`. */
export class StagedVolume {
  readonly context: StoreContext
  readonly id: string
  /** A folder of its own on this host. */
  readonly dir: string
  readonly #head: HeadFile
  readonly #takeName: (name: string, id: string) => void
  #isPublished = false

  constructor(parts: { context: StoreContext; head: HeadFile; dir: string; takeName: (name: string, id: string) => void }) {
    this.context = parts.context
    this.id = parts.head.value.volume
    this.dir = parts.dir
    this.#head = parts.head
    this.#takeName = parts.takeName
  }

  /** Roots, in hex, that its head keeps from collectors until it is published. */
  get named(): { root: string; history: string } {
    const { root, history } = this.#head.value
    return { root, history }
  }

  /** Makes it a volume like others; all that the members name is in the store. @throws CairnError ERR_VOLUME_EXISTS, ERR_VOLUME_NAME */
  publish(name: string, members: Pick<Head, 'root' | 'history' | 'inodes' | 'bytes'>): void {
    crashPoint('volume.publish.before-head')
    // Whole, but deleted until the name is its own: a crash here leaves what `undelete` brings back.
    this.#head.update({ ...members, name })
    crashPoint('volume.publish.before-name')
    this.#takeName(name, this.id)
    crashPoint('volume.publish.after-name')
    this.#head.update({ deletedMs: undefined })
    this.#isPublished = true
    rmSync(join(this.dir, 'incoming'), { recursive: true, force: true })
  }

  /** Gives up on this host; what is in the store stays until its time as a deleted volume is over. */
  leave(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Nothing of it stays; a no-op once it is published. */
  discard(): void {
    if (this.#isPublished) return
    this.context.store.deleteSync([HeadFile.key(this.id), pinKey(this.id)])
    rmSync(this.dir, { recursive: true, force: true })
  }
}
