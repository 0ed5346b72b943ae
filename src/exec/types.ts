/** What runs a command, and what is said of how it ran. */
import type { Program } from '../sys/posix-spawn.js'

/** How a command is kept from the rest of the machine. */
export type SandboxKind = 'bubblewrap' | 'none'

/** A program with its arguments, as execve(2) takes them. */
export interface Command {
  program: string
  args: readonly string[]
  /** Where it runs, as the command sees it. */
  cwd: string
  /** All of its environment. */
  env: Readonly<Record<string, string>>
}

/** Bounds of one command and of all that it starts. */
export interface ResourceLimits {
  /** Memory of all its processes where control groups can be used, else of each. */
  memoryBytes?: number
  /** Processor time of all its processes where control groups can be used, and of each. */
  cpuSeconds?: number
  /** Processes and threads at once. */
  processes?: number
}

/** How a process is started so that all that comes of it can be ended. */
export interface Start {
  file: string
  args: string[]
  cwd: string | undefined
  env: Readonly<Record<string, string>>
  /** Descriptors from 3 on: one to write to (and what to write), one to read from, or one of this process, closed here when it was handed on. */
  descriptors: Array<{ write: Buffer } | { read: true } | { fd: number }>
  /** Where it is started instead, by somebody else. */
  room?: Room
}

/** A place among whose mounts a program is started. */
export interface Room {
  /** As `posixSpawn` does it. */
  spawn(program: Program): number
  /** When what was started in it is over, or was not started. */
  release(): void
}

/** Where a command runs, and what ends it. */
export interface Enclosure {
  readonly sandbox: SandboxKind
  /** @param groups files of control groups that all of it is to be in: a process enters one by writing 0 there */
  start(command: Command, limits: ResourceLimits, groups: readonly string[]): Start
  /** What the descriptor that is read from said, as it comes. */
  heard?(text: string): void
  /** Asks all processes of a command to end. `pid`: of the process that was started. */
  terminate(pid: number): void
  /** Ends all of them, at once and for certain. */
  kill(pid: number): void
  /** What is left when the process that was started is gone; resolves when nothing is. */
  sweep(pid: number): Promise<void>
  /** False where the command itself was never started; asked when it is over. */
  wasStarted(): boolean
}
