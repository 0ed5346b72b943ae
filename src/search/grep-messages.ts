import type { FilesBytes } from '../history/contents/file-bytes.js'
import type { GrepLine, GrepLines, LinePattern } from './line-scan.js'

export interface GrepRequest {
  pattern: LinePattern
  files: FilesBytes
  /** Two numbers: the file that is looked at, and one that grows as it goes on. */
  progress: SharedArrayBuffer
}

/** What was found in files: one string and one list of numbers, because many small objects are slow to send. */
export interface GrepAnswer {
  binary: number
  /** Files that could not be read. */
  failed: number[]
  /** For each file: which it is, how many matches and lines around them; then each match's line and column, and each other line's number. */
  numbers: Float64Array
  /** The lines, one behind the other as their numbers are. */
  text: string
}

/** Lines hold no newline. */
const BETWEEN = '\n'

export class Packer {
  binary = 0
  readonly failed: number[] = []
  readonly #numbers: number[] = []
  readonly #lines: string[] = []

  add(file: number, matches: readonly GrepLine[], context: ReadonlyArray<{ line: number; text: string }>): void {
    this.#numbers.push(file, matches.length, context.length)
    for (const { line, column, text } of matches) {
      this.#numbers.push(line, column)
      this.#lines.push(text)
    }
    for (const { line, text } of context) {
      this.#numbers.push(line)
      this.#lines.push(text)
    }
  }

  done(): GrepAnswer {
    return { binary: this.binary, failed: this.failed, numbers: Float64Array.from(this.#numbers), text: this.#lines.join(BETWEEN) }
  }
}

/** By file, those that have any. */
export function* unpacked({ numbers, text }: GrepAnswer, hasContext: boolean): Generator<GrepLines & { file: number }> {
  const lines = text.split(BETWEEN)
  let line = 0
  for (let at = 0; at < numbers.length; ) {
    const [file, found, around] = numbers.subarray(at, at + 3)
    at += 3
    const matches: GrepLine[] = []
    for (let i = 0; i < found; i++, at += 2) matches.push({ line: numbers[at], column: numbers[at + 1], text: lines[line++] })
    const context = []
    for (let i = 0; i < around; i++) context.push({ line: numbers[at++], text: lines[line++] })
    yield { file, matches, ...(hasContext ? { context } : {}) }
  }
}
