import { CairnError } from '../../errors.js'
import { limits, systemRandom } from '../../sys/index.js'
import { checkActor } from '../check-options.js'
import type { ExecCommand, ExecOptions } from './types.js'

const ID_BYTES = 8

/** Id of a run: in log, audit and `undo --exec`. */
export function newExecId(): string {
  return `run-${systemRandom.bytes(ID_BYTES).toString('hex')}`
}

/** How each option is wrong: told as what it should be, or undefined when it is right. A mistake would otherwise be the default, which promises less than was meant. */
const wanted: { readonly [Name in keyof Required<ExecOptions>]: (value: unknown) => string | undefined } = {
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
  readable: value => (isTexts(value) ? undefined : 'a list of folders'),
  actor: () => undefined,
  reason: text,
  onAsk: aFunction,
  signal: value => (value instanceof AbortSignal ? undefined : 'an AbortSignal'),
}

/** @throws CairnError ERR_EXEC_OPTION naming what cannot be, ERR_INVALID_ARG_VALUE of the actor */
export function checkOptions(command: ExecCommand, options: ExecOptions): void {
  checkCommand(command)
  if (typeof options !== 'object' || options === null) throw wrong('The options are no object.', 'Give them as { timeoutMs: 60_000 }.')
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(wanted, name)) throw wrong(`There is no option ${name}.`, `There are ${Object.keys(wanted).join(', ')}.`)
    const problem = value === undefined ? undefined : wanted[name as keyof ExecOptions](value)
    if (problem !== undefined) throw wrong(`${name} is ${shown(value)}.`, `Give ${problem}.`)
  }
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

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value === 'object' ? 'an object' : String(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? undefined : 'a text'
}

function flag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'true or false'
}

function aFunction(value: unknown): string | undefined {
  return typeof value === 'function' ? undefined : 'a function'
}

function number(least: number, most: number): (value: unknown) => string | undefined {
  return value => (Number.isFinite(value) && (value as number) >= least && (value as number) <= most ? undefined : `a number from ${least} to ${most}`)
}

function oneOf(...values: readonly string[]): (value: unknown) => string | undefined {
  return value => (values.includes(value as string) ? undefined : values.map(one => `'${one}'`).join(' or '))
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(one => typeof one === 'string')
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
