import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { CorruptError } from '../errors.js'
import { ifThere } from '../sys/index.js'

const FORMAT = 1

/** What somebody reads, or builds on, although it may be in no head any more. */
interface Held {
  /** Pointers of root pages, in hex. */
  roots: readonly string[]
  /** Packs of this opening from this number on may come to be needed. */
  fromPack: number
  /** The commit that is looked at: it stays one for so long. */
  commit: string | undefined
}

/**
 * Open views of the past and transactions of one opening of a volume. Whoever opens one sees what the head names at that moment, so
 * that a collector must hear of it only once the head moves on: `save` comes before that. The file counts while the volume's lock is held.
 */
export class Holds {
  readonly #path: string
  readonly #held = new Set<Held>()
  /** Those whose user was garbage: a view that nobody closed. */
  readonly #dropped = new FinalizationRegistry<Held>(held => this.#held.delete(held))
  #saved = ''

  /** Forgets what an earlier process held. */
  constructor(path: string) {
    this.#path = path
    ifThere(() => unlinkSync(path))
  }

  /**
   * Holds for as long as `user` lives, or until the returned function is called.
   * @param fromPack packs of this opening from this number on may be needed too; default: none
   * @param commit id of a commit that is not to be pruned meanwhile: collectors of other hosts see nothing of this, but what a commit names they keep
   */
  add(user: object, roots: readonly string[], fromPack = Number.POSITIVE_INFINITY, commit?: string): () => void {
    const held: Held = { roots: roots.filter(root => root !== ''), fromPack, commit }
    this.#held.add(held)
    this.#dropped.register(user, held, held)
    return () => {
      this.#held.delete(held)
      this.#dropped.unregister(held)
    }
  }

  /** The lowest pack that is held; Infinity without any. */
  get fromPack(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const held of this.#held) lowest = Math.min(lowest, held.fromPack)
    return lowest
  }

  /** Ids of commits that somebody looks at. */
  get commits(): string[] {
    return [...this.#held].flatMap(({ commit }) => commit ?? [])
  }

  /** Writes down what is held now, for collectors in other threads and processes. Before each change of the head. @throws what the disk says */
  save(): void {
    const roots = [...new Set([...this.#held].flatMap(held => held.roots))].sort()
    const text = roots.length === 0 ? '' : `${JSON.stringify({ format: FORMAT, roots })}\n`
    if (text === this.#saved) return
    if (text === '') ifThere(() => unlinkSync(this.#path))
    else {
      // Readers see one list or the other. It dies with this process, and need not outlive the power.
      writeFileSync(`${this.#path}~`, text, { mode: 0o600 })
      renameSync(`${this.#path}~`, this.#path)
    }
    this.#saved = text
  }

  clear(): void {
    this.#held.clear()
    ifThere(() => unlinkSync(this.#path))
  }
}

/** The roots that the process which has the volume open holds. @throws CorruptError */
export function readHolds(path: string): string[] {
  const text = ifThere(() => readFileSync(path, 'utf8'))
  if (text === undefined) return []
  const roots = (parse(text, path) as { roots?: unknown }).roots
  if (!Array.isArray(roots) || !roots.every(root => typeof root === 'string')) throw new CorruptError(path, 'it names no roots')
  return roots as string[]
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    throw new CorruptError(path, 'it is not JSON')
  }
}
