import { posix } from 'node:path'
import { CairnError } from '../errors.js'
import { viewOfIncarnation } from '../fuse/node-id.js'
import { baseRef, diffRead } from '../history/diff/diff-read.js'
import type { UndoResult } from '../history/merge/undo.js'
import type { Restored } from '../history/restore/restore.js'
import { actorOf } from '../sys/actor.js'
import type { Asker, Commands } from '../views/index.js'
import type { Change, CommitInfo, VolumeInfo, VolumeStatus } from '../volume/api.js'
import type { KernelChange } from './changes.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

export interface MountCommandsOptions {
  record: MountRecord
  open: OpenVolume
  call: (method: string, ...args: unknown[]) => unknown
  tell: (changes: KernelChange[]) => Promise<void>
  /** Resolves when requests of mounts were looked at. */
  turn: () => Promise<void>
}

/** What `.cairn/control` of a mount does: the same calls as a client's. */
export class MountCommands implements Commands {
  readonly #options: MountCommandsOptions

  constructor(options: MountCommandsOptions) {
    this.#options = options
  }

  get #name(): string {
    return this.#options.open.volume.info.name
  }

  async checkpoint(name: string, message: string | undefined, by: Asker): Promise<CommitInfo> {
    await this.#writeBack()
    const { volume } = this.#options.open
    const { actor } = this.#who(by)
    const options = { actor, ...(message === undefined ? {} : { message }) }
    // That commit is not the request's.
    volume.commitOfOthers(actor)
    const again = () => volume.commits().find(commit => commit.name === name)
    const commit = this.#once(by, again, () => this.#options.call('checkpoint', this.#name, name, options) as CommitInfo)
    await this.#options.tell([])
    return commit
  }

  async fork(name: string, by: Asker): Promise<VolumeInfo> {
    await this.#writeBack()
    const { info } = this.#options.open.volume
    try {
      return (await this.#options.call('fork', info.name, undefined, name)) as VolumeInfo
    } catch (error) {
      const made = by.request.isResent ? this.#volumes().find(volume => volume.name === name && volume.parent?.id === info.id) : undefined
      if (made === undefined) throw error
      return made
    }
  }

  #volumes(): VolumeInfo[] {
    return this.#options.call('volumes') as VolumeInfo[]
  }

  async restore(ref: string, path: string | undefined, by: Asker): Promise<CommitInfo> {
    await this.#writeBack()
    const { volume } = this.#options.open
    // The ref means what it meant before the commit of what changed since, and that commit is not the request's.
    const to = volume.history.resolve(ref).id
    volume.commitChanges()
    const again = () => volume.commits().find(commit => commit.kind === 'restore')
    const options = { ref: to, ...this.#who(by), ...(path === undefined && this.#sub === '/' ? {} : { path: this.#pathIn(path ?? '') }) }
    const commit = this.#once(by, again, () => (this.#options.call('restore', this.#name, options) as Restored).commit)
    await this.#options.tell([])
    return commit
  }

  async undo(what: number | string, by: Asker): Promise<UndoResult> {
    await this.#writeBack()
    const { volume } = this.#options.open
    volume.commitChanges()
    const again = (): UndoResult | undefined => {
      const commit = volume.commits().find(one => one.kind === 'undo')
      return commit === undefined ? undefined : { volume: this.#name, state: 'undone', undone: [], commit, conflicts: [], changes: [] }
    }
    const options = {
      ...(typeof what === 'number' ? { last: what } : { commits: [what] }),
      ...this.#who(by),
      ...(this.#sub === '/' ? {} : { globs: [this.#sub] }),
    }
    const result = this.#once(by, again, () => this.#options.call('undo', this.#name, options) as UndoResult)
    await this.#options.tell([])
    return result
  }

  /** Whoever wrote the command, in the run that the mount is of. Whose a view is its opener has said; what runs in it must not say otherwise. */
  #who({ uid, pid }: Asker): { actor: string; run?: string } {
    const { actor, view } = this.#options.record
    const isSaid = view !== undefined && actor !== undefined
    return { actor: isSaid ? actor : actorOf(uid, pid, actor), ...(view?.exec === undefined ? {} : { run: view.exec }) }
  }

  get #sub(): string {
    return this.#options.record.sub ?? '/'
  }

  /** A path of the volume. */
  #pathIn(path: string): string {
    const { mountpoint } = this.#options.record
    const inMount = path === mountpoint || path.startsWith(`${mountpoint}/`) ? path.slice(mountpoint.length) : path
    return posix.join('/', this.#sub, inMount)
  }

  /** In slices: the mount is served between them. */
  async diff(ref: string | undefined): Promise<Change[]> {
    await this.#writeBack()
    const { volume } = this.#options.open
    const since = { volume: this.#name, ref: ref ?? baseRef(volume) }
    const { read } = diffRead({ volume, side: since }, { volume, side: { volume: this.#name } }, {})
    const changes: Change[] = []
    for (let page = read.next(); page !== undefined; page = read.next()) {
      for (const change of page) changes.push(...this.#seen(change))
      await this.#options.turn()
    }
    return changes
  }

  /** A change as the mount shows it; none outside of it. */
  #seen(change: Change): Change[] {
    if (this.#sub === '/') return [change]
    const { path, from } = change
    const inside = (at: string | undefined) => (at?.startsWith(`${this.#sub}/`) ? at.slice(this.#sub.length) : undefined)
    const [here, there] = [inside(path), inside(from)]
    if (here !== undefined) return [{ ...change, path: here, ...(there === undefined ? {} : { from: there }) }]
    return there === undefined ? [] : [{ kind: 'deleted', path: there, type: change.type }]
  }

  async status(): Promise<VolumeStatus> {
    return this.#options.open.volume.status()
  }

  /** Pages written through mappings of open files are in the volume then: the kernel writes them before it drops them. */
  async #writeBack(): Promise<void> {
    const { fs } = this.#options.open
    await this.#options.tell(fs.openInodes().map(ino => ({ ino, view: viewOfIncarnation(fs.session.incarnation?.(ino) ?? 0) })))
  }

  /** Runs a change that is one batch, unless it was committed before the server was killed: then it is told as `again` finds it. */
  #once<T>(by: Asker, again: () => T | undefined, run: () => T): T {
    const { session } = this.#options.open.volume
    const { high, low, isResent } = by.request
    const mount = this.#options.record.id
    if (isResent && session.wasApplied(mount, high, low)) {
      const done = again()
      if (done !== undefined) return done
      throw new CairnError('ERR_COMMAND_DONE', 'This was done before the server was started again.', 'See `log`.')
    }
    session.tagRequest(mount, high, low)
    try {
      return run()
    } finally {
      // Where nothing was committed the id must not stay for the next batch.
      session.discard()
    }
  }
}
