import { resolve } from 'node:path'
import { CairnError } from '../errors.js'
import type { VolumeInfo } from '../volume/api.js'
import type { DurabilityLevel } from '../volume/lease.js'
import { bytesOf } from './caches.js'
import { checkOptions } from './check-options.js'
import type { Host } from './host.js'
import type { Hosts } from './hosts.js'
import { type LeaseWait, whileHeld } from './lease-wait.js'
import { awaitMount, clearStaleMount, syncMount } from './mounted.js'
import type { MountInfo, MountOptions, ServerStatus, ViewInfo, ViewOptions, VolumeView } from './types.js'

/** What mounts are made with. */
export interface MountingOptions {
  home: string
  actor: string
  reason: string | undefined
  readOnly: boolean
  durabilityOf: (name: string) => Promise<{ durability?: DurabilityLevel }>
}

/** The mounts that a program asks for, and the views that are its own. */
export class Mounting {
  readonly #hosts: Hosts
  readonly #options: MountingOptions
  readonly #views = new Set<VolumeView>()

  constructor(hosts: Hosts, options: MountingOptions) {
    this.#hosts = hosts
    this.#options = options
  }

  async mount({ waitMs, onWait, ...options }: MountOptions & LeaseWait): Promise<MountInfo> {
    checkOptions(options)
    await this.#refuseOpenHere(options.name)
    const info = await whileHeld(() => this.#mountAgain({ ...options, path: resolve(options.path) }), { waitMs, onWait })
    await awaitMount(info.mountpoint)
    return info
  }

  async #refuseOpenHere(name: string): Promise<void> {
    if (!(await this.#hosts.isOpenHere(name))) return
    throw new CairnError(
      'ERR_VOLUME_BUSY',
      `The volume ${name} is open in this program.`,
      'Close it before it is mounted; opened again, it is reached through the server.',
    )
  }

  /** Mounting twice is mounting once: a server that was killed a moment ago may still have taken the call. */
  async #mountAgain(options: MountOptions): Promise<MountInfo> {
    try {
      return await this.#mount(options)
    } catch (error) {
      if ((error as CairnError).code !== 'ERR_SERVER_LOST') throw error
      this.#hosts.forgetServer()
      return this.#mount(options)
    }
  }

  async #mount(options: MountOptions): Promise<MountInfo> {
    const server = this.#hosts.guarded(await this.#hosts.server())
    const { actor, reason, durabilityOf } = this.#options
    const { steal, force, cacheSize, ...mount } = options
    if (cacheSize !== undefined) await server.call('cacheLimit', options.name, bytesOf(cacheSize))
    if (steal === true || force === true) await server.call('takeLease', options.name, { steal, force })
    return (await server.call('mount', { actor, ...(reason === undefined ? {} : { reason }), ...(await durabilityOf(options.name)), ...mount })) as MountInfo
  }

  async openView(name: string, options: ViewOptions): Promise<VolumeView> {
    await this.#refuseOpenHere(name)
    const { actor, readOnly } = this.#options
    const host = await this.#hosts.server()
    const info = (await host.call('openView', name, { actor, ...options, ...(readOnly && { readOnly: true }) })) as ViewInfo
    const { View } = await import('./view.js')
    const view = this.keep(gone => new View(host, info, gone))
    await awaitMount(info.mountpoint)
    return view
  }

  /** A view that ends with this program at the latest. */
  keep<V extends VolumeView>(make: (gone: (view: VolumeView) => void) => V): V {
    const view = make(one => this.#views.delete(one))
    this.#views.add(view)
    return view
  }

  async unmount(target: string, options: { force?: boolean }): Promise<boolean> {
    const place = /^(\/|\.)/.test(target) ? resolve(target) : target
    const server = await this.#hosts.runningServer()
    if (server === undefined) return clearStaleMount(this.#options.home, place, async name => ((await this.#hosts.call('info', name)) as VolumeInfo).id)
    if (options.force !== true) await this.#syncTarget(server, place)
    return (await server.call('unmount', place, options)) as boolean
  }

  async #syncTarget(server: Host, target: string): Promise<void> {
    const { mounts } = (await server.call('server.status')) as ServerStatus
    for (const mount of mounts) if (mount.name === target || mount.mountpoint === target) syncMount(mount.mountpoint)
  }

  async close(): Promise<void> {
    for (const view of this.#views) await view.close().catch(() => undefined)
  }
}
