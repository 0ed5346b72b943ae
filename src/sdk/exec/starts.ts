import { availableParallelism } from 'node:os'
import { limits } from '../../sys/index.js'

/**
 * The runs of this program that are on their way to the start of their command. While more of them are than there are processors, these are busy, and what is over waits with its
 * record: who records first keeps processors from commands that could run meanwhile. It waits only as long as one start follows the other, and never long.
 */
export class Starts {
  #count = 0
  #waiting: Array<() => void> = []
  #gap: NodeJS.Timeout | undefined

  /** One more; what is returned says, once or more often, that its command has started or never will. */
  begin(): () => void {
    let isOver = false
    this.#count++
    return () => {
      if (isOver) return
      isOver = true
      this.#count--
      this.#gap?.refresh()
      if (!this.#isBusy) this.#goOn()
    }
  }

  get #isBusy(): boolean {
    return this.#count > availableParallelism()
  }

  /** Resolves when what is over can be recorded. */
  async quiet(): Promise<void> {
    if (!this.#isBusy) return
    this.#gap ??= setTimeout(() => this.#goOn(), limits.execStartGapMs)
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      timer = setTimeout(resolve, limits.execStartsMs)
    })
    clearTimeout(timer)
  }

  #goOn(): void {
    clearTimeout(this.#gap)
    this.#gap = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
