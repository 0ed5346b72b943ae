import { GlobProblem } from './glob.js'

/** Where something stands in the file: keys, and numbers in lists. */
export type Path = readonly (string | number)[]

/** What the schema does not see: a pattern that is none, a name that stands twice. */
export class Misplaced extends Error {
  readonly path: Path
  readonly remedy: string

  constructor(path: Path, problem: string, remedy: string) {
    super(problem)
    this.path = path
    this.remedy = remedy
  }

  /** Of what a pattern says about itself. */
  static pattern(path: Path, source: unknown, error: unknown): unknown {
    if (!(error instanceof GlobProblem)) return error
    return new Misplaced(
      path,
      `${shown(source)} is no pattern: ${error.message}`,
      'Correct it; docs/policy.md says what globs and regular expressions may hold.',
    )
  }
}

/** A value as an error shows it. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
