import type { RE2JS } from 're2js'
import { limits } from '../sys/index.js'
import { GlobProblem, textGlob } from './glob.js'

/** A glob, or a regular expression that is looked for anywhere in the text. */
export type PatternSource = string | { regex: string }

export type TextTest = (text: string) => boolean

/** Makes tests of patterns. The engine of regular expressions is there if any policy has needed it: see `regexEngine`. */
export function textTest(source: PatternSource, engine: typeof RE2JS | undefined): TextTest {
  return typeof source === 'string' ? textGlob(source) : regexTest(source.regex, engine)
}

/**
 * RE2: time linear in the text, whatever the expression, and none of what would need more (backreferences, look-around). Text beyond a bound is not looked
 * through: the test throws, and whoever judges denies.
 */
function regexTest(regex: string, engine: typeof RE2JS | undefined): TextTest {
  if (engine === undefined) throw new Error('invariant broken: the engine of regular expressions was loaded')
  if (regex.length > limits.policyPatternChars) throw new GlobProblem(`it is longer than ${limits.policyPatternChars} characters`)
  let compiled: RE2JS
  try {
    compiled = engine.compile(regex)
    if (compiled.programSize() > limits.policyRegexProgram) throw new GlobProblem('it is too large; use smaller counts')
  } catch (error) {
    throw error instanceof GlobProblem ? error : new GlobProblem(error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'it is none')
  }
  return text => {
    if (text.length > limits.policyTextChars) throw new TooLong()
    return compiled.matcher(text).find()
  }
}

/** An argument is too long for a regular expression. */
export class TooLong extends Error {}

/** Loaded when a policy has a regular expression in it. */
export async function regexEngine(): Promise<typeof RE2JS> {
  return (await import('re2js')).RE2JS
}
