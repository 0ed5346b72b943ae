import { diffLines } from '../diff/line-diff.js'

/** Whose each line of the last state is: the index of the state that brought it. */
export class Blame {
  #lines: readonly string[] = []
  #owners: number[] = []

  /** The next state. */
  add(lines: readonly string[], owner: number, fresh: boolean): void {
    if (fresh) {
      this.#lines = []
      this.#owners = []
    }
    const owners: number[] = []
    let at = 0
    for (const { sign, lines: run } of diffLines(this.#lines, lines)) {
      if (sign === '+') for (const _ of run) owners.push(owner)
      else if (sign === '-') at += run.length
      else for (const _ of run) owners.push(this.#owners[at++])
    }
    this.#lines = lines
    this.#owners = owners
  }

  /** Lines as bytes in characters, with their line breaks. */
  get lines(): Array<{ text: string; owner: number }> {
    return this.#lines.map((text, i) => ({ text, owner: this.#owners[i] }))
  }
}
