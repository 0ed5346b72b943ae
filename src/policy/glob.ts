import { limits } from '../sys/index.js'

/**
 * Globs of a policy: `*`, `?`, `[a-z]`, `[!a-z]`, `{one,two}`, a backslash before what is meant as it stands. They meet text that others chose, so that
 * matching takes at most the product of both lengths, which regular expressions made from globs do not promise.
 */
type One = string | typeof ANY_ONE | ((char: string) => boolean)
const ANY_ONE = Symbol('?')
const MANY = Symbol('*')
type Token = One | typeof MANY

/** What a glob cannot be; the message says why. */
export class GlobProblem extends Error {}

/** Tests a whole text; `*` is any text, slashes too. @throws GlobProblem */
export function textGlob(pattern: string): (text: string) => boolean {
  const all = alternatives(pattern).map(tokensOf)
  const literals = all.map(literalOf)
  if (literals.every(literal => literal !== undefined)) {
    if (literals.length === 1) return text => text === literals[0]
    const set = new Set(literals)
    return text => set.has(text)
  }
  return text => all.some(tokens => matchTokens(tokens, text))
}

/** A glob without anything in it that stands for something else: the text that it means. */
export function literalGlob(pattern: string): string | undefined {
  const all = alternatives(pattern)
  return all.length === 1 ? literalOf(tokensOf(all[0])) : undefined
}

const GLOBSTAR = Symbol('**')
type Part = ((name: string) => boolean) | typeof GLOBSTAR

/**
 * Tests paths of a volume, `/src/a.ts` or `src/a.ts`. Without a slash in it a glob means names at any depth, else it begins at the root; `**` is any number of
 * directories. A directory means all that is in it.
 * @throws GlobProblem
 */
export function pathGlobs(patterns: readonly string[]): (path: string) => boolean {
  const all = patterns.flatMap(pattern => alternatives(pattern).map(partsOf))
  return path => {
    const names = namesOf(path)
    return all.some(parts => matchParts(parts, names, true))
  }
}

/** Tests a whole path, without what is said of directories. @throws GlobProblem */
export function exactPathGlob(pattern: string): (path: string) => boolean {
  const all = alternatives(pattern).map(partsOf)
  return path => {
    const names = namesOf(path)
    return all.some(parts => matchParts(parts, names, false))
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter(name => name !== '')
}

function partsOf(pattern: string): Part[] {
  if (pattern.startsWith('!')) throw new GlobProblem('a glob cannot begin with !')
  const text = pattern.replace(/\/+$/, '')
  const parts: Part[] = namesOf(text).map(name => (name === '**' ? GLOBSTAR : textOf(tokensOf(name))))
  return text.includes('/') || text === '**' || text === '' ? parts : [GLOBSTAR, ...parts]
}

function textOf(tokens: Token[]): (name: string) => boolean {
  const literal = literalOf(tokens)
  return literal === undefined ? name => matchTokens(tokens, name) : name => name === literal
}

/** @param isPrefix enough that a directory above it matches */
function matchParts(parts: readonly Part[], names: readonly string[], isPrefix: boolean): boolean {
  let [p, n, star, starNames] = [0, 0, -1, 0]
  for (;;) {
    if (p === parts.length && (isPrefix || n === names.length)) return true
    const part = parts[p]
    if (part === GLOBSTAR) {
      star = p++
      starNames = n
    } else if (n < names.length && part?.(names[n]) === true) {
      p++
      n++
    } else {
      if (star < 0 || starNames >= names.length) return false
      p = star + 1
      n = ++starNames
    }
  }
}

function matchTokens(tokens: readonly Token[], text: string): boolean {
  let [t, at, star, starAt] = [0, 0, -1, 0]
  for (;;) {
    if (t === tokens.length && at === text.length) return true
    const token = tokens[t]
    if (token === MANY) {
      star = t++
      starAt = at
    } else if (token !== undefined && at < text.length && isOne(token, text[at])) {
      t++
      at++
    } else {
      if (star < 0 || starAt >= text.length) return false
      t = star + 1
      at = ++starAt
    }
  }
}

function isOne(token: One, char: string): boolean {
  return token === ANY_ONE || (typeof token === 'string' ? token === char : token(char))
}

function literalOf(tokens: readonly Token[]): string | undefined {
  return tokens.every(token => typeof token === 'string') ? tokens.join('') : undefined
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]
    if (char === '\\' && i + 1 < pattern.length) tokens.push(pattern[++i])
    else if (char === '*') {
      if (tokens.at(-1) !== MANY) tokens.push(MANY)
    } else if (char === '?') tokens.push(ANY_ONE)
    else if (char === '[') {
      const end = classEnd(pattern, i)
      tokens.push(classOf(pattern.slice(i + 1, end)))
      i = end
    } else tokens.push(char)
  }
  return tokens
}

function classEnd(pattern: string, from: number): number {
  const first = pattern[from + 1] === '!' || pattern[from + 1] === '^' ? from + 2 : from + 1
  const end = pattern.indexOf(']', first + 1)
  if (end < 0) throw new GlobProblem('a [ in it is not closed')
  return end
}

function classOf(text: string): (char: string) => boolean {
  const isNot = text.startsWith('!') || text.startsWith('^')
  const members = isNot ? text.slice(1) : text
  const ranges: [string, string][] = []
  for (let i = 0; i < members.length; i++) {
    const to = members[i + 1] === '-' && i + 2 < members.length ? members[i + 2] : undefined
    ranges.push([members[i], to ?? members[i]])
    if (to !== undefined) i += 2
  }
  return char => ranges.some(([from, to]) => char >= from && char <= to) !== isNot
}

/** One pattern for each choice of what stands in braces. */
function alternatives(pattern: string): string[] {
  if (pattern.length > limits.policyPatternChars) throw new GlobProblem(`it is longer than ${limits.policyPatternChars} characters`)
  const done: string[] = []
  const waiting = [pattern]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const group = braces(next)
    if (group === undefined) done.push(next)
    else for (const part of group.parts) waiting.push(next.slice(0, group.from) + part + next.slice(group.to))
    if (done.length + waiting.length > limits.policyAlternatives) throw new GlobProblem(`it stands for more than ${limits.policyAlternatives} patterns`)
  }
  return done.reverse()
}

/** The first braces that have a comma in them. */
function braces(pattern: string): { from: number; to: number; parts: string[] } | undefined {
  for (let from = 0; from < pattern.length; from++) {
    if (pattern[from] === '\\') from++
    else if (pattern[from] === '{') {
      const group = closedGroup(pattern, from)
      if (group !== undefined) return group
    }
  }
  return undefined
}

function closedGroup(pattern: string, from: number): { from: number; to: number; parts: string[] } | undefined {
  const parts: string[] = []
  let [depth, start] = [0, from + 1]
  for (let i = from; i < pattern.length; i++) {
    const char = pattern[i]
    if (char === '\\') i++
    else if (char === '{') depth++
    else if ((char === ',' && depth === 1) || (char === '}' && --depth === 0)) {
      parts.push(pattern.slice(start, i))
      start = i + 1
      if (char === '}') return parts.length > 1 ? { from, to: i + 1, parts } : undefined
    }
  }
  return undefined
}
