import { closeSync, openSync } from 'node:fs'
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { limits, systemClock } from '../sys/index.js'
import { mountCopy, NO_DEVICES, NO_SETUID, READ_ONLY } from '../sys/mount-trees.js'
import type { Program } from '../sys/posix-spawn.js'
import { endThread, startThread } from '../sys/threads.js'
import { endOf } from './children.js'
import type { Hidden } from './hidden-settings.js'
import { canDirectly } from './launch.js'
import type { SystemFolders } from './system-folders.js'
import { TREE } from './tree-places.js'
import type { Room } from './types.js'

/** What is the same for all sandboxes of a time. */
export interface TreeLayout {
  /** Bubblewrap, within one of the folders. */
  program: string
  ownUsers: boolean
  system: SystemFolders
  hidden: readonly Hidden[]
  /** Another one when something was put in the place of what is hidden. */
  stamp: string
}

/** The same for the thread: descriptors of copies of mounts. */
export interface Furniture {
  proc: number
  folders: ReadonlyArray<readonly [path: string, fd: number]>
  links: SystemFolders['links']
  hidden: readonly Hidden[]
}

/** A program to start in a copy of the tree. */
export interface InTree {
  program: Program
  /** Copy of the mount that is its workspace. */
  workspace: number
  mask: number
}

export interface TreeThreadData {
  port: MessagePort
  /** Raised and notified after each answer there. */
  answers: SharedArrayBuffer
}

/** Arguments with which bubblewrap shows the tree. */
export function treeWords({ settings }: SystemFolders): string[] {
  return ['--dev-bind', TREE, '/', '--proc', '/proc', ...settings.flatMap(path => ['--ro-bind', path, path])]
}

/**
 * All that sandboxes show of this system, mounted once, in a namespace of mounts of a thread of this program; each bubblewrap begins in a copy of it. What it would mount itself, and look
 * at all mounts of the host after each, took two thirds of its time, and four fifths beside a hundred other mounts. Root alone may do that. It is there from some time after the
 * second asking, follows the system within `limits.execSystemMs`, and goes when nobody asked for a while; the kernel forgets it when this program ends, however.
 */
export class KeptTree {
  #thread: TreeThread | undefined
  #ready: { key: string; atMs: number } | undefined
  #isBuilding = false
  #isRefused = false
  #asked = 0
  #inUse = 0
  #idle: NodeJS.Timeout | undefined

