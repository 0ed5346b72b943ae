import { CairnError } from '../errors.js'
import type { ViewInfo } from '../server/protocol.js'
import { syncMount } from './mounted.js'
import type { RemoteHost } from './remote-host.js'
import type { ViewChanges, VolumeView } from './types.js'

/** A view that this program has open. */
export class View implements VolumeView {
  readonly id: number
  readonly mountpoint: string
  readonly readOnly: boolean
  readonly #host: RemoteHost
  readonly #secret: string
  readonly #onClose: () => void
  #claiming: Promise<unknown> | undefined
  #isClosed = false

  constructor(host: RemoteHost, info: ViewInfo, onClose: (view: View) => void) {
    this.id = info.id
    this.mountpoint = info.mountpoint
    this.readOnly = info.readOnly
    this.#host = host
    this.#secret = info.secret
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
  async #ask(method: string): Promise<unknown> {
    await this.#claiming?.catch(() => undefined)
    try {
      return await this.#host.call(method, this.id)
    } catch (error) {
      const { code } = error as CairnError
      if (code !== 'ERR_VIEW_UNKNOWN') throw error
      await this.#host.call('claimView', this.id, this.#secret)
      return this.#host.call(method, this.id)
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
