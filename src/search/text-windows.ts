import { limits } from '../sys/index.js'
import type { FileReader } from './file-reader.js'

const NEWLINE = 10

/** A file in parts of whole lines, each valid until the next. A line that is longer than a window makes one longer. */
export function* windowsOf(reader: FileReader, file: number): Generator<Buffer> {
  const size = reader.sizeOf(file)
  if (size <= limits.grepWindowBytes) {
    yield reader.read(file, 0, size)
    return
  }
  let rest: Buffer = Buffer.alloc(0)
  for (let at = 0; at < size; at += limits.grepWindowBytes) {
    const bytes = reader.read(file, at, Math.min(limits.grepWindowBytes, size - at))
    const end = at + bytes.length === size ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1
    if (end === 0) rest = Buffer.concat([rest, bytes])
    else {
      const next = Buffer.from(bytes.subarray(end))
      yield rest.length === 0 ? bytes.subarray(0, end) : Buffer.concat([rest, bytes.subarray(0, end)])
      rest = next
    }
  }
}
