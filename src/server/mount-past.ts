import { ENOENT } from '../errors.js'
import { type FuseLoop, invalAttributes, invalInode } from '../fuse/index.js'
import { systemClock } from '../sys/index.js'
import { write } from '../sys/libc.js'
import { Access, Control, HistoryFolder, Node, type Past, type PathRules, VersionTree, View, Views } from '../views/index.js'
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
  /** Of a view: hidden is hidden in the past as well. */
  rules: PathRules | undefined
  /** Whether a mount with this id is there. */
  isMount: (id: number) => boolean
  loop: FuseLoop
  call: (method: string, ...args: unknown[]) => unknown
  /** Resolves when the kernel was told of these changes and of those that calls made. */
  tell: (changes: KernelChange[]) => Promise<void>
}

const ROOT_NODE = 1

/** `.cairn` of a mount. */
export function makePast({ record, open, fd, resumed, rules, isMount, loop, call, tell }: PastOptions): Past {
  const { volume, fs: live } = open
  const { rootIno } = record
  const node = (ino: number): number => (ino === rootIno ? ROOT_NODE : ino)
  const views = new Views({
    volume,
    mountId: record.id,
    rootIno,
    sub: record.sub ?? '/',
    resumed,
    isMount,
    isHeld: (view, ino) => send(fd, invalAttributes(node(ino), view)) !== -ENOENT,
    letGo: names => void tell(names.map(forget)),
  })
  const turn = () => {
    loop.pause()
    return new Promise<void>(resolve => void setImmediate(resolve))
  }
  // Handles that a server before this one gave out were lower.
  const mayCommand = record.view === undefined || record.view.control === true
  const firstHandle = Math.floor(systemClock.now()) * 1024
  const control = mayCommand ? new Control(new MountCommands({ record, open, call, tell, turn }), record.readOnly, firstHandle) : undefined
  const sub = record.sub ?? '/'
  return {
    views,
    versions: new VersionTree({ volume, live, mountId: record.id, rootIno, sub, isShown: rules && (path => rules.accessOf(path) !== Access.hidden) }),
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
