import type { DirHash } from '../codec/index.js'
import { EROFS } from '../errors.js'
import { assert, type Clock } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { Collector } from './collector.js'
import type { VolumeState } from './state.js'

const nowhere = {
  writeBlock(): void {
    assert(false, 'a snapshot stores no blocks')
  },
}

/** A state of the past: reads as any session, refuses every change with EROFS. */
export class SnapshotSession extends Collector {
  readonly readOnly = true

  constructor(state: VolumeState, dirHash: DirHash, clock: Clock) {
    super(state, dirHash, nowhere, clock, 0)
  }

  get tree(): Tree {
    return this.state.tree
  }

  override writeData(): number {
    this.failed = -EROFS
    return 0
  }

  allocIno(): number {
    return this.state.nextIno++
  }

  commit(): number {
    this.discard()
    return -EROFS
  }

  syncNow(): number {
    return 0
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }
}
