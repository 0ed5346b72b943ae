import { LineCounter, parseDocument } from 'yaml'
import type { core } from 'zod'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { compilePolicy } from './compile.js'
import { Misplaced, type Path, shown } from './misplaced.js'
import { regexEngine } from './pattern.js'
import type { Policy } from './policy.js'
import { policySchema, wants } from './schema.js'

/** A policy that cannot be read, and where. */
export class PolicyError extends CairnError {
  /** From 1 on. */
  readonly line: number
  readonly column: number

  constructor(name: string, line: number, column: number, problem: string, remedy: string) {
    super('ERR_POLICY', `${name}, line ${line}, column ${column}: ${problem}.`, remedy)
    this.line = line
    this.column = column
  }
}

type Document = ReturnType<typeof parseDocument>

/**
 * Reads a policy, YAML as docs/policy.md says, and compiles it. It is checked as a whole: what this returns can be evaluated.
 * @param name of the file, for errors
 * @throws PolicyError (ERR_POLICY) with the line and column of the first thing that is wrong
 */
export async function parsePolicy(text: string, name = 'cairn.policy.yaml'): Promise<Policy> {
  const lines = new LineCounter()
  const fail = (offset: number, problem: string, remedy: string): never => {
    const { line, col } = lines.linePos(offset)
    throw new PolicyError(name, Math.max(1, line), Math.max(1, col), problem, remedy)
  }
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.policyBytes) throw new PolicyError(name, 1, 1, `it has ${bytes} bytes, and at most ${limits.policyBytes} are read`, 'Use fewer rules.')
  const document = parseDocument(text, { lineCounter: lines })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) fail(problem.pos[0], `not YAML: ${plain(problem.message)}`, 'Correct that line.')
  const result = policySchema.safeParse(contentOf(document, offset => fail(offset, 'it refers to itself too often', 'Write out what the aliases stand for.')))
  if (!result.success) {
    const { path, isKey, problem, remedy } = told(result.error.issues[0], document)
    return fail(offsetOf(document, path, isKey), problem, remedy)
  }
  const engine = JSON.stringify(result.data).includes('{"regex":') ? await regexEngine() : undefined
  const at = (path: Path): number => lines.linePos(offsetOf(document, path)).line
  try {
    return compilePolicy(result.data, text, engine, at)
  } catch (error) {
    if (!(error instanceof Misplaced)) throw error
    return fail(offsetOf(document, error.path), error.message, error.remedy)
  }
}

function contentOf(document: Document, onBomb: (offset: number) => never): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    if (error instanceof ReferenceError) return onBomb(0)
    throw error
  }
}

/** The first issue in words; of a union, the branch that came furthest. */
function told(issue: core.$ZodIssue, document: Document): { path: Path; isKey?: true; problem: string; remedy: string } {
  const inner = deepest(issue)
  const path = inner.path as Path
  if (inner.code === 'unrecognized_keys') {
    const key = inner.keys[0]
    const where = path.length === 0 ? 'a policy' : inWords(path)
    return {
      path: [...path, key],
      isKey: true,
      problem: `there is no key ${JSON.stringify(key)} in ${where}`,
      remedy: belongsElsewhere(path, key) ?? remedyOf(path, true),
    }
  }
  const value = path.length === 0 ? document.toJS() : document.getIn(path, false)
  const key = nameOf(path)
  if (path.length === 0) return { path, problem: 'it holds no keys and values', remedy: 'Write at least `version: 1` and `default: deny`.' }
  if (value === undefined) return { path: path.slice(0, -1), problem: `${key} is missing`, remedy: remedyOf(path) }
  const js = isNode(value) ? value.toJSON() : value
  return { path, problem: `${inWords(path)} is ${shown(js)}`, remedy: remedyOf(path) }
}

function isNode(value: unknown): value is { toJSON(): unknown } {
  return typeof (value as { toJSON?: unknown } | null)?.toJSON === 'function'
}

function deepest(issue: core.$ZodIssue): core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors
    .flat()
    .map(deepest)
    .reduce<core.$ZodIssue | undefined>((best, one) => (best === undefined || one.path.length > best.path.length ? one : best), undefined)
  return inner === undefined || (inner.path.length === 0 && inner.code !== 'unrecognized_keys') ? issue : { ...inner, path: [...issue.path, ...inner.path] }
}

/** `rules[2].effect`. */
function inWords(path: Path): string {
  return path
    .map(part => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .slice(1)
}

function nameOf(path: Path): string {
  return String(path.filter(part => typeof part === 'string').at(-1))
}

/** Of a key of a rule that stands beside `match` or `limits` instead of in it. */
function belongsElsewhere(path: Path, key: string): string | undefined {
  if (path[0] !== 'rules' || path.length !== 2) return undefined
  const within = ['match', 'limits'].find(one => wants[one].split(/\W+/).slice(3).includes(key))
  return within === undefined ? 'The keys of a rule are name, match, effect, reason and limits.' : `It belongs into ${within}: \`${within}: {${key}: …}\`.`
}

function remedyOf(path: Path, isMap = false): string {
  const want = wants[nameOf(path)]
  if (path.length === 0 || want === undefined) return 'The keys are version, default, unknown, ask, limits, rules and examples.'
  return isMap && !/with|each|list/.test(want) ? 'See docs/policy.md.' : `It should be ${want}.`
}

function plain(message: string): string {
  return message
    .split('\n')[0]
    .replace(/ at line \d+, column \d+:?$/, '')
    .replace(/[.:]$/, '')
}

/** Where the value at a path begins, or the nearest thing around it that is there; a key, when it is the key that is wrong. */
function offsetOf(document: Document, path: Path, isKey = false): number {
  const range = (node: unknown): number | undefined => (node as { range?: [number, number, number] } | null | undefined)?.range?.[0]
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const pairs = (parent as { items?: Array<{ key?: { value?: unknown } }> } | null)?.items
    const pair = typeof path[length - 1] === 'string' ? pairs?.find(one => one.key?.value === path[length - 1]) : undefined
    const value = isKey ? undefined : range(document.getIn(path.slice(0, length), true))
    const found = value ?? range(pair?.key)
    if (found !== undefined) return found
  }
  return range(document.contents) ?? 0
}
