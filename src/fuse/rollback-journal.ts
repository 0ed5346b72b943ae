import { ESTALE } from '../errors.js'
import { ifThere, namesIn } from '../sys/index.js'
import type { Exchange } from './exchange.js'
import { LIVE_VIEW, viewOfIncarnation } from './node-id.js'
import { deviceOfFd, type HeldNode, nodeOfFd } from './node-of-fd.js'
import { HeaderWord } from './protocol.js'

const SUFFIX = '-journal'
/** The process ended, or closed the file. */
const GONE: readonly string[] = ['ENOENT', 'ESRCH']

/** The name is nothing special now. */
export const FREE = 0
/** Others may use it; who asks next is to be looked at again. */
export const WATCHED = 1

/**
 * Whether the asking process may find or make `name` in the directory of this request. SQLite writes into NAME-journal how NAME was before a
 * transaction, and whoever opens NAME next rolls that back. A process in the middle of a transaction while the volume goes to another state
 * would leave there pages of the state that it knew, for a database that has another content: its next write into NAME
 * fails, and the rollback then destroys what NAME has now. So whoever still holds NAME as it was gets ESTALE here as well.
 *
 * Source: https://www.sqlite.org/atomiccommit.html, sections 3.5 and 4.2.
 * @returns -ESTALE, `FREE`, `WATCHED`. Nothing is looked at unless NAME was open in a state that the volume left
 */
export function rollbackJournal(x: Exchange, name: string): number {
  if (!name.endsWith(SUFFIX) || x.view !== LIVE_VIEW) return FREE
  const ino = x.fs.lookup(x.ino, name.slice(0, -SUFFIX.length))
  if (ino <= 0) return FREE
  const view = viewOfIncarnation(x.fs.session.incarnation?.(ino) ?? 0)
  if (view === LIVE_VIEW) return FREE
  const device = x.options.device?.()
  const isOld = (node: HeldNode, fd: string, pid: number): boolean =>
    node.ino === ino && node.view !== view && (device === undefined || deviceOfFd(pid, fd) === device)
  return holds(x.in32[HeaderWord.pid], isOld) ? -ESTALE : WATCHED
}

/** Whether a process has a file open that `isIt`. One that cannot be seen may have. */
function holds(pid: number, isIt: (node: HeldNode, fd: string, pid: number) => boolean): boolean {
  if (pid === 0) return true
  const isHere = (fd: string): boolean => {
    const node = nodeOfFd(pid, fd)
    return node !== undefined && isIt(node, fd, pid)
  }
  try {
    return namesIn(`/proc/${pid}/fd`, GONE).some(fd => ifThere(() => isHere(fd), GONE) === true)
  } catch {
    return true
  }
}
