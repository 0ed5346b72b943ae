import { closeSync, mkdtempSync, openSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, EAGAIN } from '../../errors.js'
import { homePaths } from '../../server/home.js'
import { flock, LOCK_EX, LOCK_NB } from '../../sys/libc.js'
import type { Change } from '../../volume/api.js'
import { syncMount } from '../mounted.js'
import type { CairnApi } from '../types.js'

/** A volume as a directory, for one command. */
export interface Workspace {
  readonly mountpoint: string
  /** What was changed through it since a commit, with what the kernel still held. */
  changes(before: string | undefined): Promise<Change[]>
  close(): Promise<void>
}

export interface WorkspaceOptions {
  volume: string
  execId: string
  actor: string
  readOnly: boolean
  /** Globs of paths. */
  rules: { hidden?: readonly string[]; readOnly?: readonly string[]; writable?: readonly string[] }
}

/** A mount of its own; where the volume is mounted already, that one. One command of a volume at a time: what each changes could not be told apart. */
export async function openWorkspace(cairn: CairnApi, options: WorkspaceOptions): Promise<Workspace> {
  if (Object.keys(options.rules).length > 0) {
    const how = 'Take hidden, readOnly and writable out of the rule, or deny the command.'
    throw new CairnError('ERR_EXEC_DENIED', 'The policy hides or protects paths, which cannot be kept here.', how, { exitCode: 126 })
  }
  const release = await turnIn(join(homePaths(cairn.home).run, `exec-${options.volume}.lock`))
  try {
    const workspace = await mounted(cairn, options)
    return { ...workspace, close: () => workspace.close().finally(release) }
  } catch (error) {
    release()
    throw error
  }
}

const TURN_MS = 10

/** Resolves when nobody else has the lock; given back by what it returns, and by the end of this program. */
async function turnIn(file: string): Promise<() => void> {
  const fd = openSync(file, 'w', 0o600)
  while (flock(fd, LOCK_EX | LOCK_NB) === -EAGAIN) await sleep(TURN_MS)
  return () => closeSync(fd)
}

async function mounted(cairn: CairnApi, { volume, actor, readOnly }: WorkspaceOptions): Promise<Workspace> {
  const { mounts } = (await cairn.status(volume)).server
  const there = mounts.find(mount => mount.name === volume && mount.sub === undefined)
  const folder = there === undefined ? realpathSync(mkdtempSync(join(tmpdir(), 'cairn-exec-'))) : undefined
  if (folder !== undefined) await cairn.mount({ name: volume, path: folder, actor, readOnly })
  const mountpoint = folder ?? there?.mountpoint ?? ''
  return {
    mountpoint,
    changes: async before => {
      syncMount(mountpoint)
      return cairn.diff({ volume, ref: before ?? '' }, { volume })
    },
    close: async () => {
      if (folder === undefined) return
      await cairn.unmount(folder, { force: true })
      rmdirSync(folder)
    },
  }
}
