import type { createFs } from '../../../src/node/index.js'
import { EMPTY, fingerprintOf, type ModelFile, type ModelTree, treeIn } from './tree-model.js'

type Shape = ReturnType<typeof createFs>

/** A merge that was begun: what it makes of both is known when somebody sees it, and must be the same from then on. */
interface Merging {
  number: number
  ours: number
  theirs: number
}

/** All states that a simulation has ever made, by number; each says which ones it was made of, and what it shows. */
export class States {
  /** By number: those before. */
  readonly #before: number[][] = [[]]
  readonly #trees: Array<ModelTree | undefined> = [EMPTY]
  readonly #byPrint = new Map<string, number>([[fingerprintOf(EMPTY), 0]])
  #merging: Merging[] = []
  /** By volume and state: states of the volume that became that one, although it is another volume's. */
  readonly #taken = new Map<string, number[]>()

  /** A new number; `is` says what it shows. */
  next(...before: number[]): number {
    this.#trees.push(undefined)
    return this.#before.push(before) - 1
  }

  is(state: number, tree: ModelTree): void {
    this.#trees[state] = tree
    this.#byPrint.set(fingerprintOf(tree), state)
  }

  /**
   * A merge into a volume is begun. It may leave what the other side had, nothing else: where a commit that both had in common was lost with a host that was overtaken,
   * both have changed the same since the one before, and the resolution takes theirs. That is a state with another number already.
   */
  merging(volume: string, ours: number, theirs: number): void {
    this.#merging.push({ number: this.next(ours, theirs), ours, theirs })
    const place = `${volume} ${theirs}`
    this.#taken.set(place, [...(this.#taken.get(place) ?? []), ours])
  }

  tree(state: number): ModelTree {
    const tree = this.#trees[state]
    if (tree === undefined) throw new Error(`nobody has seen state ${state}`)
    return tree
  }

  /** In a volume the one state came of the other, or is it. */
  includes(volume: string, state: number, earlier: number): boolean {
    const seen = new Set<number>()
    const left = [state]
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      if (at === earlier) return true
      if (seen.has(at)) continue
      seen.add(at)
      left.push(...this.#before[at], ...(this.#taken.get(`${volume} ${at}`) ?? []))
    }
    return false
  }

  /** The state that is there. @throws when it is none that was made, or not all of one */
  in(fs: Shape): number {
    const tree = treeIn(fs)
    const print = fingerprintOf(tree)
    const known = this.#byPrint.get(print) ?? this.#merged(tree)
    if (known === undefined) throw new Error(`no state that was ever made:\n${print.slice(0, 3000)}`)
    return known
  }

  /** The merge that may have made it: every file is what one of the two has, whole. */
  #merged(tree: ModelTree): number | undefined {
    const made = this.#merging.find(({ ours, theirs }) => isOf(tree, this.tree(ours), this.tree(theirs)))
    if (made === undefined) return undefined
    this.#merging = this.#merging.filter(other => other !== made)
    this.is(made.number, tree)
    return made.number
  }
}

function isOf(tree: ModelTree, ours: ModelTree, theirs: ModelTree): boolean {
  const contents = new Set([...ours.values(), ...theirs.values()].flatMap(node => (node === 'directory' ? [] : [node.bytes.toString('latin1')])))
  const isWhole = [...tree.values()].every(node => node === 'directory' || contents.has(node.bytes.toString('latin1')))
  const owned = (side: ModelTree): string[] => [...side.keys()].filter(path => path.startsWith('/own-'))
  const text = (side: ModelTree, path: string): string | undefined => (side.get(path) as ModelFile | undefined)?.bytes.toString('latin1')
  const isBoth = owned(tree).every(path => [text(ours, path), text(theirs, path)].includes(text(tree, path)))
  return isWhole && isBoth && [...owned(ours), ...owned(theirs)].every(path => tree.has(path))
}
