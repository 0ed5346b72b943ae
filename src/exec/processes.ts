/** Processes of this machine, as /proc tells of them. */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, which the kernel keeps at this for all that it tells programs. */
const TICKS_PER_SECOND = 100
/** Of the flags in /proc/PID/stat. */
const KERNEL_THREAD = 0x200000
/** When it began, counted behind its flags. */
const BEGAN_AT = 12

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It ended, or is somebody else's.
    return ''
  }
}

/** Numbers of the processes that `pid` started and that live. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(task => numbersIn(readText(`/proc/${pid}/task/${task}/children`)))
  } catch {
    return []
  }
}

function numbersIn(text: string): number[] {
  return text.split(' ').filter(Boolean).map(Number)
}

/** The same with those that they started, and so on. */
export function descendantsOf(pid: number): number[] {
  const found = new Set<number>()
  const queue = childrenOf(pid)
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next)) continue
    found.add(next)
    queue.push(...childrenOf(next))
  }
  return [...found]
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** Processes that were started with this entry in their environment, and have not replaced it. Of this user's; all of them for root. */
export function processesWith(entry: string): number[] {
  const wanted = `\0${entry}\0`
  return allProcesses().filter(pid => pid !== process.pid && `\0${readText(`/proc/${pid}/environ`)}`.includes(wanted) && !isDead(pid))
}

/** Since this machine was started, in the unit in which it says when processes began. */
export function nowInTicks(): number {
  return Number(readText('/proc/uptime').split(' ')[0]) * TICKS_PER_SECOND
}

/**
 * Whether a process that began since then is just becoming another program: its environment is empty for that moment, so that it is none of `processesWith`.
 * @param sinceTicks see `nowInTicks`
 */
export function isAnyStarting(sinceTicks: number): boolean {
  return allProcesses().some(pid => {
    const [state, , , , , , flags, ...rest] = readText(`/proc/${pid}/stat`)
      .replace(/^\d+ \(.*\) /s, '')
      .split(' ')
    if (state === undefined || state === '' || 'ZX'.includes(state) || (Number(flags) & KERNEL_THREAD) !== 0) return false
    return Number(rest[BEGAN_AT]) >= Math.floor(sinceTicks) && isEmpty(`/proc/${pid}/environ`)
  })
}

function isEmpty(path: string): boolean {
  try {
    return readFileSync(path).length === 0
  } catch {
    // It ended, or is somebody else's.
    return false
  }
}

/** It ended, and whoever started it has not asked how. */
function isDead(pid: number): boolean {
  return /^\d+ \(.*\) [ZX]/s.test(readText(`/proc/${pid}/stat`))
}

/** It ended, whether or not whoever has to ask how did so. */
export function isGone(pid: number): boolean {
  return readText(`/proc/${pid}/stat`) === '' || isDead(pid)
}

/** False when there is no such process, or it is not ours. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
