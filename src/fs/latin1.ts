/** What Node's buffers have and its types do not name: strings of one char per byte, without a check of arguments on the way. */
const native: { latin1Slice: (this: Uint8Array, from: number, to: number) => string; latin1Write: (this: Uint8Array, text: string, at: number) => number } =
  Buffer.prototype

/** Bytes as a string; of any byte array, as pages are. */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return native.latin1Slice.call(bytes, from, to)
}

/** Writes a string of bytes; returns how many. */
export function putLatin1(to: Uint8Array, at: number, text: string): number {
  return native.latin1Write.call(to, text, at)
}
