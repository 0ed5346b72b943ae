import { existsSync, openSync, realpathSync } from 'node:fs'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../sys/index.js'
import { type Hidden, linkAt } from './hidden-settings.js'
import { type KeptTree, treeWords } from './kept-tree.js'
import { childrenOf, descendantsOf, isGone, signal } from './processes.js'
import { becoming, becomingBy } from './script.js'
import { SYSTEM, type SystemFolders, systemFolders } from './system-folders.js'
import { WORKSPACE } from './tree-places.js'
import type { Command, Enclosure, ResourceLimits, Room, Start } from './types.js'

export interface SandboxOptions {
  program: string
  /** A namespace of users of its own, in which nobody can get more rights. */
  ownUsers: boolean
  /** It can forbid further ones. */
  disablesUsers: boolean
  /** What becomes the command (`native/start.c`); without it `sh` does. */
  start?: string
  /** The folder of this host that is the workspace. */
  workspace: string
  readOnly: boolean
  network: 'none' | 'allow'
  /** File with the filter of system calls; undefined where there is none for this processor. */
  seccompFile: string | undefined
  /** What is covered where it would be seen: settings that are secret, the folder of the volumes themselves. */
  hidden: readonly Hidden[]
  /** More folders of this host that can be read, under their own path. */
  readable?: readonly string[]
  /** What is the same for all of them, where that is kept; and which state of it, see `Secrets`. */
  kept?: { tree: KeptTree; stamp: string }
}

const ARGUMENTS_FD = 3
const STATUS_FD = 4
const SECCOMP_FD = 5
/** What was written before an end is read within so many turns of the event loop. */
const UNREAD_TURNS = 5

/** A command in namespaces of its own: sees the system read-only, its workspace, and nothing else of this machine. */
export class Bubblewrap implements Enclosure {
  readonly sandbox = 'bubblewrap'
  readonly #options: SandboxOptions
  #status = ''

  constructor(options: SandboxOptions) {
    this.#options = options
  }

  /** Arguments and environment go through a pipe: bubblewrap itself must not be led astray by the command's, and nobody else shall read them. */
  start(command: Command, bounds: ResourceLimits, groups: readonly string[]): Start {
    const { program, seccompFile, start } = this.#options
    const filter = seccompFile === undefined ? [] : [openSync(seccompFile, 'r')]
    // From inside they could not be opened.
    const entered = groups.map(file => openSync(file, 'w'))
    const entering = { firstFd: SECCOMP_FD + filter.length, count: entered.length }
    const starter = start === undefined ? [] : [openSync(start, 'r')]
    const words = [command.program, ...command.args]
    const becomes =
      start === undefined ? ['/bin/sh', ...becoming(bounds, entering, words)] : becomingBy(entering.firstFd + entering.count, bounds, entering, words)
    const room = this.#room()
    const arguments_ = [...this.#namespaces(), ...(room === undefined ? this.#mounts() : treeWords(systemFolders())), ...inside(command)]
    const all = [...arguments_, ...(seccompFile === undefined ? [] : ['--seccomp', `${SECCOMP_FD}`])]
    return {
      ...(room === undefined ? {} : { room }),
      file: program,
      args: ['--args', `${ARGUMENTS_FD}`, '--', ...becomes],
      cwd: '/',
      env: {},
      descriptors: [{ write: Buffer.from(all.map(one => `${one}\0`).join('')) }, { read: true }, ...[...filter, ...entered, ...starter].map(fd => ({ fd }))],
    }
  }

  /** Undefined where it has to mount all by itself. */
  #room(): Room | undefined {
    const { kept, program, ownUsers, workspace, readOnly, readable = [] } = this.#options
    const system = systemFolders()
    if (kept === undefined || readable.length > 0 || this.#names().length > 0 || !system.folders.some(folder => isWithin(program, folder))) return undefined
    return kept.tree.take({ program, ownUsers, system, hidden: this.#covered(), stamp: kept.stamp }, workspace, readOnly)
  }

  #mounts(): string[] {
    const { workspace, readOnly, readable = [] } = this.#options
    return [
      ...systemWords(systemFolders()),
      ...['/dev/shm', '/tmp'].flatMap(path => ['--size', `${limits.execTemporaryBytes}`, '--tmpfs', path]),
      ...['--remount-ro', '/dev', '--symlink', '/tmp', '/var/tmp', '--dir', '/run'],
      ...this.#names(),
      ...readable.flatMap(path => ['--ro-bind', path, path]),
      ...this.#covered().flatMap(({ path, isFolder }) => (isFolder ? ['--tmpfs', path, '--remount-ro', path] : ['--ro-bind', '/dev/null', path])),
      ...[readOnly ? '--ro-bind' : '--bind', workspace, WORKSPACE],
      // What bubblewrap made to hold all this.
      ...['--remount-ro', '/'],
    ]
  }

  #namespaces(): string[] {
    const { ownUsers, disablesUsers, network } = this.#options
    return [
      ...(ownUsers ? ['--unshare-user'] : []),
      ...(ownUsers && disablesUsers ? ['--disable-userns'] : []),
      ...['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
      ...(network === 'none' ? ['--unshare-net'] : []),
      ...['--json-status-fd', `${STATUS_FD}`],
    ]
  }

  #covered(): readonly Hidden[] {
    const shown = [...SYSTEM, ...(this.#options.readable ?? [])]
    return this.#options.hidden.filter(({ path }) => shown.some(folder => isWithin(path, folder)))
  }

  /** How names of hosts are looked up is often said in a file outside of /etc. */
  #names(): string[] {
    if (this.#options.network === 'none' || linkAt('/etc/resolv.conf') === undefined || !existsSync('/etc/resolv.conf')) return []
    const real = realpathSync('/etc/resolv.conf')
    return ['--ro-bind', real, real]
  }

  heard(text: string): void {
    this.#status += text
  }

  #told(): number | undefined {
    const told = /"child-pid": (\d+)/.exec(this.#status)?.[1]
    return told === undefined ? undefined : Number(told)
  }

  /** The first process of the namespace, as this process sees it. */
  #first(pid: number): number | undefined {
    return this.#told() ?? childrenOf(pid)[0]
  }

  terminate(pid: number): void {
    const first = this.#first(pid)
    const all = first === undefined ? [] : descendantsOf(first)
    if (all.length === 0) this.kill(pid)
    for (const one of all) signal(one, 'SIGTERM')
  }

  kill(pid: number): void {
    const first = this.#first(pid)
    if (first !== undefined) signal(first, 'SIGKILL')
    else signal(pid, 'SIGKILL')
  }

  /** The kernel ends the first process after what started it, which is told first; and that one after all others in there. */
  async sweep(): Promise<void> {
    // It said which one that is; that may not be read yet.
    for (let tries = 0; tries < UNREAD_TURNS && this.#told() === undefined; tries++) await setImmediate()
    const first = this.#told()
    for (let tries = 0; tries < limits.execSweeps && first !== undefined && !isGone(first); tries++) await sleep(tries)
  }

  /** Bubblewrap tells the exit code of a command that it started, and of no other. */
  wasStarted(): boolean {
    return this.#status.includes('"exit-code"')
  }
}

function inside({ cwd, env }: Command): string[] {
  return ['--chdir', cwd, '--clearenv', ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value])]
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function systemWords({ folders, links, settings }: SystemFolders): string[] {
  return [
    ...folders.flatMap(path => ['--ro-bind', path, path]),
    ...links.flatMap(([target, path]) => ['--symlink', target, path]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...settings.flatMap(path => ['--ro-bind', path, path]),
  ]
}