  /** Room for a command that works in a folder of this host; undefined while there is none. */
  take(layout: TreeLayout, workspace: string, readOnly: boolean): Room | undefined {
    if (this.#isRefused || process.getuid?.() !== 0 || !canDirectly() || ++this.#asked < 2) return undefined
    const key = JSON.stringify(layout)
    if (this.#ready?.key !== key) this.#ready = undefined
    // An old one serves until the next stands: what it covers is the same.
    if (this.#ready === undefined || systemClock.monotonic() - this.#ready.atMs >= limits.execSystemMs) void this.#prepare(layout, key)
    return this.#thread === undefined || this.#ready === undefined ? undefined : this.#room(this.#thread, workspace, readOnly)
  }

  #room(thread: TreeThread, workspace: string, readOnly: boolean): Room | undefined {
    const fd = mountCopy(workspace, NO_SETUID | NO_DEVICES | (readOnly ? READ_ONLY : 0))
    if (fd < 0) return undefined
    clearTimeout(this.#idle)
    this.#inUse++
    return {
      spawn: program => {
        let pid = -1
        try {
          pid = thread.spawn(program, fd)
        } finally {
          if (pid < 0) this.#ready = undefined
        }
        return pid
      },
      release: () => {
        closeSync(fd)
        if (--this.#inUse === 0) this.#endLater()
      },
    }
  }

  /** What cannot be had once is not asked for again. */
  async #prepare(layout: TreeLayout, key: string): Promise<void> {
    if (this.#isBuilding) return
    this.#isBuilding = true
    const atMs = systemClock.monotonic()
    try {
      const isFirst = this.#thread === undefined
      this.#thread ??= new TreeThread()
      const problem = (await this.#thread.build(layout)) ?? (isFirst ? await this.#trial(layout) : undefined)
      this.#ready = problem === undefined ? { key, atMs } : undefined
      if (problem !== undefined && isFirst) this.#refuse()
    } catch {
      this.#refuse()
    } finally {
      this.#isBuilding = false
      if (this.#inUse === 0) this.#endLater()
    }
  }

  async #trial({ program, ownUsers, system }: TreeLayout): Promise<string | undefined> {
    const room = this.#thread && this.#room(this.#thread, '/usr', true)
    if (room === undefined) return 'no workspace'
    const nothing = openSync('/dev/null', 'r+')
    try {
      const words = [...(ownUsers ? ['--unshare-user'] : []), '--unshare-pid', '--die-with-parent', ...treeWords(system), '--', '/bin/sh', '-c', ': >/dev/null']
      const pid = room.spawn({ file: program, args: words, env: {}, cwd: '/', fds: [nothing, nothing, nothing] })
      return pid > 0 && (await endOf(pid))[0] === 0 ? undefined : 'bubblewrap does not work in it'
    } finally {
      closeSync(nothing)
      room.release()
    }
  }

  #refuse(): void {
    this.#isRefused = true
    this.end()
  }

  #endLater(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#inUse === 0 && !this.#isBuilding && this.end(), limits.execKeptMs).unref()
  }

  /** With all that was started in it. The next that is asked for is another one. */
  end(): void {
    clearTimeout(this.#idle)
    this.#thread?.end()
    this.#thread = undefined
    this.#ready = undefined
  }
}

/** The thread, as the others see it. It holds no program that would end. */
class TreeThread {
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #answers = new Int32Array(new SharedArrayBuffer(4))
  #isEnded = false

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData = { port: port2, answers: this.#answers.buffer as SharedArrayBuffer } satisfies TreeThreadData
    this.#worker = startThread('exec/tree-thread', { workerData, transferList: [port2] })
    this.#worker.on('error', () => undefined).on('exit', () => (this.#isEnded = true))
    this.#worker.unref()
    port1.unref()
  }

  /** What was wrong, or undefined. */
  async build({ system, hidden }: TreeLayout): Promise<string | undefined> {
    const made: number[] = []
    const copy = (path: string, attributes: number): number => {
      const fd = mountCopy(path, attributes)
      if (fd >= 0) made.push(fd)
      return fd
    }
    const furniture: Furniture = {
      proc: copy('/proc', NO_SETUID | NO_DEVICES),
      folders: system.folders.map(path => [path, copy(path, READ_ONLY | NO_SETUID | NO_DEVICES)]),
      links: system.links,
      hidden,
    }
    try {
      return await this.#built(furniture)
    } finally {
      for (const fd of made) closeSync(fd)
    }
  }

  #built(furniture: Furniture): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error('the thread ended'))
      this.#worker.once('error', reject).once('exit', gone)
      this.#worker.once('message', (problem: string | undefined) => {
        this.#worker.off('error', reject).off('exit', gone)
        resolve(problem)
      })
      this.#worker.postMessage(furniture)
    })
  }

  /** The number of the process, or the negated errno. Blocks until it is that program. */
  spawn(program: Program, workspace: number): number {
    if (this.#isEnded) throw new Error('The thread that starts sandboxes has ended.')
    const before = Atomics.load(this.#answers, 0)
    this.#port.postMessage({ program, workspace, mask: process.umask() } satisfies InTree)
    Atomics.wait(this.#answers, 0, before, limits.blockingCallMs)
    const pid = receiveMessageOnPort(this.#port)?.message as number | undefined
    if (pid === undefined) throw new Error('The thread that starts sandboxes does not answer.')
    return pid
  }

  end(): void {
    this.#port.close()
    void endThread(this.#worker)
  }
}
