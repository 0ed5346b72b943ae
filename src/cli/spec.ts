import type { Context } from './context.js'

/** Values of options by their long name in camelCase, as commander gives them. */
export type Options = Record<string, string | boolean | undefined>

/** Runs a command. Returns its exit code; nothing is 0. */
export type Run = (context: Context, args: string[], options: Options) => Promise<number | undefined>

export interface CommandSpec {
  /** `ls`, or `checkpoint save` for a command of a group. */
  name: string
  aliases?: readonly string[]
  /** Operands in commander's notation: `<source...> <target>`. */
  operands?: string
  /** The same as help shows it, where commander cannot say it. */
  usage?: string
  about: string
  /** Pairs of flags and description. */
  options?: ReadonlyArray<readonly [flags: string, about: string]>
  /** Command lines with what they do. */
  examples: ReadonlyArray<readonly [line: string, about: string]>
  /** It changes no volume: one that another host writes is read as it was published. */
  reads?: true
  /** Operands that start with `-` and are no options go to the command (`chmod -x`). */
  looseOptions?: boolean
  /** Operands behind `--` are globs, in `context.globs`; the rest are the command's. */
  globs?: boolean
  /** What the shell completes for operands. */
  completes?: 'volume' | 'address' | 'command' | 'shell'
  hidden?: boolean
  load: () => Promise<{ run: Run }>
}

/** A heading of `cairn help` with its commands. */
export interface CommandGroup {
  title: string
  commands: readonly CommandSpec[]
}
