import type { Readable } from 'node:stream'
import type { SandboxKind } from '../../exec/index.js'
import type { MergeConflict } from '../../history/merge/types.js'
import type { Approval } from '../../policy/types.js'
import type { Change } from '../../volume/api.js'
import type { AskReply } from '../approvals/index.js'

/** How a command is run. Times in milliseconds. */
export interface ExecOptions {
  /** A directory of the volume; default its root. */
  cwd?: string
  /** Most milliseconds: then SIGTERM, and SIGKILL to whatever is left after `graceMs`. Default: none. */
  timeoutMs?: number
  /** Default 2000. */
  graceMs?: number
  /** Variables beside those that every command gets. Nothing else of this program's environment is handed on but locale, terminal and PATH. */
  env?: Readonly<Record<string, string>>
  /** What it reads. Default: nothing. `inherit`: what this program reads. */
  stdin?: 'inherit' | string | Uint8Array | Readable
  /** `inherit`: it writes to this program's own outputs, and nothing is captured. Default `capture`. */
  output?: 'capture' | 'inherit'
  /** Of each output that is kept: half of it from its start, half from its end. Default 256 KiB. */
  outputBytes?: number
  /** Output as it comes, whole, however much is kept of it. Where a promise is returned the command waits for it, once its pipe is full. */
  onStdout?: (chunk: Buffer) => void | Promise<void>
  onStderr?: (chunk: Buffer) => void | Promise<void>
  /**
   * A file of the volume that takes both outputs, whole and in the order in which they come. It is a change of the command, within the rules of the policy and the quota.
   * What is there is replaced; no symbolic link is followed.
   */
  outputFile?: string
  /** `stdout` and `stderr` of the answer as bytes. */
  encoding?: 'utf8' | 'buffer'
  /** It works in a fork, which is merged into the volume when the command succeeds, and dropped when it fails. Default: in the volume itself. */
  fork?: boolean
  /** Nothing can be changed. */
  readOnly?: boolean
  /** False: what was in no commit yet counts as the command's. Default true: it gets a commit of its own before. */
  checkpoint?: boolean
  /** What it changed is taken back when its exit code is not 0, or it was ended. */
  rollbackOnFailure?: boolean
  /** `auto` (the default): in bubblewrap where that works here. `strict`: or not at all. `none`: without. */
  sandbox?: 'auto' | 'strict' | 'none'
  /** Default `none` in a sandbox; without one the network cannot be taken away, and `none` is refused. */
  network?: 'none' | 'allow'
  /** Of all that it starts, where this machine can bound that, else of each process; default 4096 processes. */
  memoryBytes?: number
  cpuSeconds?: number
  processes?: number
  /** Folders of this host that a sandboxed command can read, under their own path. */
  readable?: readonly string[]
  /** Who does it, as log and audit say; default the actor of this `Cairn`. */
  actor?: string
  /** Why, for the log. */
  reason?: string
  /** Is told what the policy asks a person, and may answer; also to be answered by `cairn approve` and `deny`. */
  onAsk?: (approval: Approval) => AskReply | Promise<AskReply>
  /** Ends the command as a timeout does; what it changed stays, and is told. */
  signal?: AbortSignal
}

/** One path that a command changed. */
export interface ExecChange extends Pick<Change, 'path' | 'kind' | 'from' | 'sizeBefore' | 'sizeAfter' | 'type'> {}

/** What was decided before it ran. */
export interface ExecDecision {
  effect: 'allow' | 'checkpoint' | 'ask' | 'deny'
  rule?: string
  reason: string
  /** Who answered, where a person was asked. */
  by?: string
}

/** What became of a command. JSON-safe, but for outputs as bytes. */
export interface ExecResult<Output = string> {
  execId: string
  volume: string
  stdout: Output
  stderr: Output
  /** 128 + n when signal n ended it. */
  exitCode: number
  signal: string | null
  timedOut: boolean
  /** It was ended by `signal` of the options. */
  aborted: boolean
  durationMs: number
  /** Exactly what it changed; a directory that was renamed is one change. */
  changes: ExecChange[]
  /** The commit before it: `cairn restore VOL CHECKPOINT` goes back to it. */
  checkpoint?: string
  /** The commit with its changes; absent when it changed nothing. */
  commit?: string
  decision: ExecDecision
  /** Bytes in the middle of an output were let go of. */
  truncated: boolean
  omittedBytes?: { stdout: number; stderr: number }
  /** Something that it wrote was refused because a quota of the volume is reached: with EDQUOT, or EFBIG for a file that is too long. */
  quotaReached?: true
  /** With `outputFile`: where all of it is, and how much; `problem` when not all could be written, such as `EDQUOT`. */
  outputFile?: { path: string; bytes: number; problem?: string }
  sandbox: SandboxKind
  network: 'none' | 'allow'
  /** Of bounds that there were: whether they held for all that it started together, or for each process, where this machine can do no better. */
  bounds?: { memoryBytes?: 'all' | 'each'; cpuSeconds?: 'all' | 'each' }
  /** With `rollbackOnFailure`: whether what it changed was taken back. */
  rolledBack?: boolean
  /** With `fork`: what became of it. `conflicts`: it stays, and nothing was merged. */
  fork?: { volume: string; state: 'merged' | 'unchanged' | 'dropped' | 'conflicts'; conflicts?: MergeConflict[] }
}

/** What `execStream` tells: pieces of output as they come, then the result, whose outputs are those kept. */
export type ExecEvent = { type: 'stdout' | 'stderr'; data: Buffer } | { type: 'result'; result: ExecResult }

/** A command line: a program with its arguments, or text for `sh`. */
export type ExecCommand = { program: string; args: readonly string[] } | { shell: string }
