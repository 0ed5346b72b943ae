import type { TextTest } from './pattern.js'
import type { AskSettings, Effect, PolicyLimits } from './types.js'

/** What an argument is expected to be: a test of one, or any number of them. */
export const ANY_ARGS = Symbol('**')
/** Any one argument, also one that is not known. */
export const ANY_ARG = Symbol('*')
export type ArgPattern = TextTest | typeof ANY_ARGS | typeof ANY_ARG

/** A compiled match: without a member, anything matches. All tests take time linear in what they look at. */
export interface RuleMatch {
  /** All that the name of a program may be, where that is a list: most rules are passed over by one look at it. */
  only?: ReadonlySet<string>
  /** Names without a slash: what PATH or a system folder gives. */
  names?: TextTest
  /** Paths: `/usr/bin/x`, and `./x` of the volume. */
  programs?: TextTest
  args?: readonly ArgPattern[]
  /** Over all arguments with one space between them. */
  line?: TextTest
  anyArg?: TextTest
  noArg?: TextTest
  cwd?: TextTest
  network?: boolean
  actor?: TextTest
  /** Also what cannot be determined. Rules that allow do not, unless they say so. */
  unknown: boolean
}

export interface Rule {
  name: string
  /** Where it stands in the file; 0 for one that does not. */
  line: number
  effect: Effect
  reason?: string
  match: RuleMatch
  limits: PolicyLimits
}

/** One example of the file, which `cairn policy test` tries. */
export interface Example {
  line: number
  run: string | readonly string[]
  cwd: string
  actor: string
  network: boolean
  expect: Effect
  rule?: string
}

/** A policy that was read and checked; made by `parsePolicy`. */
export interface Policy {
  readonly text: string
  /** What no rule matches. */
  readonly fallback: Effect
  /** What cannot be determined, and no rule matches. */
  readonly unknown: Effect
  readonly ask: AskSettings
  /** For what no rule matches; those of rules have them in already. */
  readonly limits: PolicyLimits
  readonly rules: readonly Rule[]
  readonly examples: readonly Example[]
  /** Why nothing runs at all: the text is broken. */
  readonly broken?: string
}
