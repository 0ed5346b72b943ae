import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../sys/index.js'
import type { ResourceLimits } from './types.js'

/** What groups can bound here, and the files that say how much. Of processor time they only count how much was used. */
const controllers = {
  processes: { name: 'pids', v1: 'pids.max', v2: 'pids.max' },
  memoryBytes: { name: 'memory', v1: 'memory.limit_in_bytes', v2: 'memory.max' },
  cpuSeconds: { name: 'cpuacct', v1: undefined, v2: undefined },
} as const
type Bounded = keyof typeof controllers

/** A folder in which groups can be made for a controller. */
interface Place {
  folder: string
  version: 1 | 2
}

let places: Map<Bounded, Place> | undefined
let made = 0

/** Groups of the kernel that bound a command with all that it starts, whoever runs it. */
export class ControlGroup {
  readonly #folders: ReadonlyMap<string, Place['version']>
  readonly #bounded: ReadonlySet<Bounded>
  readonly #name: string

  private constructor(folders: ReadonlyMap<string, Place['version']>, bounded: ReadonlySet<Bounded>, name: string) {
    this.#folders = folders
    this.#bounded = bounded
    this.#name = name
  }

  /** Undefined where groups are not needed, or cannot be made: ordinary users, most containers. */
  static make(bounds: ResourceLimits): ControlGroup | undefined {
    // Of root the kernel counts no processes by itself; of others it does.
    const wanted = (Object.keys(controllers) as Bounded[]).filter(what => bounds[what] !== undefined && (what !== 'processes' || process.getuid?.() === 0))
    places ??= findPlaces()
    const name = `cairn-${process.pid}-${++made}`
    const folders = new Map<string, Place['version']>()
    const bounded = new Set<Bounded>()
    for (const what of wanted) {
      const place = places.get(what)
      if (place !== undefined && bound(join(place.folder, name), place.version, what, bounds[what] ?? 0, folders)) bounded.add(what)
    }
    return folders.size === 0 ? undefined : new ControlGroup(folders, bounded, name)
  }

  /** It holds for all that is in it together. */
  bounds(what: Bounded): boolean {
    return this.#bounded.has(what)
  }

  /** What has to be bounded otherwise, or can be as well: nobody may use alone what all of them may. */
  rest(bounds: ResourceLimits): ResourceLimits {
    return Object.fromEntries(Object.entries(bounds).filter(([what]) => what === 'cpuSeconds' || !this.#bounded.has(what as Bounded)))
  }

  /** Processor time of all that is or was in it; 0 where that is not counted. */
  usedSeconds(): number {
    const place = this.#bounded.has('cpuSeconds') ? places?.get('cpuSeconds') : undefined
    return place === undefined ? 0 : usedSecondsIn(join(place.folder, this.#name), place.version)
  }

  /**
   * Where a process of one thread enters them. In version 1 as that thread: a whole process has to wait until no other one is forking or ending anywhere, which takes the kernel
   * 10 ms. Version 2 lets only processes in.
   */
  get files(): string[] {
    return [...this.#folders].map(([folder, version]) => join(folder, version === 1 ? 'tasks' : 'cgroup.procs'))
  }

  /** When nothing runs in them any more; the kernel may take a moment to see that. */
  async remove(): Promise<void> {
    for (const folder of this.#folders.keys()) {
      for (let tries = 0; tries < limits.execSweeps && !removed(folder); tries++) await sleep(tries)
    }
  }
}

function bound(folder: string, version: 1 | 2, what: Bounded, value: number, folders: Map<string, Place['version']>): boolean {
  try {
    mkdirSync(folder, { recursive: true })
    folders.set(folder, version)
    const file = controllers[what][`v${version}`]
    if (file !== undefined) writeFileSync(join(folder, file), `${value}`)
    const swap = join(folder, 'memory.swap.max')
    if (what === 'memoryBytes' && existsSync(swap)) writeFileSync(swap, '0')
    return true
  } catch {
    return false
  }
}

/** Version 2 counts it in every group, whatever controllers that has. */
export function usedSecondsIn(folder: string, version: 1 | 2): number {
  if (version === 1) return Number(textOf(join(folder, 'cpuacct.usage'))) / 1e9
  return Number(/^usage_usec (\d+)$/m.exec(textOf(join(folder, 'cpu.stat')))?.[1] ?? 0) / 1e6
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function findPlaces(): Map<Bounded, Place> {
  const found = new Map<Bounded, Place>()
  const groups = ownGroups()
  for (const { folder, type, options } of mounts()) {
    for (const what of Object.keys(controllers) as Bounded[]) {
      const { name } = controllers[what]
      const own = groups.get(type === 'cgroup2' ? '' : name)
      if (found.has(what) || own === undefined || (type === 'cgroup' && !options.includes(name))) continue
      const usable = [join(folder, own), folder].find(place => canHold(place, type, name))
      if (usable !== undefined) found.set(what, { folder: usable, version: type === 'cgroup2' ? 2 : 1 })
    }
  }
  for (const { folder } of found.values()) removeLeftovers(folder)
  return found
}

/** Groups of this process by controller; '' for version 2. */
function ownGroups(): Map<string, string> {
  const lines = textOf('/proc/self/cgroup')
    .split('\n')
    .map(line => line.split(':'))
  return new Map(lines.flatMap(([, names, path]) => (path === undefined ? [] : names.split(',').map(name => [name, path] as const))))
}

function mounts(): Array<{ folder: string; type: string; options: string[] }> {
  return textOf('/proc/self/mountinfo')
    .split('\n')
    .flatMap(line => {
      const [before, after] = line.split(' - ')
      const [type, , options] = after?.split(' ') ?? []
      return type === 'cgroup' || type === 'cgroup2' ? [{ folder: before.split(' ')[4], type, options: options.split(',') }] : []
    })
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Tried, because what may be written says too little. */
function canHold(folder: string, type: string, controller: string): boolean {
  const trial = join(folder, `cairn-${process.pid}-0`)
  try {
    if (type === 'cgroup2') {
      if (controller === controllers.cpuSeconds.name) return triedIn(trial) && textOf(join(folder, 'cpu.stat')) !== ''
      if (!textOf(join(folder, 'cgroup.controllers')).split(/\s/).includes(controller)) return false
      if (!textOf(join(folder, 'cgroup.subtree_control')).split(/\s/).includes(controller))
        writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`)
    }
    return triedIn(trial)
  } catch {
    return false
  }
}

function triedIn(trial: string): boolean {
  mkdirSync(trial, { recursive: true })
  return removed(trial)
}

/** Of programs that were killed. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^cairn-(\d+)-\d+$/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removed(join(folder, name))
  }
}
