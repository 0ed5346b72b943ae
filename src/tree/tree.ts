/** Where sealed pages come from. */
export interface PageSource {
  /**
   * The plain, verified bytes of the page that the pointer at `at` names; valid until the next call. @throws CorruptError
   */
  readPage(pointer: Uint8Array, at: number): Uint8Array
  /**
   * Where reading takes long: begins to bring near the page that a pointer names, and `lead` bytes that lie before it. Returns at once, and fails never: who
   * reads it hears what is wrong.
   */
  readonly prefetchPage?: ((pointer: Uint8Array, at: number, lead: number) => void) | undefined
}

/** Where sealing writes pages to. */
export interface PageSink {
  /** Stores the bytes of a page, which are valid only during the call, and writes its 62-byte pointer to `to` at `at`. */
  writePage(bytes: Uint8Array, to: Uint8Array, at: number): void
  /** Called at the end of a step: the pages written since the last call are in the file, which they need not be before. */
  flush?(): void
}

/** A walk over keys in order. Invalid after any change of its tree; seek again then. */
export interface Cursor {
  /** The page that holds the current cell; key at `kp` (`kl` long), value at `vp` (`vl` long). */
  buf: Uint8Array
  kp: number
  kl: number
  vp: number
  vl: number
  /** Moves to the first key ≥ K; false at the end. */
  seek(K: Uint8Array, keyLength: number): boolean
  next(): boolean
}

/** One that goes both ways. */
export interface TwoWayCursor extends Cursor {
  /** Moves to the last key < K; false when there is none. */
  seekBefore(K: Uint8Array, keyLength: number): boolean
  /** False at the start; seek again then. */
  previous(): boolean
}

/** Writes frozen dirty pages bottom-up, in slices. */
export interface Sealer {
  /** Writes at most `pages` pages; true when all are written. */
  step(pages: number): boolean
  /** The root's pointer; 62 bytes. Only when `step` returned true. */
  readonly root: Uint8Array
  readonly pagesWritten: number
  /**
   * Before the last step, or after it when the seal was begun with `hold`: what was written is lost, and its pages are dirty as before.
   * After a step that failed, either this or the step again.
   */
  discard(): void
  /** For a seal begun with `hold`, after the last step: what was written stays, and its pages may leave memory. */
  keep(): void
}

export interface Tree {
  /** Where the last hit's value stands; valid until the next call of any kind. */
  vb: Uint8Array
  vp: number
  vl: number
  get(K: Uint8Array, keyLength: number): boolean
  put(K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void
  del(K: Uint8Array, keyLength: number): boolean
  cursor(): Cursor
  /** O(1): freezes the present state; both trees copy on write from here on. */
  fork(): Tree
  /**
   * Freezes the present state and seals it while this tree goes on changing. One at a time.
   * The pages are clean when the last step is done, so the source must be able to read them then; with `hold`, when `keep()` is called.
   */
  seal(sink: PageSink, options?: { hold?: boolean }): Sealer
  /** Bytes of pages that no seal has written. */
  readonly dirtyBytes: number
}
