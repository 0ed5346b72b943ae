import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import { fileOf, pipe, posixSpawn } from '../sys/posix-spawn.js'
import { endOf } from './children.js'
import { withoutOthers } from './others.js'
import type { Start } from './types.js'

/** What is at descriptors 0, 1 and 2: this program's own, a pipe, or, to be read, nothing. */
export interface Standard {
  stdin: 'inherit' | 'pipe' | 'ignore'
  output: 'inherit' | 'pipe'
}

/** A process that was started, and this side of its descriptors. */
export interface Launched {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined
  /** By number; null or absent where nothing is to be read or written here. */
  readonly stdio: ReadonlyArray<Readable | Writable | null | undefined>
  /** How it ended; rejects when it could not be started. */
  readonly ended: Promise<[code: number | null, signal: NodeJS.Signals | null]>
}

let isFirst = true

/**
 * Starts a process in a session of its own: the terminal's signals are this process's to hand on. The first of a program is started by Node: to load what starts the others, in
 * less than half of the time, takes as long as ten of them.
 */
export function launch(start: Start, standard: Standard): Launched {
  const direct = start.room !== undefined || (!isFirst && canDirectly())
  isFirst = false
  return direct ? launchDirectly(start, standard) : launchByNode(start, standard)
}

let works: boolean | undefined

/** Signals are heard by the main thread alone; what is not Node may do otherwise with children and descriptors. */
export function canDirectly(): boolean {
  works ??= isMainThread && process.platform === 'linux' && !('bun' in process.versions || 'deno' in process.versions) && tried()
  return works
}

function tried(): boolean {
  try {
    return posixSpawn({ file: '/no/such/program', args: [], env: {}, cwd: '/', fds: [] }) < 0
  } catch {
    // A C library from before 2021.
    return false
  }
}

export function launchByNode(start: Start, { stdin, output }: Standard): Launched {
  const given = start.descriptors.flatMap(one => ('fd' in one ? [one.fd] : []))
  let child: ChildProcess
  try {
    const stdio = withoutOthers([stdin, output, output, ...start.descriptors.map(one => ('fd' in one ? one.fd : ('pipe' as const)))])
    child = spawn(start.file, start.args, { cwd: start.cwd, env: { ...start.env }, detached: true, stdio })
  } finally {
    for (const fd of given) closeSync(fd)
  }
  for (const [i, descriptor] of start.descriptors.entries()) {
    const stream = child.stdio[i + FIRST_OWN_FD] as Socket | null | undefined
    // It may end before it has read all.
    stream?.on('error', () => undefined)
    if ('write' in descriptor) stream?.end(descriptor.write)
  }
  const ended = new Promise<Awaited<Launched['ended']>>((resolve, reject) => {
    child.on('exit', (code, signal) => resolve([code, signal]))
    child.on('error', error => {
      if (child.pid === undefined) reject(error)
    })
  })
  return { pid: child.pid, stdio: child.stdio, ended }
}

const FIRST_OWN_FD = 3

export function launchDirectly(start: Start, standard: Standard): Launched {
  const ends = new Ends()
  try {
    for (const what of [standard.stdin === 'pipe' ? 'write' : standard.stdin, ...Array(2).fill(standard.output === 'pipe' ? 'read' : 'inherit')]) ends.add(what)
    for (const one of start.descriptors) ends.add('fd' in one ? one.fd : 'write' in one ? checked(fileOf(one.write)) : 'read')
    const { file, args, cwd, env, room } = start
    const pid = checked((room?.spawn ?? posixSpawn)({ file, args, cwd, env, fds: ends.theirs }))
    const over = (): void => {
      room?.release()
      ends.ours[0]?.destroy()
    }
    return { pid, stdio: ends.ours, ended: endOf(pid).finally(over) }
  } catch (error) {
    start.room?.release()
    for (const stream of ends.ours) stream?.destroy()
    return { pid: undefined, stdio: ends.ours, ended: Promise.reject(error) }
  } finally {
    // What it has is its own now.
    for (const fd of ends.handedOn) closeSync(fd)
  }
}

/** Descriptors of a process that is to be started, and the other ends of its pipes. */
class Ends {
  readonly theirs: number[] = []
  readonly ours: Array<Socket | undefined> = []
  /** Of theirs, those that are not this program's own. */
  readonly handedOn: number[] = []

  /** The next one: a pipe that is read or written here, this program's of the same number, nothing to read, or one that there is. */
  add(what: 'read' | 'write' | 'inherit' | 'ignore' | number): void {
    const at = this.theirs.length
    if (what === 'inherit') this.theirs.push(at)
    else if (what === 'read' || what === 'write') this.#addPipe(at, what === 'read')
    else {
      const fd = what === 'ignore' ? openSync('/dev/null', 'r') : what
      this.theirs.push(fd)
      this.handedOn.push(fd)
    }
  }

  #addPipe(at: number, readable: boolean): void {
    const pair = pipe()
    if (typeof pair === 'number') throw failure(pair)
    const [ours, theirs] = readable ? pair : pair.reverse()
    this.theirs.push(theirs)
    this.handedOn.push(theirs)
    // It may end before it has read all.
    this.ours[at] = new Socket({ fd: ours, readable, writable: !readable }).on('error', () => undefined)
  }
}

function checked(result: number): number {
  if (result < 0) throw failure(result)
  return result
}

function failure(errno: number): Error {
  return new Error(getSystemErrorName(errno))
}
