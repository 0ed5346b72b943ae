import { limits } from '../../sys/index.js'

/** Where a command of a sed script may begin. */
const BEFORE = /[\s;{}\d$!,/]/

/** A sed script, or an option with one, has the command `e` in it, or the flag `e` of `s`: both run what they are given. Rather too often than too seldom. */
export function sedRuns(arg: string): boolean {
  if (arg.length > limits.sedScriptChars) return true
  const script = arg.replace(/^--expression=|^-[A-Za-z]*e/, '')
  if (script.startsWith('-')) return false
  for (let at = 0; at < script.length; at++) {
    if (at > 0 && !BEFORE.test(script[at - 1])) continue
    if (script[at] === 'e' && /^(\s|;|}|$)/.test(script.slice(at + 1, at + 2))) return true
    if (script[at] === 's' && /^\w*e/.test(flagsOf(script, at + 1))) return true
  }
  return false
}

/** What stands behind the third delimiter. */
function flagsOf(script: string, at: number): string {
  const delimiter = script[at]
  let found = 0
  for (let i = at; i < script.length; i++) {
    if (script[i] === '\\') i++
    else if (script[i] === delimiter && ++found === 3) return script.slice(i + 1, i + 20)
  }
  return ''
}
