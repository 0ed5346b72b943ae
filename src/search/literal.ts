import { TRIGRAM } from './query.js'

/** What a backslash makes of these is no text. */
const CLASSES = /[dDwWsSbBpPkuxcnrtvf0-9]/
const REPEATED = new Set(['*', '?', '{'])

/**
 * The longest text that everything has that a regular expression matches, as far as that is plain to see; undefined when there is none of three characters. Never
 * a text that a match could lack: groups, classes and alternatives count as unknown.
 */
export function requiredText(source: string): string | undefined {
  let best = ''
  let run = ''
  const end = (): void => {
    if (run.length > best.length) best = run
    run = ''
  }
  let depth = 0
  for (let at = 0; at < source.length; at++) {
    const character = source[at]
    if (character === '|' && depth === 0) return undefined
    if (character === '[') {
      end()
      at = classEnd(source, at)
    } else if (character === '(') {
      end()
      depth++
    } else if (character === ')') {
      end()
      depth = Math.max(0, depth - 1)
    } else if (depth > 0) {
      if (character === '\\') at++
    } else if (character === '\\') {
      at++
      if (CLASSES.test(source[at] ?? '')) {
        end()
        // What belongs to an escape stands behind it: \u{…}, \x41, \p{…}, \k<…>.
        const more = /^(?:\{[^}]*\}|<[^>]*>|[0-9A-Fa-f]{1,4})/.exec(source.slice(at + 1))
        if (/[uxpPkc]/.test(source[at])) at += more?.[0].length ?? 1
      } else run += source[at] ?? ''
    } else if (REPEATED.has(character)) {
      // What may be there no time at all, or is there otherwise often, is not in a row with what follows.
      run = [...run].slice(0, -1).join('')
      end()
      if (character === '{') at = Math.max(at, source.indexOf('}', at))
    } else if (character === '+') end()
    else if ('.^$'.includes(character)) end()
    else run += character
  }
  end()
  return [...best].length >= TRIGRAM ? best : undefined
}

/** Where the class ends that begins at `from`. */
export function classEnd(source: string, from: number): number {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === '\\') at++
    else if (source[at] === ']' && at > from + 1) return at
  }
  return source.length
}
