/** Processes of this machine, as /proc tells of them. */
import { readdirSync, readFileSync } from 'node:fs'

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

/** Processes that were started with this entry in their environment, and have not replaced it. Of this user's; all of them for root. */
export function processesWith(entry: string): number[] {
  const wanted = `\0${entry}\0`
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => pid !== process.pid && `\0${readText(`/proc/${pid}/environ`)}`.includes(wanted) && !isDead(pid))
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
