import { CairnError } from '../../errors.js'
import { limits, systemRandom } from '../../sys/index.js'
import type { ExecCommand, ExecOptions } from './types.js'

const ID_BYTES = 8

/** Id of a run: in log, audit and `undo --exec`. */
export function newExecId(): string {
  return `run-${systemRandom.bytes(ID_BYTES).toString('hex')}`
}

/** @throws CairnError ERR_EXEC_OPTION naming what cannot be */
export function checkOptions(command: ExecCommand, options: ExecOptions): void {
  const { timeoutMs, graceMs, outputBytes, memoryBytes, cpuSeconds, processes } = options
  if (('shell' in command ? command.shell : command.program).trim() === '') throw wrong('There is no command to run.', 'Name a program.')
  checkText('shell' in command ? [command.shell] : [command.program, ...command.args])
  checkEnvironment(options.env ?? {})
  checkNumber('timeoutMs', timeoutMs, 1, limits.execTimeoutMs)
  checkNumber('graceMs', graceMs, 0, limits.execTimeoutMs)
  checkNumber('outputBytes', outputBytes, 0, limits.execMostOutputBytes)
  checkNumber('memoryBytes', memoryBytes, 1, Number.MAX_SAFE_INTEGER)
  checkNumber('cpuSeconds', cpuSeconds, 1, Number.MAX_SAFE_INTEGER)
  checkNumber('processes', processes, 1, limits.execMostProcesses)
  checkOutputFile(options)
  if (options.fork === true && options.readOnly === true) throw wrong('What cannot be changed needs no fork.', 'Leave one of the two out.')
}

function checkOutputFile({ outputFile, readOnly, output }: ExecOptions): void {
  if (outputFile === undefined) return
  const isFile = !/(^|\/)\.{0,2}$|(^|\/)\.\.\/|\0/.test(outputFile)
  if (!isFile) throw wrong(`${JSON.stringify(outputFile)} is no file of the volume.`, 'Name one from its root, such as /logs/build.txt.')
  if (readOnly === true) throw wrong('What cannot be changed takes no output.', 'Leave one of the two out.')
  if (output === 'inherit') throw wrong('What goes to the outputs of this program goes into no file.', 'Capture the output.')
}

function checkNumber(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isFinite(value) && value >= least && value <= most)) return
  throw wrong(`${name} is ${value}.`, `Give a number from ${least} to ${most}.`)
}

function checkText(words: readonly string[]): void {
  if (words.some(word => word.includes('\0'))) throw wrong('A command cannot hold a zero byte.', 'Give such bytes on its standard input.')
}

function checkEnvironment(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[^=\0]+$/.test(name) || value.includes('\0')) throw wrong(`${JSON.stringify(name)} cannot be a variable of the environment.`, 'Write NAME=VALUE.')
  }
}

function wrong(message: string, remedy: string): CairnError {
  return new CairnError('ERR_EXEC_OPTION', message, remedy, { exitCode: 125 })
}
