/**
 * Journals of volumes in a store that is one file: whoever has the file has all that was acknowledged. Only stores whose every write is in order
 * with every other have them: what is durable is a prefix of what was written.
 */
export interface StoreLogs {
  /**
   * From now on `writer` alone may append to the journal of a volume: whoever could before is refused.
   * @param volume id in hex
   * @param writer a name that nobody else has
   */
  open(volume: string, writer: string): VolumeLog
  /** Visits the frames behind `after` in order, whoever is writing them. */
  peek(volume: string, after: number, visit: (sequence: number, frame: Buffer) => void): void
  /** Bytes of all frames of a volume. */
  bytesOf(volume: string): number
  /** The volume is gone: nothing of its journal stays. */
  drop(volume: string): void
}

/** A stretch of a pack that is still being written. */
export interface PackPart {
  /** What its key will be. */
  key: string
  /** Where the bytes belong; right behind those before. */
  from: number
  bytes: Uint8Array
}

/** The journal of one volume, and the packs that it names and that are no objects yet, for its one writer. */
export interface VolumeLog {
  /** First and last sequence of its frames; undefined without any. */
  readonly range: { first: number; last: number } | undefined
  read(after: number, visit: (sequence: number, frame: Buffer) => void): void
  /**
   * Appends a frame, together with stretches of the packs that it names: all of it or nothing. When it returns, that survives the death of the process;
   * and of the machine, when the descriptors of `fds` were synced.
   * @throws CairnError ERR_FENCED when somebody else has opened the journal since; what the disk says
   */
  append(sequence: number, frame: readonly Uint8Array[], packs: readonly PackPart[]): void
  /** Keeps stretches of packs, without a frame. @throws as `append` */
  savePacks(packs: readonly PackPart[]): void
  /** Deletes the frames behind a sequence. */
  cut(after: number): void
  /** Deletes frames up to a sequence, at most so many. @returns true when none is left */
  release(upTo: number, atMost: number): boolean
  /** Packs that are still being written: their key, and how many bytes of each are here. */
  packs(): Array<{ key: string; sizeBytes: number }>
  /** Copies a pack of those into a new file, which is not synced. */
  copyPack(key: string, path: string): void
  /** What to fdatasync(2), so that all that was appended is durable. */
  fds(): number[]
  /** Nobody writes it any more. What is in it stays. */
  close(): void
}
