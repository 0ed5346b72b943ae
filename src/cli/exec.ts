import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import { CairnError } from '../errors.js'
import { parseSize } from '../sdk/config.js'
import type { ExecCommand, ExecOptions, ExecResult } from '../sdk/types.js'
import { limits } from '../sys/index.js'
import { parseWait } from './age.js'
import type { Context } from './context.js'
import { NOT_RUN, usageError } from './errors.js'
import { plural, printable } from './format.js'
import type { Sink } from './output.js'
import type { Options, Run } from './spec.js'
import { StandardOutput } from './standard-output.js'

/** What is not the command's own end. */
const TIMED_OUT = 124

/** Exits as the command did; 124 when its time was over, 125 when it could not be run, 126 when it may not be, 127 when there is no such program. */
export const run: Run = async (context, [operand, ...others], options) => {
  try {
    if (others.length > 0) throw usageError(`${others[0]} is more than is taken here.`, 'Write one volume, and the command behind `--`.')
    const command = commandOf(context.globs, options)
    const asked = execOptions(options)
    const name = await context.volumeName(operand)
    await context.refuseReadOnly()
    const cairn = await context.cairn()
    const stop = endedBySignals()
    try {
      const all = { ...asked, ...streamsOf(context, asked.outputFile !== undefined), signal: stop.signal, onAsk: waits(context) }
      const result = await context.helped(() => cairn.exec(name, command, { ...all, encoding: 'buffer' }))
      if (context.json) await context.result(jsonOf(result), () => [])
      else notes(context, result)
      return exitCodeOf(result)
    } finally {
      stop.forget()
    }
  } catch (error) {
    return context.notRun(error)
  }
}

function commandOf(words: readonly string[], options: Options): ExecCommand {
  const { shell } = options
  if (typeof shell === 'string') {
    if (words.length > 0) throw usageError('There is a command both behind --shell and behind --.', 'Give one of them.')
    return { shell }
  }
  if (words.length === 0) throw usageError('There is no command to run.', 'Write it behind `--`: cairn exec work -- npm test')
  return { program: words[0], args: words.slice(1) }
}

/** The options of exec and race, as the library takes them. */
export function execOptions(options: Options): ExecOptions {
  const { cwd, timeout, env, reason, memory, outputFile } = options
  if (options['fork'] === true && options['inPlace'] === true) throw usageError('--fork and --in-place contradict each other.', 'Give one of them.')
  return {
    ...(typeof cwd === 'string' && { cwd }),
    ...(typeof timeout === 'string' && { timeoutMs: timeoutOf(timeout) }),
    ...(typeof outputFile === 'string' && { outputFile }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof memory === 'string' && { memoryBytes: sizeOf(memory) }),
    ...(env !== undefined && { env: variables(env as unknown as string[]) }),
    ...(options['fork'] === true && { fork: true }),
    ...(options['readOnly'] === true && { readOnly: true }),
    ...(options['checkpoint'] === false && { checkpoint: false }),
    ...(options['rollbackOnFailure'] === true && { rollbackOnFailure: true }),
    ...(options['readable'] !== undefined && { readable: options['readable'] as unknown as string[] }),
    ...oneOf(options, 'sandbox', ['auto', 'strict', 'none'] as const),
    ...oneOf(options, 'network', ['none', 'allow'] as const),
  }
}

function timeoutOf(text: string): number {
  const ms = parseWait(text)
  if (ms >= 1 && ms <= limits.execTimeoutMs) return ms
  throw new CairnError('ERR_EXEC_OPTION', `--timeout is ${text}.`, 'Write a time from 1ms to 7d, such as 30s or 5m.', { exitCode: NOT_RUN })
}

function oneOf<Name extends string, const Value extends string>(options: Options, name: Name, values: readonly Value[]): { [key in Name]?: Value } {
  const given = options[name]
  if (given === undefined) return {}
  const found = values.find(value => value === given)
  if (found === undefined) throw usageError(`--${name} is ${given}.`, `Write one of ${values.join(', ')}.`)
  return { [name]: found } as { [key in Name]?: Value }
}

