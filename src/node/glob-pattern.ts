import picomatch from 'picomatch'

/** Any number of directories. */
export const GLOBSTAR = Symbol('**')

/** One component of a pattern: a name, a test of names, or `**`. */
export type Segment = string | ((name: string) => boolean) | typeof GLOBSTAR

export interface GlobPattern {
  segments: readonly Segment[]
  isAbsolute: boolean
  /** Written with a slash at its end. */
  directoriesOnly: boolean
}

/** Asks for hidden names. */
const HIDDEN = /(^|[{,(|])\./
const MAGIC = /[*?[{]|[+@!]\(/

/** A pattern as a walk reads it; several when alternatives in braces have slashes in them. A backslash separates, as in Node. */
export function parsePattern(pattern: string): GlobPattern[] {
  return alternatives(pattern.replaceAll('\\', '/')).map(text => ({
    segments: text
      .split('/')
      .filter(part => part !== '' && part !== '.')
      .map(segmentOf),
    isAbsolute: text.startsWith('/'),
    directoriesOnly: text.endsWith('/'),
  }))
}

function segmentOf(text: string): Segment {
  if (text === '**') return GLOBSTAR
  if (!MAGIC.test(text)) return text
  const matches = picomatch(text, { nonegate: true, posix: true })
  return HIDDEN.test(text) ? name => matches(name) : name => !name.startsWith('.') && matches(name)
}

/** Expands the first braces that have a slash in them, and then the next ones. */
function alternatives(pattern: string): string[] {
  for (let at = pattern.indexOf('{'); at >= 0; at = pattern.indexOf('{', at + 1)) {
    const group = braces(pattern, at)
    if (group === undefined || !pattern.slice(at, group.end).includes('/')) continue
    const [before, after] = [pattern.slice(0, at), pattern.slice(group.end + 1)]
    return group.parts.flatMap(part => alternatives(before + part + after))
  }
  return [pattern]
}

/** The parts between the commas of the braces that open at `at`, and where they close; undefined when they are none. */
function braces(pattern: string, at: number): { parts: string[]; end: number } | undefined {
  const parts: string[] = []
  let depth = 0
  let from = at + 1
  for (let i = at; i < pattern.length; i++) {
    const char = pattern[i]
    if (char === '{') depth++
    else if (char === '}') depth--
    if (depth === 0 || (depth === 1 && char === ',')) {
      parts.push(pattern.slice(from, i))
      from = i + 1
    }
    if (depth === 0) return parts.length > 1 ? { parts, end: i } : undefined
  }
  return undefined
}
