/**
 * Programs started by posix_spawn(3). Node copies its own page tables for each child, which costs 1 ms and more for a large program; this borrows them until the child is another
 * program. Layouts of 64-bit Linux.
 */
import { closeSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { cFunction, cString, descriptorPair, ffi, orErrno } from './ffi.js'

type Bytes = Uint8Array

const cSpawn = cFunction<[Bytes, Bytes, Bytes, Bytes, Bytes, Bytes]>(
  'int posix_spawn(void *pid, void *path, void *actions, void *attributes, void *argv, void *envp)',
)
const cActions = cFunction<[Bytes]>('int posix_spawn_file_actions_init(void *actions)')
const cDup2 = cFunction<[Bytes, number, number]>('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)')
const cChdir = cFunction<[Bytes, Bytes]>('int posix_spawn_file_actions_addchdir_np(void *actions, void *path)')
const cCloseFrom = cFunction<[Bytes, number]>('int posix_spawn_file_actions_addclosefrom_np(void *actions, int least)')
const cActionsEnd = cFunction<[Bytes]>('int posix_spawn_file_actions_destroy(void *actions)')
const cAttributes = cFunction<[Bytes]>('int posix_spawnattr_init(void *attributes)')
const cFlags = cFunction<[Bytes, number]>('int posix_spawnattr_setflags(void *attributes, short flags)')
const cDefaults = cFunction<[Bytes, Bytes]>('int posix_spawnattr_setsigdefault(void *attributes, void *signals)')
const cMask = cFunction<[Bytes, Bytes]>('int posix_spawnattr_setsigmask(void *attributes, void *signals)')
const cWaitpid = cFunction<[number, Bytes, number]>('int waitpid(int pid, void *status, int options)')
const cPipe2 = cFunction<[Bytes, number]>('int pipe2(void *pair, int flags)')
const cMemfd = cFunction<[Bytes, number]>('int memfd_create(void *name, unsigned int flags)')
const cDupAbove = cFunction<[number, number, number]>('int fcntl(int fd, int command, int least)')

/** More than either C library has. */
const ACTIONS_BYTES = 256
const ATTRIBUTES_BYTES = 512
const SIGNALS_BYTES = 128
const POINTER_BYTES = 8
const ADDRESS_BYTES = 6
const SETSIGDEF = 0x04
const SETSIGMASK = 0x08
const SETSID = 0x80
const O_CLOEXEC = 0o2000000
const MFD_CLOEXEC = 1
const F_DUPFD_CLOEXEC = 1030
const WNOHANG = 1

export interface Program {
  /** Its whole path. */
  file: string
  args: readonly string[]
  /** All of its environment. */
  env: Readonly<Record<string, string>>
  cwd: string | undefined
  /** What its descriptors 0, 1, 2, … are. It has no others. */
  fds: readonly number[]
}

/**
 * Starts a program in a session of its own, with no signal blocked or ignored. Blocks until it is that program.
 * @returns its number, or the negated errno
 * @throws Error where the C library cannot do that
 */
export function posixSpawn({ file, args, env, cwd, fds }: Program): number {
  const actions = Buffer.alloc(ACTIONS_BYTES)
  const aside: number[] = []
  cActions(actions)
  try {
    // A low one could be replaced before it is used.
    const from = fds.map((fd, to) => (fd === to || fd >= fds.length ? fd : dupAbove(fd, fds.length, aside)))
    const steps = [
      cwd === undefined ? 0 : cChdir(actions, cString(cwd)),
      ...from.map((fd, to) => (fd < 0 ? -fd : cDup2(actions, fd, to))),
      cCloseFrom(actions, fds.length),
    ]
    const wrong = steps.find(errno => errno !== 0)
    if (wrong !== undefined) return -wrong
    const argv = pointers([file, ...args])
    const envp = pointers(Object.entries(env).map(([name, value]) => `${name}=${value}`))
    const pid = Buffer.alloc(4)
    const failed = cSpawn(pid, cString(file), actions, attributes(), argv, envp)
    return failed === 0 ? pid.readInt32LE(0) : -failed
  } finally {
    cActionsEnd(actions)
    for (const fd of aside) closeSync(fd)
  }
}

function dupAbove(fd: number, least: number, made: number[]): number {
  const copy = orErrno(cDupAbove(fd, F_DUPFD_CLOEXEC, least))
  if (copy >= 0) made.push(copy)
  return copy
}

let made: Buffer | undefined

function attributes(): Buffer {
  if (made !== undefined) return made
  made = Buffer.alloc(ATTRIBUTES_BYTES)
  cAttributes(made)
  cFlags(made, SETSIGDEF | SETSIGMASK | SETSID)
  cDefaults(made, Buffer.alloc(SIGNALS_BYTES, 0xff))
  cMask(made, Buffer.alloc(SIGNALS_BYTES))
  return made
}

/** An array of strings as C has it: pointers, a null one, and what they point to behind them, in one block. */
function pointers(words: readonly string[]): Buffer {
  const texts = Buffer.from(words.map(word => `${word}\0`).join(''), 'utf8')
  const table = (words.length + 1) * POINTER_BYTES
  const block = Buffer.alloc(table + texts.length)
  texts.copy(block, table)
  // Addresses of programs are below 2^48.
  const base = Number(ffi().address(block))
  let at = table
  for (let i = 0; i < words.length; i++) {
    block.writeUIntLE(base + at, i * POINTER_BYTES, ADDRESS_BYTES)
    at = block.indexOf(0, at) + 1
  }
  return block
}

const names = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]))

/** How a child of this process ended, which is then forgotten; undefined while it runs. */
export function endOfChild(pid: number): [code: number | null, signal: NodeJS.Signals | null] | undefined {
  const bytes = Buffer.alloc(4)
  const found = cWaitpid(pid, bytes, WNOHANG)
  if (found === 0) return undefined
  // Somebody else asked first.
  if (found < 0) return [null, null]
  const status = bytes.readInt32LE(0)
  const by = status & 0x7f
  return by === 0 ? [(status >> 8) & 0xff, null] : [null, names.get(by) ?? null]
}

/** Two ends of a pipe, closed on exec; or the negated errno. */
export function pipe(): [from: number, to: number] | number {
  return descriptorPair(pair => cPipe2(pair, O_CLOEXEC))
}

/** A file without a name that holds this, to be read from its start, closed on exec; or the negated errno. */
export function fileOf(bytes: Uint8Array): number {
  const fd = orErrno(cMemfd(cString('cairn'), MFD_CLOEXEC))
  for (let at = 0; fd >= 0 && at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at)
  return fd
}
