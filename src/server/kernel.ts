import { closeSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { listFuseMounts, mountFuse, raiseReadAhead, unmountFuse, unmountLater } from '../fuse/mount.js'
import { invalAllEntries, invalEntry, invalInode, Notifier, notified } from '../fuse/notify.js'
import { mountNamespace } from '../sys/index.js'
import type { KernelChange } from './changes.js'
import type { Kernel } from './mounts.js'

const ROOT_NODE = 1

/** This machine's kernel. */
export class LinuxKernel implements Kernel {
  readonly namespace = mountNamespace()
  #notifier: Notifier | undefined

  list(): Array<{ path: string }> {
    return listFuseMounts()
  }

  mount(request: { path: string; name: string; readOnly: boolean; allowOther: boolean }): number {
    return mountFuse(request)
  }

  tune(mountpoint: string): void {
    raiseReadAhead(mountpoint)
  }

  unmount(mountpoint: string, detach: boolean): number {
    return unmountFuse(mountpoint, { lazy: detach })
  }

  clear(mountpoint: string): Promise<boolean> {
    return unmountLater(mountpoint)
  }

  /** Asked without blocking this thread: whoever serves it may be slow to answer. */
  async isDead(mountpoint: string): Promise<boolean> {
    try {
      await statfs(mountpoint)
      return false
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      return code === 'ENOTCONN' || code === 'ECONNABORTED'
    }
  }

  close(fd: number): void {
    closeSync(fd)
  }

  async notify(fd: number, rootIno: number, changes: KernelChange[]): Promise<void> {
    this.#notifier ??= new Notifier()
    const notifier = this.#notifier
    const node = (ino: number): number => (ino === rootIno ? ROOT_NODE : ino)
    for (const change of changes) {
      if ('names' in change) notifier.post(fd, invalAllEntries())
      else if ('inodes' in change) for (const ino of change.inodes) notifier.post(fd, invalInode(node(ino)))
      else if ('name' in change) notifier.post(fd, invalEntry(node(change.parent), change.name, change.view))
      else notifier.post(fd, invalInode(node(change.ino), change.view))
    }
    await notified(notifier.counts, notifier.posted())
  }
}
