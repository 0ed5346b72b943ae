import { availableParallelism, constants } from 'node:os'
import { Readable, type Writable } from 'node:stream'
import { CairnError } from '../errors.js'
import { limits, systemClock } from '../sys/index.js'
import { Capture } from './capture.js'
import { ControlGroup } from './control-group.js'
import { type Launched, launch } from './launch.js'
import type { Command, Enclosure, ResourceLimits, Start } from './types.js'

export interface RunOptions {
  enclosure: Enclosure
  /** Most milliseconds; then SIGTERM, after `graceMs` SIGKILL. */
  timeoutMs?: number
  graceMs?: number
  resources?: ResourceLimits
  /** Of stdout and of stderr that are kept, head and tail. */
  outputBytes?: number
  /** Default: nothing to read. */
  stdin?: 'inherit' | Uint8Array | Readable
  /** Where output goes: kept (the default), or straight to this process's own. */
  output?: 'capture' | 'inherit'
  /** Nothing more of this output is read until a promise that is returned resolves. */
  onStdout?: Tell
  onStderr?: Tell
  /** Ends the command as a timeout does. */
  signal?: AbortSignal
}

type Tell = (chunk: Buffer) => unknown

const FIRST_OWN_FD = 3
const KILLED = 128 + constants.signals.SIGKILL
const SPENT = 128 + constants.signals.SIGXCPU
/** Processor time that was used is looked at no sooner than after this. */
const LEAST_LOOK_MS = 20

/** How a command ended. */
export interface Ended {
  /** 128 + n when signal n ended it, as shells say it. */
  exitCode: number
  signal: NodeJS.Signals | null
  timedOut: boolean
  aborted: boolean
  durationMs: number
  stdout: Capture
  stderr: Capture
  /** Whether a bound held for all of its processes together, not for each. */
  isWhole(what: 'memoryBytes' | 'cpuSeconds'): boolean
}

/**
 * Runs a command to its end; none of its processes lives when this resolves, whatever they did.
 * @throws CairnError ERR_EXEC_START when it could not be started: nothing ran
 */
export async function runCommand(command: Command, options: RunOptions): Promise<Ended> {
  const { enclosure, resources = {} } = options
  const group = ControlGroup.make(resources)
  try {
    const start = group === undefined ? enclosure.start(command, resources, []) : enclosure.start(command, group.rest(resources), group.files)
    return await new Running(start, options, group).ended()
  } finally {
    await group?.remove()
  }
}

class Running {
  readonly #options: RunOptions
  readonly #child: Launched
  readonly #startedMs = systemClock.monotonic()
  readonly #stdout: Capture
  readonly #stderr: Capture
  #timedOut = false
  #aborted = false
  #isOver = false
  #isKilled = false
  /** Outputs whose reader is to take more first. */
  #held = 0
  #grace: NodeJS.Timeout | undefined
  readonly #group: ControlGroup | undefined
  /** It has used its processor time. */
  #isSpent = false
  #spending: NodeJS.Timeout | undefined

  constructor(start: Start, options: RunOptions, group: ControlGroup | undefined) {
    this.#options = options
    this.#group = group
    const kept = options.outputBytes ?? limits.execOutputBytes
    this.#stdout = new Capture(kept)
    this.#stderr = new Capture(kept)
    const { stdin = 'ignore', output } = options
    this.#child = launch(start, { stdin: typeof stdin === 'string' ? stdin : 'pipe', output: output === 'inherit' ? output : 'pipe' })
    this.#feed(start)
    this.#listen(1, this.#stdout, options.onStdout)
    this.#listen(2, this.#stderr, options.onStderr)
  }

