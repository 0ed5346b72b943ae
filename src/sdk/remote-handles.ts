/** Handles of a client start where no descriptor of its own is. */
const FIRST_HANDLE = 1 << 20

interface Handle {
  /** What was open when it was opened: another server would use the same numbers for other files. */
  target: number
  there: number
}

/** The handles of one open volume as its client numbers them. No number is used twice. */
export class RemoteHandles {
  readonly #handles = new Map<number, Handle>()
  #next = FIRST_HANDLE

  add(target: number, there: number): number {
    const handle = this.#next++
    this.#handles.set(handle, { target, there })
    return handle
  }

  /** One that is not open is no handle at the target either, which says so in the words of the call. */
  get(handle: number, target: number): Handle {
    return this.#handles.get(handle) ?? { target, there: -1 }
  }

  remove(handle: number): void {
    this.#handles.delete(handle)
  }
}
