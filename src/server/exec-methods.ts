import type { OpenVolumes } from './open-volumes.js'

/** What clients that run commands ask, by method name. */
export function execMethods(volumes: OpenVolumes) {
  return {
    /** The commit that stands for what is there before a run; with `checkpoint` one is made of what no commit has yet. Undefined of a volume without any. */
    beginRun: (_: string, name: string, { checkpoint }: { checkpoint: boolean }): string | undefined =>
      volumes.use(name, ({ volume }) => (checkpoint ? volume.presentCommit() : volume.history.newest())?.id),
  }
}
