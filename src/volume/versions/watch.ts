/** Told of each change before it goes into the batch, while the tree is still as it was: for whoever saves what it replaces. */
export interface ChangeWatch {
  /** An inode made for this batch; 0: none. What is new replaces nothing. */
  fresh: number
  /** A record is put. @throws CorruptError, as all below; a full or failing disk is told when the batch ends */
  put(key: Uint8Array, keyLength: number, value: Uint8Array, valueLength: number): void
  del(key: Uint8Array, keyLength: number): void
  /** Bytes of a file of kind `blocks` are written, or become zeros where they are allocated (`allocatedOnly`). */
  range(ino: number, offset: number, length: number, allocatedOnly: boolean): void
  /** Blocks `first` to `last` become holes. */
  drop(ino: number, first: number, last: number): void
  discard(): void
}
