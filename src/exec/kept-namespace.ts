import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import { limits } from '../sys/index.js'
import { posixSpawn } from '../sys/posix-spawn.js'
import { endOf } from './children.js'
import { canDirectly } from './launch.js'
import { withoutOthers } from './others.js'
import type { NamespaceTools } from './plain.js'
import type { Within } from './types.js'

/** Says that it is there, and waits for this program's end. What is left to it when its parent ends is forgotten by the kernel. */
const FIRST_PROCESS = 'trap "" CHLD; echo; read end'

/**
 * A namespace of processes that ends with this program, however that ends, and in which all that is started ends with it: no command has to see to that for itself, which would be one more
 * program for each. Root alone may start processes in another namespace. It is there from some time after the second asking, and goes when nobody asked for a while.
 */
export class KeptNamespace {
  readonly #tools: NamespaceTools
  #first: ChildProcess | undefined
  #fd: number | undefined
  #asked = 0
  #inUse = 0
  #isRefused = false
  #idle: NodeJS.Timeout | undefined

  constructor(tools: NamespaceTools) {
    this.#tools = tools
  }

  /** Undefined while it is not there. */
  take(): Within | undefined {
    if (this.#fd === undefined) {
      if (++this.#asked > 1 && this.#first === undefined) this.#start()
      return undefined
    }
    clearTimeout(this.#idle)
    this.#inUse++
    return { fd: this.#fd, release: () => this.#release() }
  }

  #release(): void {
    if (--this.#inUse === 0) this.#endLater()
  }

  #endLater(): void {
    this.#idle = setTimeout(() => this.end(), limits.execKeptMs).unref()
  }

  /** With all that is in it. The next that is asked for is another one. */
  end(): void {
    this.#first?.kill('SIGKILL')
    this.#forget()
  }

  #start(): void {
    if (this.#isRefused || this.#tools.asUser || !canDirectly()) return
    const { setpriv, unshare } = this.#tools
    const namespace = [unshare, '--pid', '--fork', '--kill-child=KILL', '/bin/sh', '-c', FIRST_PROCESS]
    const first = spawn(setpriv, ['--pdeathsig', 'KILL', ...namespace], {
      cwd: '/',
      env: {},
      detached: true,
      stdio: withoutOthers(['pipe', 'pipe', 'ignore']),
    })
    this.#first = first
    // Nothing of it holds this program.
    first.unref()
    for (const stream of [first.stdin, first.stdout]) (stream as Socket | null)?.on('error', () => undefined).unref()
    first.stdout?.once('data', () => this.#try(first).catch(() => first.kill('SIGKILL')))
    first.on('error', () => this.#ended(first))
    first.on('exit', () => this.#ended(first))
  }

  /** It is used when something could be started in it. */
  async #try(first: ChildProcess): Promise<void> {
    const fd = openSync(`/proc/${first.pid}/ns/pid_for_children`, 'r')
    try {
      const pid = posixSpawn({ file: '/bin/sh', args: ['-c', ':'], env: {}, cwd: '/', fds: [], within: fd })
      if (pid < 0 || (await endOf(pid))[0] !== 0) throw new Error('not permitted')
    } catch (error) {
      closeSync(fd)
      throw error
    }
    if (this.#first !== first) return closeSync(fd)
    this.#fd = fd
    this.#endLater()
  }

  /** Where it never was there it is not tried again. */
  #ended(first: ChildProcess): void {
    if (this.#first !== first) return
    if (this.#fd === undefined) this.#isRefused = true
    this.#forget()
  }

  #forget(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#first = undefined
    clearTimeout(this.#idle)
  }
}
