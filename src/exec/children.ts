import { limits } from '../sys/index.js'
import { endOfChild } from '../sys/posix-spawn.js'

type End = [code: number | null, signal: NodeJS.Signals | null]

/** Children of this process that Node does not know of. */
const living = new Map<number, (end: End) => void>()
let looking: NodeJS.Timeout | undefined

/** How a child ends. This program goes on until then. */
export function endOf(pid: number): Promise<End> {
  if (living.size === 0) begin()
  return new Promise(resolve => living.set(pid, resolve))
}

/** The signal tells that some of them ended, not which. */
function look(): void {
  for (const [pid, tell] of living) {
    const end = endOfChild(pid)
    if (end === undefined) continue
    living.delete(pid)
    tell(end)
  }
  if (living.size === 0) stop()
}

function begin(): void {
  process.on('SIGCHLD', look)
  // Holds the event loop, which a signal does not, and finds what a handler of somebody else's may have swallowed.
  looking = setInterval(look, limits.execLookMs)
}

function stop(): void {
  process.off('SIGCHLD', look)
  clearInterval(looking)
}
