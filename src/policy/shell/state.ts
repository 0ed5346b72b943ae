import { posix } from 'node:path'
import { limits } from '../../sys/index.js'
import type { Arg } from '../item.js'

/** What is known of a shell at one point of its text. */
export class ShellState {
  /** Directories it may be in; undefined: any. */
  cwds: readonly string[] | undefined
  /** It went somewhere. */
  hasMoved = false
  /** Functions that are certainly defined here, and whether calling one changes the directory. */
  functions = new Map<string, { moves: boolean }>()
  aliases = new Set<string>()
  /** Why no name can be trusted to mean its program any more. */
  tainted: string | undefined

  constructor(cwds: readonly string[] | undefined) {
    this.cwds = cwds
  }

  copy(): ShellState {
    const copy = new ShellState(this.cwds)
    copy.hasMoved = this.hasMoved
    copy.functions = new Map(this.functions)
    copy.aliases = new Set(this.aliases)
    copy.tainted = this.tainted
    return copy
  }

  /** It may have become the other one, or not. */
  orElse(other: ShellState): void {
    this.cwds = union(this.cwds, other.cwds)
    this.hasMoved ||= other.hasMoved
    for (const [name, { moves }] of this.functions) {
      const there = other.functions.get(name)
      if (there === undefined) this.functions.delete(name)
      else if (there.moves && !moves) this.functions.set(name, there)
    }
    for (const alias of other.aliases) this.aliases.add(alias)
    this.tainted ??= other.tainted
  }

  /** For finding out whether a loop has anything new in its next round. */
  get summary(): string {
    return JSON.stringify([this.cwds, [...this.aliases], this.tainted, [...this.functions.keys()]])
  }

  taint(why: string): void {
    this.tainted ??= why
  }

  /** Goes to a directory, which may fail. @param target undefined: it is not known which */
  move(target: Arg | undefined, workspace: string | undefined): void {
    this.hasMoved = true
    if (typeof target !== 'string' || this.cwds === undefined || target === '' || target === '-' || target.startsWith('~')) {
      this.cwds = undefined
      return
    }
    const to: (string | undefined)[] = this.cwds.map(cwd => directoryOf(target, cwd, workspace))
    const known = to.filter(one => one !== undefined)
    this.cwds = known.length === to.length ? union([], known) : undefined
  }
}

/** Where a path leads in the volume; undefined: out of it. */
export function directoryOf(path: string, cwd: string, workspace: string | undefined): string | undefined {
  if (!path.startsWith('/')) return within(cwd, path)
  if (workspace === undefined) return undefined
  const below = posix.relative(workspace, path)
  return below === '..' || below.startsWith('../') ? undefined : posix.join('/', below)
}

/** Without leaving the root by `..`, which in the sandbox leads elsewhere. */
function within(cwd: string, path: string): string | undefined {
  const names = cwd.split('/').filter(name => name !== '')
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') names.push(name)
    else if (names.pop() === undefined) return undefined
  }
  return `/${names.join('/')}`
}

function union(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (a === undefined || b === undefined) return undefined
  const all = [...new Set([...a, ...b])]
  return all.length > limits.shellDirectories ? undefined : all
}
