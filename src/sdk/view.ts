import { CairnError } from '../errors.js'
import type { EndedRun, ViewInfo } from '../server/protocol.js'
import type { RunChanges } from '../server/runs.js'
import { mountNamespace } from '../sys/index.js'
import type { AuditEvent } from '../volume/audit/index.js'
import { awaitView, syncMount } from './mounted.js'
import type { RemoteHost } from './remote-host.js'
import type { ViewChanges, VolumeView } from './types.js'

/** A view that this program has open. */
export class View implements VolumeView {
  readonly id: number
  readonly mountpoint: string
  readonly readOnly: boolean
  readonly #host: RemoteHost
  readonly #secret: string
  readonly #namespace: string | undefined
  readonly #onClose: () => void
  #claiming: Promise<unknown> | undefined
  #isClosed = false

  constructor(host: RemoteHost, info: ViewInfo, onClose: (view: View) => void) {
    this.id = info.id
    this.mountpoint = info.mountpoint
    this.readOnly = info.readOnly
    this.#host = host
    this.#secret = info.secret
    this.#namespace = info.namespace
    const unwatch = host.watch(() => this.#claim())
    this.#onClose = () => {
      unwatch()
      onClose(this)
    }
  }

  async changes(): Promise<ViewChanges> {
    if (this.#isClosed) throw gone()
    if (!this.readOnly) syncMount(this.mountpoint)
    await this.#host.call('caughtUp')
    return (await this.#ask('viewChanges')) as ViewChanges
  }

  /** Resolves when the directory shows the volume to this process. @throws CairnError ERR_MOUNT_SILENT, ERR_MOUNT_UNSEEN */
  here(): Promise<void> {
    // It answers already, and costs a request less.
    if (this.#namespace !== undefined && this.#namespace === mountNamespace()) return Promise.resolve()
    return awaitView(this.mountpoint)
  }

  /** What others hold back, at these places, is in the volume then, and in the commit before the run that is returned. */
  async started(settle: readonly string[], checkpoint: boolean): Promise<string | undefined> {
    for (const mountpoint of settle) syncMount(mountpoint)
    return (await this.#ask('startRun', checkpoint)) as string | undefined
  }

  /**
   * Ends the run that the view was opened for: what it changed is recorded, once, and told. The view is closed then.
   * @param event what the audit chain says of it, but for its changes
   */
  async finish(volume: string, event: AuditEvent): Promise<RunChanges> {
    const options = { synced: false, again: false }
    for (;;) {
      const told = await this.#finished(volume, event, options)
      if (told !== undefined) return told
    }
  }

  /** Undefined when it has to be asked once more. */
  async #finished(volume: string, event: AuditEvent, options: { synced: boolean; again: boolean }): Promise<RunChanges | undefined> {
    try {
      const told = (await this.#ask('endRun', event, options)) as EndedRun
      if ('sync' in told) {
        syncMount(this.mountpoint)
        options.synced = true
        return undefined
      }
      this.#isClosed = true
      this.#onClose()
      return told
    } catch (error) {
      const { code } = error as CairnError
      // The server that was asked may have recorded it before it was killed.
      if (code === 'ERR_VIEW_UNKNOWN' && options.again) return (await this.#host.call('runEnded', volume, event)) as RunChanges
      if (code !== 'ERR_SERVER_LOST' || options.again) throw error
      options.again = true
      return undefined
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClose()
    try {
      await this.#ask('closeView')
    } catch (error) {
      // Gone with its server.
      const { code } = error as CairnError
      if (code !== 'ERR_VIEW_UNKNOWN' && code !== 'ERR_SERVER_LOST' && code !== 'ERR_NO_SERVER') throw error
    }
  }

  /** Another server does not know this program until it says whose the view is. */
  async #ask(method: string, ...args: unknown[]): Promise<unknown> {
    await this.#claiming?.catch(() => undefined)
    try {
      return await this.#host.call(method, this.id, ...args)
    } catch (error) {
      const { code } = error as CairnError
      if (code !== 'ERR_VIEW_UNKNOWN') throw error
      await this.#host.call('claimView', this.id, this.#secret)
      return this.#host.call(method, this.id, ...args)
    }
  }

  /** The server went away: the next one keeps the view for whoever comes back in time. */
  #claim(): void {
    if (this.#isClosed) return
    this.#claiming = this.#host.call('claimView', this.id, this.#secret)
    // Whoever asks about the view hears of it.
    this.#claiming.catch(() => undefined)
  }
}

function gone(): CairnError {
  return new CairnError('ERR_VIEW_UNKNOWN', 'The view was closed.', 'Open it again.', { retry: 'reopen' })
}
