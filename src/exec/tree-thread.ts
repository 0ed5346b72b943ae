/**
 * The thread of `KeptTree`: it has mounts of its own, among which all that is the same for every sandbox stands ready, and starts bubblewrap in a copy of them that has what is a
 * command's own. The rest of the program keeps its root, its mounts and its current folder; nothing of them is seen from here, so that all code is loaded before the first request.
 */
import { closeSync, mkdirSync, openSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { limits } from '../sys/index.js'
import { MS_NODEV, MS_NOSUID, MS_RDONLY, mknod, mount } from '../sys/libc.js'
import {
  becomeRoot,
  bindMount,
  enterMounts,
  inTurn,
  keepMounts,
  NO_DEVICES,
  NO_SETUID,
  ownMounts,
  putMount,
  READ_ONLY,
  restrictMount,
  setMask,
} from '../sys/mount-trees.js'
import { posixSpawn } from '../sys/posix-spawn.js'
import { parentPort, workerData } from '../sys/threads.js'
import type { Furniture, InTree, TreeThreadData } from './kept-tree.js'
import { DEVICES, TREE, WORKSPACE } from './tree-places.js'

const MS_NOEXEC = 8
const S_IFCHR = 0o20000
const EIO = -5
/** Where the root is put together: in a folder that every system has, and that root has as well. */
const BASE = '/tmp'
const ONLY_READ = READ_ONLY | NO_SETUID | NO_DEVICES
const LINKS: ReadonlyArray<readonly [target: string, path: string]> = [
  ['/proc/self/fd/0', '/dev/stdin'],
  ['/proc/self/fd/1', '/dev/stdout'],
  ['/proc/self/fd/2', '/dev/stderr'],
  ['/proc/self/fd', '/dev/fd'],
  ['/proc/kcore', '/dev/core'],
  ['pts/ptmx', '/dev/ptmx'],
  ['/tmp', '/var/tmp'],
]

const { port, answers } = workerData as TreeThreadData
const answered = new Int32Array(answers)
/** The namespace that has the tree. */
let kept: number | undefined

parentPort?.on('message', (furniture: Furniture) => parentPort?.postMessage(build(furniture)))

port.on('message', (request: InTree) => {
  port.postMessage(spawn(request))
  Atomics.add(answered, 0, 1)
  Atomics.notify(answered, 0)
})

/** What was wrong; undefined when it stands. The tree before serves until then, and what runs in it goes on. */
function build(furniture: Furniture): string | undefined {
  try {
    must('a namespace of mounts', ownMounts())
    must('a namespace apart', keepMounts())
    makeRoot(furniture)
    makeDevices()
    for (const { path, isFolder } of furniture.hidden) must(path, cover(TREE + path, isFolder))
    must('a tree that is only read', restrictMount(TREE, ONLY_READ))
    if (kept !== undefined) closeSync(kept)
    kept = openSync('/proc/thread-self/ns/mnt', 'r')
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** Bubblewrap itself finds its program, its libraries and /proc in this root. */
function makeRoot({ proc, folders, links }: Furniture): void {
  setMask(0o022)
  must('a root', mountMemory(BASE))
  for (const name of ['tmp', 'proc', TREE]) mkdirSync(`${BASE}/${name}`)
  must('/proc', putMount(proc, `${BASE}/proc`))
  must('the root', becomeRoot(BASE))
  must('a tree', mountMemory(TREE))
  for (const name of ['proc', 'dev', 'tmp', 'run', 'var']) mkdirSync(`${TREE}/${name}`)
  mkdirSync(TREE + WORKSPACE)
  for (const [target, path] of links) for (const root of ['', TREE]) link(target, root + path)
  for (const [path, fd] of folders) {
    link(TREE + path, path)
    mkdirSync(TREE + path, { recursive: true })
    must(path, putMount(fd, TREE + path))
  }
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(target, path)
}

/** One mount with the devices themselves: bubblewrap would have one for each, and read the table of all mounts so much longer. What runs in there cannot make any. */
function makeDevices(): void {
  must('/dev', mount('tmpfs', `${TREE}/dev`, 'tmpfs', MS_NOSUID, 'mode=0755'))
  setMask(0)
  for (const [name, major, minor] of DEVICES) must(name, mknod(`${TREE}/dev/${name}`, S_IFCHR | 0o666, (major << 8) | minor))
  setMask(0o022)
  for (const name of ['shm', 'pts']) mkdirSync(`${TREE}/dev/${name}`)
  for (const [target, path] of LINKS) symlinkSync(target, TREE + path)
  must('/dev that is only read', restrictMount(`${TREE}/dev`, READ_ONLY | NO_SETUID))
}

function cover(path: string, isFolder: boolean): number {
  return isFolder ? mount('tmpfs', path, 'tmpfs', MS_RDONLY | MS_NOSUID | MS_NODEV, 'mode=0755') : bindMount(`${TREE}/dev/null`, path, ONLY_READ)
}

function mountMemory(path: string, options = ''): number {
  return mount('tmpfs', path, 'tmpfs', MS_NOSUID | MS_NODEV, `mode=0755${options}`)
}

function must(what: string, result: number): void {
  if (result < 0) throw new Error(`${what}: ${getSystemErrorName(result)}`)
}

/** The number of the process, or the negated errno. */
function spawn({ program, workspace, mask }: InTree): number {
  if (kept === undefined) return EIO
  const size = `,size=${limits.execTemporaryBytes}`
  setMask(mask)
  const pid = inTurn([
    ownMounts,
    () => putMount(workspace, TREE + WORKSPACE),
    () => mountMemory(`${TREE}/tmp`, size),
    () => mountMemory(`${TREE}/dev/shm`, size),
    () => mount('devpts', `${TREE}/dev/pts`, 'devpts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=620'),
    () => posixSpawn(program),
  ])
  if (enterMounts(kept) < 0) kept = undefined
  return pid
}
