import { ENOENT } from '../errors.js'
import { type FuseLoop, invalAttributes, invalInode } from '../fuse/index.js'
import { systemClock } from '../sys/index.js'
import { write } from '../sys/libc.js'
import { Control, HistoryFolder, Node, type Past, VersionTree, View, Views } from '../views/index.js'
import type { KernelChange } from './changes.js'
import { MountCommands } from './mount-commands.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

export interface PastOptions {
  record: MountRecord
  open: OpenVolume
  /** /dev/fuse of the mount. */
  fd: number
  resumed: boolean
  loop: FuseLoop
  call: (method: string, ...args: unknown[]) => unknown
  /** Resolves when the kernel was told of these changes and of those that calls made. */
  tell: (changes: KernelChange[]) => Promise<void>
}

const ROOT_NODE = 1

/** `.cairn` of a mount. */
export function makePast({ record, open, fd, resumed, loop, call, tell }: PastOptions): Past {
  const { volume, fs: live } = open
  const { rootIno } = record
  const node = (ino: number): number => (ino === rootIno ? ROOT_NODE : ino)
  const views = new Views({
    volume,
    mountId: record.id,
    rootIno,
    sub: record.sub ?? '/',
    resumed,
    isHeld: (view, ino) => send(fd, invalAttributes(node(ino), view)) !== -ENOENT,
    letGo: names => void tell(names.map(forget)),
  })
  const turn = () => {
    loop.pause()
    return new Promise<void>(resolve => void setImmediate(resolve))
  }
  // Handles that a server before this one gave out were lower.
  const control = new Control(new MountCommands({ record, open, call, tell, turn }), record.readOnly, Math.floor(systemClock.now()) * 1024)
  const sub = record.sub ?? '/'
  return {
    views,
    versions: new VersionTree({ volume, live, mountId: record.id, rootIno, sub }),
    uncache: (view, ino) => void send(fd, invalInode(node(ino), view)),
    control,
    folder: new HistoryFolder({ volume, live, rootIno, views, control }),
    send: reply => void send(fd, reply),
    settle: () => loop.pause(),
  }
}

function send(fd: number, message: Uint8Array): number {
  return write(fd, message, message.length)
}

/** @param name `checkpoints/NAME` or `at/REF` */
function forget(name: string): KernelChange {
  const cut = name.indexOf('/')
  const parent = name.startsWith('at') ? Node.at : Node.checkpoints
  return { parent, name: Buffer.from(name.slice(cut + 1)).toString('latin1'), ino: 0, view: View.folder }
}
