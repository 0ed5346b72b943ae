import { readFileSync } from 'node:fs'
import * as libc from '../sys/libc.js'
import { IN_VIEW, VIEW_SHIFT } from './node-id.js'

/** A node of a mount as the kernel holds it for an open file. */
export interface HeldNode {
  ino: number
  view: number
}

/** How the kernel writes a FUSE node into a file handle: the node id, upper word first, and its generation. */
const FUSE_HANDLE = 0x81
const NODE_HIGH_AT = libc.FILE_HANDLE_HEADER
const NODE_LOW_AT = NODE_HIGH_AT + 4
const TWO_32 = 4294967296

/**
 * What a process has open under a descriptor, if it is a file of a FUSE mount. Asks the filesystem itself nothing, so that the thread that
 * serves it may call this.
 */
export function nodeOfFd(pid: number, fd: string): HeldNode | undefined {
  const handle = Buffer.alloc(libc.FILE_HANDLE_BYTES)
  if (libc.nameToHandle(`/proc/${pid}/fd/${fd}`, handle) < 0 || handle.readInt32LE(4) !== FUSE_HANDLE) return undefined
  const high = handle.readUInt32LE(NODE_HIGH_AT)
  const ino = (high & IN_VIEW) * TWO_32 + handle.readUInt32LE(NODE_LOW_AT)
  return { ino, view: high >>> VIEW_SHIFT }
}

/**
 * `major:minor` of the filesystem that holds what is open there; '' when the process has no such mount.
 * @throws system errors of /proc: ENOENT and ESRCH when the process or the descriptor is gone, EACCES for another user's
 */
export function deviceOfFd(pid: number, fd: string): string {
  const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1]
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
    const [id, , device] = line.split(' ', 3)
    if (id === mount) return device
  }
  return ''
}