function variables(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => {
      const at = pair.indexOf('=')
      if (at < 1) throw usageError(`${pair} sets no variable.`, 'Write --env NAME=VALUE, and the volume before it.')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function sizeOf(text: string): number {
  const size = parseSize(text)
  if (size === undefined || size === 0) throw usageError(`${text} is no size.`, 'Write a number of bytes, or a size such as 512M or 2G.')
  return size
}

/** The command has this process's own streams, unless its output is captured, or this is no process of its own. */
function streamsOf(context: Context, isCaptured: boolean): ExecOptions {
  const { stdin, stdout, stderr } = context.streams
  const isProcess = stdout instanceof StandardOutput
  const input = isProcess ? 'inherit' : (stdin as Readable)
  if (context.json) return { stdin: input }
  if (isProcess && !isCaptured) return { stdin: input, output: 'inherit' }
  return { stdin: input, onStdout: chunk => passedOn(stdout, chunk), onStderr: chunk => passedOn(stderr, chunk) }
}

/** Whoever reads it slowly holds the command up. */
function passedOn(stream: Sink, chunk: Buffer): Promise<void> | undefined {
  if (stream.write(chunk)) return undefined
  return new Promise(resolve => void stream.once('drain', resolve))
}

/** Whoever waits is told for what. It is answered elsewhere. */
export function waits(context: Context): NonNullable<ExecOptions['onAsk']> {
  return ({ id, reason, untilMs }) => {
    const left = Math.max(0, Math.ceil((untilMs - Date.now()) / 1000))
    context.out.note(
      `cairn: ${printable(reason).replace(/(?<![.!?…])$/, '.')} Waiting for an answer, at most ${left} s: \`cairn approve ${id}\` or \`cairn deny ${id}\`.`,
    )
    return undefined
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Whoever ends this process ends the command, and hears what became of it. */
function endedBySignals(): { signal: AbortSignal; forget: () => void } {
  const abort = new AbortController()
  const end = (): void =>
    abort.abort(new CairnError('ERR_EXEC_ABORTED', 'The command was not run: it was ended before.', 'Run it again.', { exitCode: NOT_RUN }))
  for (const name of SIGNALS) process.on(name, end)
  return {
    signal: abort.signal,
    forget: () => {
      for (const name of SIGNALS) process.off(name, end)
    },
  }
}

/** Bytes that are no text stand there encoded as well, so that nothing is lost. */
export function jsonOf({ stdout, stderr, ...rest }: ExecResult<Buffer>): object {
  return { ...rest, ...textOf('stdout', stdout), ...textOf('stderr', stderr) }
}

function textOf(name: string, bytes: Buffer): object {
  const text = bytes.toString('utf8')
  return { [name]: text, ...(isUtf8(bytes) ? {} : { [`${name}Base64`]: bytes.toString('base64') }) }
}

/** What a person must know who saw the output go by. */
function notes(context: Context, { fork, rolledBack, timedOut, changes, durationMs, quotaReached, volume }: ExecResult<Buffer>): void {
  if (timedOut) context.out.note(`cairn: The command was ended after ${Math.round(durationMs)} ms: its time was over.`)
  if (quotaReached === true) context.out.note(`cairn: Not all that it wrote is there: a quota of ${volume} is reached. See \`cairn quota ${volume}\`.`)
  if (rolledBack === true) context.out.note(`cairn: ${plural(changes.length, 'change')} taken back.`)
  if (rolledBack === false) context.out.note('cairn: Its changes were not taken back, because others changed the same since. See `cairn undo --exec`.')
  if (fork?.state === 'conflicts')
    context.out.note(`cairn: Not merged: ${plural(fork.conflicts?.length ?? 0, 'conflict')}. Its work is in ${fork.volume}: \`cairn merge ${fork.volume}\`.`)
}

function exitCodeOf({ timedOut, exitCode, fork }: ExecResult<Buffer>): number {
  if (timedOut) return TIMED_OUT
  return fork?.state === 'conflicts' ? NOT_RUN : exitCode
}
