import type { ReplayReport } from './journal.js'

/** The redo log of one volume, wherever it is kept; see `Journal` for what each promises. Single writer, synchronous. */
export interface RedoLog {
  replay(visit: (sequence: number, payload: Buffer) => void): ReplayReport
  append(buffer: Uint8Array, length: number): number
  appendParts(head: Uint8Array, headLength: number, parts: readonly Uint8Array[]): number
  rotate(): void
  truncateAfter(sequence: number): void
  release(sequence: number, files?: number): boolean
  bytesBehind(sequence: number): number
  fds(): number[]
  synced(sequence: number): void
  sync(): void
  fail(): void
  close(): void
}
