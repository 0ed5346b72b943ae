import type { Arg, Item } from '../item.js'
import type { ShellState } from './state.js'

/** What a command reads from its standard input: text that is known, or something. */
export type Stdin = { text: string } | 'something' | undefined

/** Where a command stands. */
export interface Place {
  state: ShellState
  /** What it was found in, outermost first. */
  within: readonly string[]
  /** As it was written. */
  text: string
  stdin: Stdin
  /** A shell looks its name up: functions, aliases and builtins count. */
  isShell: boolean
  writes: readonly string[]
  /** Names of variables that are set for it alone. */
  sets: readonly string[]
}

/** What the parts of the analysis use of each other. */
export interface Finder {
  readonly workspace: string | undefined
  found(item: Item): void
  /** A program that is judged by rules like any other. */
  runs(program: string, args: readonly Arg[], place: Place): void
  /** Something that cannot be determined. @param program what is known of it */
  unknown(why: string, place: Place, program?: string, args?: readonly Arg[]): void
  /** Shell text that is run where the state is, by this shell or (with a copy of the state) another one. */
  script(text: string, state: ShellState, within: readonly string[]): void
  command(program: Arg, args: readonly Arg[], place: Place): void
}