  #listen(fd: 1 | 2, capture: Capture, tell: Tell | undefined): void {
    const stream = this.#child.stdio[fd] as Readable | null | undefined
    stream?.on('data', (chunk: Buffer) => {
      capture.add(chunk)
      const told = tell?.(chunk)
      if (!(told instanceof Promise)) return
      this.#held++
      stream.pause()
      const goOn = (): void => {
        this.#held--
        stream.resume()
      }
      told.then(goOn, goOn)
    })
  }

  #feed(start: Start): void {
    const { stdin, enclosure } = this.#options
    const input = this.#child.stdio[0] as Writable | null | undefined
    // The command may end before it has read all.
    input?.on('error', () => undefined)
    if (stdin instanceof Uint8Array) input?.end(stdin)
    else if (typeof stdin === 'object' && input) {
      stdin.on('error', () => input.end())
      stdin.pipe(input)
    }
    for (const [i, descriptor] of start.descriptors.entries()) {
      const stream = this.#child.stdio[i + FIRST_OWN_FD] as Readable | null | undefined
      if ('read' in descriptor) stream?.setEncoding('utf8').on('data', (text: string) => enclosure.heard?.(text))
    }
  }

  async ended(): Promise<Ended> {
    const { timeoutMs, signal, enclosure } = this.#options
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#end('timeout'), timeoutMs)
    const onAbort = (): void => this.#end('abort')
    signal?.addEventListener('abort', onAbort)
    this.#watchTime()
    if (signal?.aborted === true) onAbort()
    try {
      const [code, by] = await this.#child.ended.catch(error => Promise.reject(notStarted((error as Error).message)))
      this.#isOver = true
      await enclosure.sweep(this.#child.pid ?? 0)
      await this.#drained()
      return this.#result(code, by)
    } finally {
      clearTimeout(timer)
      clearTimeout(this.#grace)
      clearTimeout(this.#spending)
      signal?.removeEventListener('abort', onAbort)
      if (this.#options.stdin instanceof Object && 'unpipe' in this.#options.stdin) this.#options.stdin.unpipe()
    }
  }

  /** What it wrote is read to the end, however slow the reader is. Somebody who was not found may hold the pipe: they are not waited for. */
  #drained(): Promise<void> {
    const open = this.#child.stdio.filter((stream, i) => i !== 0 && stream instanceof Readable && !stream.closed)
    if (open.length === 0) return Promise.resolve()
    return new Promise(resolve => {
      let timer: NodeJS.Timeout
      const giveUp = (): void => {
        if (this.#held > 0) timer = setTimeout(giveUp, limits.execDrainMs)
        else for (const stream of open) stream?.destroy()
      }
      timer = setTimeout(giveUp, limits.execDrainMs)
      let left = open.length
      const closed = (): void => {
        if (--left > 0) return
        clearTimeout(timer)
        resolve()
      }
      for (const stream of open) stream?.once('close', closed)
    })
  }

  /** Looks again when it could be over at the earliest, were all processors its own. */
  #watchTime(): void {
    const { cpuSeconds } = this.#options.resources ?? {}
    if (cpuSeconds === undefined || this.#group?.bounds('cpuSeconds') !== true) return
    const leftMs = (cpuSeconds - this.#group.usedSeconds()) * 1000
    if (leftMs <= 0) this.#end('spent')
    else this.#spending = setTimeout(() => this.#watchTime(), Math.min(Math.max(leftMs / availableParallelism(), LEAST_LOOK_MS), limits.execTimeoutMs))
  }

  #end(why: 'timeout' | 'abort' | 'spent'): void {
    if (this.#isOver || this.#timedOut || this.#aborted || this.#isSpent) return
    if (why === 'timeout') this.#timedOut = true
    else if (why === 'abort') this.#aborted = true
    else this.#isSpent = true
    const { pid } = this.#child
    if (pid === undefined) return
    const { enclosure, graceMs } = this.#options
    enclosure.terminate(pid)
    this.#grace = setTimeout(() => this.#kill(pid), graceMs ?? limits.execGraceMs)
  }

  /** Once may be too early: the process that is to be killed may only be on its way. */
  #kill(pid: number): void {
    if (this.#isOver) return
    this.#isKilled = true
    this.#options.enclosure.kill(pid)
    this.#grace = setTimeout(() => this.#kill(pid), limits.execKillAgainMs)
  }

  #result(told: number | null, by: NodeJS.Signals | null): Ended {
    // What held it may have been killed before it could say so.
    const code = this.#isSpent ? SPENT : this.#isKilled ? KILLED : told
    const ended = this.#timedOut || this.#aborted || this.#isSpent
    if (!ended && !this.#options.enclosure.wasStarted())
      throw notStarted(this.#stderr.bytes().toString().trim() || (by === null ? `exit code ${code}` : `it was ended by ${by}`))
    const exitCode = code ?? 128 + (by === null ? 0 : constants.signals[by])
    return {
      exitCode,
      signal: this.#isSpent ? 'SIGXCPU' : (by ?? signalIn(exitCode)),
      timedOut: this.#timedOut,
      aborted: this.#aborted,
      durationMs: systemClock.monotonic() - this.#startedMs,
      stdout: this.#stdout,
      stderr: this.#stderr,
      isWhole: what => this.#group?.bounds(what) === true,
    }
  }
}

/** Shells, and what runs a command in a namespace, tell of a signal by the exit code. */
function signalIn(exitCode: number): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)
  return (found?.[0] as NodeJS.Signals | undefined) ?? null
}

function notStarted(reason: string): CairnError {
  return new CairnError(
    'ERR_EXEC_START',
    `The command could not be started: ${reason.replace(/\.$/, '')}.`,
    'Run `cairn doctor` to see what this machine has.',
    {
      exitCode: 125,
    },
  )
}
