import { limits } from '../../sys/index.js'
import { type Arg, type Item, typed } from '../item.js'
import type { CommandRequest } from '../types.js'
import { builtins } from './builtins.js'
import type { Finder, Place } from './finder.js'
import { hiddenCode } from './inline-code.js'
import { programOf, systemName } from './programs.js'
import { starters } from './starters.js'
import { ShellState } from './state.js'
import { choosesPrograms } from './variables.js'
import { Walk } from './walk.js'

/**
 * Every command that a request runs, as far as that can be told without running it: those of pipelines, substitutions, functions and scripts in arguments, and
 * those that others start. What cannot be told is among them, with the reason.
 */
export function commandsOf(request: CommandRequest): Item[] {
  const state = new ShellState([request.cwd])
  const sets = (request.env ?? []).find(choosesPrograms)
  if (sets !== undefined) state.taint(`${sets} is set`)
  const analysis = new Analysis(request.workspace)
  const { command } = request
  if ('shell' in command) analysis.script(command.shell, state, [])
  else {
    const text = typed([command.program, ...command.args])
    analysis.command(command.program, command.args, { state, within: [], text, stdin: 'something', isShell: false, writes: [], sets: [] })
  }
  return analysis.items
}

class Analysis implements Finder {
  readonly items: Item[] = []
  readonly workspace: string | undefined

  constructor(workspace: string | undefined) {
    this.workspace = workspace
  }

  found(item: Item): void {
    if (this.items.length < limits.shellCommands) this.items.push(item)
    else if (this.items.length === limits.shellCommands) this.items.push({ ...item, unknown: `it runs more than ${limits.shellCommands} commands` })
  }

  unknown(why: string, place: Place, program?: string, args: readonly Arg[] = []): void {
    const { state, within, text, writes } = place
    this.found({ text: shortened(text), program, args, cwds: state.cwds, unknown: why, isSoft: false, within, writes })
  }

  runs(program: string, args: readonly Arg[], place: Place): void {
    this.#program(program, args, place, false, undefined)
  }

  script(text: string, state: ShellState, within: readonly string[]): void {
    const place: Place = { state, within, text, stdin: undefined, isShell: true, writes: [], sets: [] }
    if (text.length > limits.shellTextChars) {
      this.unknown(`the shell text is longer than ${limits.shellTextChars} characters`, place)
      return
    }
    if (within.length > limits.shellDepth) {
      this.unknown('scripts stand in scripts too deep', place)
      return
    }
    if (this.items.length > limits.shellCommands) return
    if (text.includes('\0')) {
      this.unknown('the shell text holds a zero byte', place)
      return
    }
    new Walk(this, text, within).run(state)
  }

  command(program: Arg, args: readonly Arg[], place: Place): void {
    if (this.items.length > limits.shellCommands) return
    const { state } = place
    if (typeof program !== 'string' || program === '') {
      this.unknown('which program runs is not known', place)
      return
    }
    if (place.isShell) {
      if (state.functions.has(program)) {
        this.#called(program, place)
        return
      }
      if (state.aliases.has(program)) {
        this.unknown(`${program} is an alias`, place, program, args)
        return
      }
      const builtin = builtins.get(program)
      if (builtin !== undefined) {
        this.#program(program, args, place, true, undefined)
        builtin(args, place, this)
        return
      }
    }
    this.#start(program, args, place)
  }

  #start(program: string, args: readonly Arg[], place: Place): void {
    const name = program.slice(program.lastIndexOf('/') + 1)
    const starter = starters.get(name)
    const isSoft = starter?.isSoft === true && systemName(program) !== undefined
    this.#program(program, args, place, isSoft, hiddenCode(name, args, place.stdin))
    if (place.within.length >= limits.shellDepth) {
      this.unknown('commands start commands too deep', place, program, args)
      return
    }
    starter?.start(name, args, place, this)
  }

  #program(program: string, args: readonly Arg[], { state, within, text, writes }: Place, isSoft: boolean, hidden: string | undefined): void {
    const found = programOf(program, state.cwds, this.workspace)
    const unknown = state.tainted ?? hidden ?? (found === undefined ? 'where the program lies is not known' : undefined)
    const item: Item = { text: shortened(text), program: found ?? program, args, cwds: state.cwds, isSoft, within, writes }
    this.found(unknown === undefined ? item : { ...item, unknown })
  }

  /** Its commands were judged where it was defined. */
  #called(name: string, { state, text, within, writes }: Place): void {
    if (state.functions.get(name)?.moves === true) state.move(undefined, undefined)
    if (writes.length > 0) this.found({ text: shortened(text), program: ':', args: [], cwds: state.cwds, isSoft: true, within, writes })
  }
}

function shortened(text: string): string {
  const line = text
    .trim()
    .slice(0, 2 * limits.judgedTextChars)
    .replace(/\s*\n\s*/g, ' ⏎ ')
  return line.length > limits.judgedTextChars ? `${line.slice(0, limits.judgedTextChars - 1)}…` : line
}
