import { Command, CommanderError } from 'commander'
import type { CairnError } from '../errors.js'
import { usageError } from './errors.js'
import type { CommandSpec, Options } from './spec.js'
import { nearest } from './suggest.js'
import { groups, parentAliases, parents } from './table.js'

/** A parsed command line. */
export interface Parsed {
  spec: CommandSpec
  args: string[]
  options: Options
}

/** Options that every command has. */
export const commonOptions = [
  ['--json', 'print the result, or the error, as JSON'],
  ['--home <folder>', 'the folder of the volumes (default: CAIRN_HOME, else ~/.cairn)'],
  ['--actor <name>', 'who does it, as the log says (default: CAIRN_ACTOR, else your user name)'],
] as const

function longOf(flags: string): string | undefined {
  return /--[\w-]+/.exec(flags)?.[0]
}

function exampleText(spec: CommandSpec): string {
  const width = Math.max(...spec.examples.map(([line]) => line.length))
  const lines = spec.examples.map(([line, about]) => `  ${about === '' ? line : `${line.padEnd(width)}   ${about}`}`)
  return `\nExamples:\n${lines.join('\n')}`
}

function build(spec: CommandSpec, name: string, found: (parsed: Parsed) => void): Command {
  const command = new Command(name).description(spec.about)
  if (spec.operands !== undefined) command.arguments(spec.operands)
  if (spec.usage !== undefined) command.usage(`[options] ${spec.usage}`)
  for (const alias of spec.aliases ?? []) command.alias(alias)
  for (const [flags, about] of spec.options ?? []) command.option(flags, about)
  const own = new Set(spec.options?.map(([flags]) => longOf(flags)))
  for (const [flags, about] of commonOptions) if (!own.has(longOf(flags))) command.option(flags, about)
  const takesH = spec.options?.some(([flags]) => flags.startsWith('-h,'))
  command.helpOption(takesH ? '--help' : '-h, --help', 'this help')
  command.addHelpText('after', exampleText(spec))
  if (spec.looseOptions === true) command.allowUnknownOption()
  return command.action(() => found({ spec, args: command.args, options: command.opts() }))
}

/**
 * The commands, registered with their names and options; none of their code is loaded.
 * @param first the first word of a command line: where commands begin with it, only these are made, which is all that this line needs
 */
export function buildProgram(found: (parsed: Parsed) => void = () => {}, first?: string): Command {
  const word = parentAliases.get(first ?? '') ?? first
  const begins = (spec: CommandSpec) => spec.name.split(' ')[0] === word || spec.aliases?.includes(first ?? '') === true
  const some = groups.flatMap(group => group.commands.filter(begins))
  const specs = some.length > 0 ? some : groups.flatMap(group => group.commands)
  const program = new Command('cairn')
    .description('A durable, versioned, forkable filesystem')
    .helpCommand(false)
    .helpOption('-h, --help', 'this help')
    .version('', '-V, --version', 'print the version')
    // Behind a command they are its own.
    .enablePositionalOptions()
  for (const [name, about] of parents) {
    const parent = new Command(name).description(about).helpCommand(false).helpOption('-h, --help', 'this help')
    for (const [alias, of] of parentAliases) if (of === name) parent.alias(alias)
    program.addCommand(parent)
  }
  for (const spec of specs) {
    const [name, second] = spec.name.split(' ')
    const parent = second === undefined ? program : program.commands.find(command => command.name() === name)
    parent?.addCommand(build(spec, second ?? name, found))
  }
  return program
}

/** Nothing is printed or exited by commander itself. */
export function quiet(command: Command, help: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeOut: help, writeErr: help, outputError: () => {} })
  for (const child of command.commands) quiet(child, help)
}

/** Commander's errors as sentences of ours. */
export function usageFrom(error: CommanderError, program: Command, argv: readonly string[]): CairnError {
  const command = commandOf(program, argv)
  const name = nameOf(command)
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  switch (error.code) {
    case 'commander.unknownCommand':
      return unknownCommand(quoted, command)
    case 'commander.unknownOption': {
      const known = command.options.flatMap(option => [option.long, option.short]).filter((flag): flag is string => typeof flag === 'string')
      const close = quoted.startsWith('--') ? nearest(quoted, known) : undefined
      return usageError(`\`${name}\` has no option ${quoted}.`, close === undefined ? `Run \`${name} --help\` to see those it has.` : `Did you mean ${close}?`)
    }
    case 'commander.missingArgument':
      return usageError(`\`${name}\` needs ${quoted.toUpperCase()}.`, `Usage: ${name} ${command.usage()}.${swallowed(command)}`)
    case 'commander.excessArguments':
      return usageError(`\`${name}\` got more operands than it takes.`, `Usage: ${name} ${command.usage()}.`)
    case 'commander.optionMissingArgument':
      return usageError(`The option ${quoted} of \`${name}\` needs a value.`, `Run \`${name} --help\`.`)
    default:
      return usageError(`${error.message.replace(/^error: /, '')}.`.replace(/\.\.$/, '.'), `Run \`${name} --help\`.`)
  }
}

/** An option that takes several words takes operands, too. */
function swallowed(command: Command): string {
  const greedy = command.options.find(option => option.variadic && command.getOptionValue(option.attributeName()) !== undefined)
  return greedy === undefined ? '' : ` What stands behind ${greedy.long} belongs to it: write it last.`
}

export function unknownCommand(word: string, parent: Command): CairnError {
  const names = parent.commands.flatMap(command => [command.name(), ...command.aliases()])
  const close = nearest(word, names)
  const where = nameOf(parent)
  return usageError(
    `\`${where}\` has no command ${JSON.stringify(word)}.`,
    close === undefined ? `Run \`${where} --help\` to see those it has.` : `Did you mean ${close}?`,
  )
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}

function commandOf(program: Command, argv: readonly string[]): Command {
  let command = program
  for (const word of argv) {
    const next = command.commands.find(one => one.name() === word || one.aliases().includes(word))
    if (next !== undefined) command = next
    else if (!word.startsWith('-')) break
  }
  return command
}

/** The text of `cairn help`: commands by what they are for. */
export function overview(): string {
  const lines = ['Cairn: a durable, versioned, forkable filesystem.', '', 'Usage: cairn COMMAND [OPERANDS] [OPTIONS]']
  for (const group of groups) {
    lines.push('', `${group.title}:`)
    for (const spec of group.commands) if (spec.hidden !== true) lines.push(`  ${spec.name.padEnd(18)} ${spec.about}`)
  }
  lines.push('', 'Addresses: VOLUME[@REF][:/path]; a REF is a checkpoint, ~1, a commit id or a time; :/path is of the default volume.')
  lines.push('`cairn help COMMAND` shows options and examples; every command takes --json.', '')
  return lines.join('\n')
}

export { CommanderError }
