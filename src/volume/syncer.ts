import { fdatasync } from 'node:fs'

/** Runs fdatasync where it blocks nobody. The engine's thread of a server has one of its own; in process libuv's pool serves. */
export interface Syncer {
  /** Syncs the descriptors in this order; `done` gets 0 or a negated errno. */
  request(fds: readonly number[], done: (errno: number) => void): void
}

export const poolSyncer: Syncer = {
  request(fds, done) {
    const next = (i: number): void => {
      if (i === fds.length) {
        done(0)
        return
      }
      fdatasync(fds[i], error => {
        if (error === null) next(i + 1)
        else done(error.errno ?? -5)
      })
    }
    next(0)
  },
}
