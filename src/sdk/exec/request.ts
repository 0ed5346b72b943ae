import { CairnError } from '../../errors.js'
import { limits, systemRandom } from '../../sys/index.js'
import { checkActor } from '../check-options.js'
import { aFunction, anything, aSignal, checkGiven, flag, isTexts, number, oneOf, text, texts, type WantedOptions } from '../wanted.js'
import type { ExecCommand, ExecOptions } from './types.js'

const ID_BYTES = 8

/** Id of a run: in log, audit and `undo --exec`. */
export function newExecId(): string {
  return `run-${systemRandom.bytes(ID_BYTES).toString('hex')}`
}

const wanted: WantedOptions<ExecOptions> = {
  cwd: text,
  timeoutMs: number(1, limits.execTimeoutMs),
  graceMs: number(0, limits.execTimeoutMs),
  env: value => (isEnvironment(value) ? undefined : 'an object of names and values, which are texts without a zero byte'),
  stdin: value => (typeof value === 'string' || typeof value === 'object' ? undefined : "'inherit', text, bytes or a stream"),
  output: oneOf('capture', 'inherit'),
  outputBytes: number(0, limits.execMostOutputBytes),
  onStdout: aFunction,
  onStderr: aFunction,
  outputFile: text,
  encoding: oneOf('utf8', 'buffer'),
  fork: flag,
  readOnly: flag,
  checkpoint: flag,
  rollbackOnFailure: flag,
  sandbox: oneOf('auto', 'strict', 'none'),
  network: oneOf('none', 'allow'),
  memoryBytes: number(1, Number.MAX_SAFE_INTEGER),
  cpuSeconds: number(1, Number.MAX_SAFE_INTEGER),
  processes: number(1, limits.execMostProcesses),
  readable: texts('folders'),
  actor: anything,
  reason: text,
  onAsk: aFunction,
  signal: aSignal,
}

/** @throws CairnError ERR_EXEC_OPTION naming what cannot be, ERR_INVALID_ARG_VALUE of the actor */
export function checkOptions(command: ExecCommand, options: ExecOptions): void {
  checkCommand(command)
  checkGiven(options, wanted, wrong)
  checkActor(options.actor)
  checkOutputFile(options)
  if (options.fork === true && options.readOnly === true) throw wrong('What cannot be changed needs no fork.', 'Leave one of the two out.')
}

function checkCommand(command: unknown): void {
  const { shell, program, args } = (command ?? {}) as { shell?: unknown; program?: unknown; args?: unknown }
  const words = shell === undefined ? [program, ...(Array.isArray(args) ? args : [undefined])] : [shell]
  if (!isTexts(words)) throw wrong('That is no command.', 'Give a program and a list of its arguments, which are texts, or { shell: text }.')
  if (words[0].trim() === '') throw wrong('There is no command to run.', 'Name a program.')
  if (words.some(word => word.includes('\0'))) throw wrong('A command cannot hold a zero byte.', 'Give such bytes on its standard input.')
}

function isEnvironment(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(([name, one]) => /^[^=\0]+$/.test(name) && typeof one === 'string' && !one.includes('\0'))
}

function checkOutputFile({ outputFile, readOnly, output }: ExecOptions): void {
  if (outputFile === undefined) return
  const isFile = !/(^|\/)\.{0,2}$|(^|\/)\.\.\/|\0/.test(outputFile)
  if (!isFile) throw wrong(`${JSON.stringify(outputFile)} is no file of the volume.`, 'Name one from its root, such as /logs/build.txt.')
  if (readOnly === true) throw wrong('What cannot be changed takes no output.', 'Leave one of the two out.')
  if (output === 'inherit') throw wrong('What goes to the outputs of this program goes into no file.', 'Capture the output.')
}

function wrong(message: string, remedy: string): CairnError {
  return new CairnError('ERR_EXEC_OPTION', message, remedy, { exitCode: 125 })
}
