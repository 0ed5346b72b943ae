import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../sys/index.js'
import { childrenOf, descendantsOf, isAnyStarting, nowInTicks, processesWith, signal } from './processes.js'
import { becoming, running } from './script.js'
import type { Command, Enclosure, ResourceLimits, Start } from './types.js'

/** What makes a namespace of processes, and ends it with its maker: a program of ours (`native/start.c`), or two of util-linux, which take 2 ms more. */
export type NamespaceTools = ({ start: string } | { unshare: string; setpriv: string }) & {
  /** Not root: a namespace of users comes with it, in which everybody is who they are. */
  asUser: boolean
}

/** No sandbox, but a namespace of processes: the kernel ends all of it with its first process. */
export class PlainNamespace implements Enclosure {
  readonly sandbox = 'none'
  readonly #tools: NamespaceTools
  #tries = 0

  constructor(tools: NamespaceTools) {
    this.#tools = tools
  }

  start({ program, args, cwd, env }: Command, bounds: ResourceLimits, groups: readonly string[]): Start {
    const words = [program, ...args]
    const by = 'start' in this.#tools ? startedBy(this.#tools, bounds, groups, words) : unsharedBy(this.#tools, bounds, groups, words)
    return { ...by, cwd, env, descriptors: [] }
  }

  /** The first process of the namespace does not hear of it, and ends when the command does. */
  terminate(pid: number): void {
    const all = childrenOf(pid).flatMap(descendantsOf)
    if (all.length === 0) signal(-pid, 'SIGTERM')
    for (const one of all) signal(one, 'SIGTERM')
  }

  /** At first all but the first process, which then tells how the command ended; where they are made as fast as they are killed, that one as well. */
  kill(pid: number): void {
    const first = childrenOf(pid)
    const all = this.#tries++ === 0 ? first.flatMap(descendantsOf) : []
    for (const one of all.length === 0 ? first : all) signal(one, 'SIGKILL')
    if (first.length === 0) signal(-pid, 'SIGKILL')
  }

  async sweep(): Promise<void> {}

  wasStarted(): boolean {
    return true
  }
}

type By = Pick<Start, 'file' | 'args'>

/** As the head of `native/start.c` says. */
function startedBy({ start, asUser }: NamespaceTools & { start: string }, bounds: ResourceLimits, groups: readonly string[], words: string[]): By {
  const { memoryBytes = -1, cpuSeconds = -1, processes = -1 } = bounds
  const numbers = [process.pid, asUser ? 1 : 0, 0, memoryBytes, Math.ceil(cpuSeconds), processes, groups.length]
  return { file: start, args: [...numbers.map(String), ...groups, ...words] }
}

function unsharedBy(
  { setpriv, unshare, asUser }: NamespaceTools & { unshare: string; setpriv: string },
  bounds: ResourceLimits,
  groups: readonly string[],
  words: string[],
): By {
  const namespace = [...(asUser ? ['--user', '--map-current-user'] : []), '--pid', '--fork', '--mount-proc', '--kill-child=KILL']
  // Whoever starts it takes it along, however it ends.
  return { file: setpriv, args: ['--pdeathsig', 'KILL', unshare, ...namespace, '/bin/sh', ...running(bounds, groups, words)] }
}

/**
 * No sandbox and no namespace: a process group of its own, and whatever carries the mark of this command in its environment. A process that left the group and
 * cleared its environment is not found.
 */
export class PlainGroup implements Enclosure {
  readonly sandbox = 'none'
  readonly #mark: string
  readonly #setpriv: string | undefined
  readonly #sinceTicks = nowInTicks()

  /** @param mark an entry of the environment that no other command has, `NAME=value`, which the command is given */
  constructor(mark: string, setpriv: string | undefined) {
    this.#mark = mark
    this.#setpriv = setpriv
  }

  start(command: Command, bounds: ResourceLimits, groups: readonly string[]): Start {
    const inner = ['/bin/sh', ...becoming(bounds, groups, [command.program, ...command.args])]
    const [file, ...args] = this.#setpriv === undefined ? inner : [this.#setpriv, '--pdeathsig', 'KILL', ...inner]
    return { file, args, cwd: command.cwd, env: command.env, descriptors: [] }
  }

  terminate(pid: number): void {
    signal(-pid, 'SIGTERM')
    for (const one of processesWith(this.#mark)) signal(one, 'SIGTERM')
  }

  kill(pid: number): void {
    signal(-pid, 'SIGKILL')
    for (const one of processesWith(this.#mark)) signal(one, 'SIGKILL')
  }

  /** Who forks, or becomes another program, while the others are looked for is found the next time. */
  async sweep(pid: number): Promise<void> {
    signal(-pid, 'SIGKILL')
    for (let tries = 0; tries < limits.execSweeps; tries++) {
      const left = processesWith(this.#mark)
      if (left.length === 0 && !isAnyStarting(this.#sinceTicks)) return
      for (const one of left) signal(one, 'SIGKILL')
      await sleep(tries)
    }
  }

  wasStarted(): boolean {
    return true
  }
}
