import ignore, { type Ignore } from 'ignore'
import { limits } from '../sys/index.js'

export const IGNORE_FILE = '.gitignore'

interface Rules {
  /** The directory of the file, empty for the root. */
  base: string
  rules: Ignore
}

/** What the `.gitignore` files of a volume leave out, given to it from the root downwards; git's own directories too. The file nearest to a path decides. */
export class IgnoreRules {
  /** From the root downwards; only of directories on the way to what was asked about last. */
  readonly #files: Rules[] = []

  /** @param directory its path, from the root; the directories above it were given before */
  add(directory: string, file: Uint8Array): void {
    this.#leave(directory)
    const base = directory === '/' ? '' : directory
    const lines = Buffer.from(file.buffer, file.byteOffset, file.length)
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
    this.#files.push({ base, rules: ignore.default().add(lines.filter(isBounded)) })
  }

  leavesOut(path: string, isDirectory: boolean): boolean {
    if (path === '/.git' || path.endsWith('/.git')) return true
    this.#leave(path)
    for (let at = this.#files.length - 1; at >= 0; at--) {
      const { base, rules } = this.#files[at]
      const below = path.slice(base.length + 1)
      if (below === '') continue
      const { ignored, unignored } = rules.test(isDirectory ? `${below}/` : below)
      if (ignored || unignored) return ignored
    }
    return false
  }

  /** Files of directories that a path is not in are done with. */
  #leave(path: string): void {
    for (let last = this.#files.at(-1); last !== undefined && !`${path}/`.startsWith(`${last.base}/`); last = this.#files.at(-1)) this.#files.pop()
  }
}

/** Lines become regular expressions, and anybody may have written them: many stars in one name would take for ever. */
function isBounded(line: string): boolean {
  return line.split('/').every(name => (name.match(/\*+/g)?.length ?? 0) <= limits.ignoreStars)
}
