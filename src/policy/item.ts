/** An argument that is known, or what is known of one that is not: how it begins, and whether it may be any number of arguments. */
export type Arg = string | { prefix: string; isMany: boolean }

/** One command that a request runs, as far as that can be told without running it. */
export interface Item {
  text: string
  /** `git`, `/opt/x`, or `./tools/x` for one of the volume; undefined when it cannot be known. */
  program: string | undefined
  args: readonly Arg[]
  /** Directories of the volume that it may run in; undefined when it may be any. */
  cwds: readonly string[] | undefined
  /** Why it cannot be determined what runs. */
  unknown?: string
  /** Of the shell itself, or what only starts another command, which is judged too: it runs where no rule says otherwise. */
  isSoft: boolean
  within: readonly string[]
  /** Paths that its redirections write to. */
  writes: readonly string[]
}

export function isKnown(args: readonly Arg[]): args is string[] {
  return args.every(arg => typeof arg === 'string')
}

/** It may be an option, as far as is known. */
export function mayBeOption(arg: Arg): boolean {
  return typeof arg === 'string' ? arg.startsWith('-') : arg.prefix === '' || arg.prefix.startsWith('-')
}

export const ANY_NUMBER: Arg = { prefix: '', isMany: true }

/** As it would be typed. */
export function typed(args: readonly Arg[]): string {
  return args.map(arg => (typeof arg === 'string' ? quoted(arg) : `${arg.prefix}…`)).join(' ')
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
