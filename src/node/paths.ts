/**
 * Inside the engine a path is a byte string: one char per byte (latin1). Outside it is a UTF-8 string or bytes.
 * Nearly all paths are plain ASCII, where the two are the same string and nothing is copied.
 */
const beyondAscii = /\P{ASCII}/u

export function toByteString(path: string | Uint8Array): string {
  if (typeof path !== 'string') return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1')
  return beyondAscii.test(path) ? Buffer.from(path, 'utf8').toString('latin1') : path
}

/** The text of a byte string; bytes that are not UTF-8 become U+FFFD, as in node:fs. */
export function toText(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}

/** A name as the caller's encoding asks for it. */
export function encodeName(bytes: string, encoding: NameEncoding): string | Buffer {
  if (encoding === 'utf8') return toText(bytes)
  const buffer = Buffer.from(bytes, 'latin1')
  return encoding === 'buffer' ? buffer : buffer.toString(encoding)
}

export type NameEncoding = BufferEncoding | 'buffer'

/** A path as an error message shows it. */
export function shown(path: string | Uint8Array): string {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('utf8')
}

/** `dir` and `name` as one path; `dir` may be the root. */
export function join(dir: string, name: string): string {
  return dir.endsWith('/') ? dir + name : `${dir}/${name}`
}
