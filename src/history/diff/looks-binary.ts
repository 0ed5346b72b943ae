const PROBE_BYTES = 8000

/** A NUL in the first 8000 bytes, as git decides. */
export function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, PROBE_BYTES).includes(0)
}
