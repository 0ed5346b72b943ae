import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { End } from './copy.js'

/** Files up to this size are read and written whole. */
export const SMALL_BYTES = 1024 * 1024
const CHUNK_BYTES = 1024 * 1024
/** Runs of zeros of this size in a file with holes become holes. */
const HOLE_BYTES = 64 * 1024

/** True when fewer bytes are stored than the size says; tiny files may be stored where no block counts. */
export function hasHoles(stat: BigIntStats): boolean {
  return stat.size >= HOLE_BYTES && stat.blocks * 512n < stat.size
}

/** Copies the bytes of a large file piece by piece; holes stay holes. */
export async function copyContent(
  source: End,
  from: Buffer,
  target: End,
  to: Buffer,
  stat: BigIntStats,
  mode: number,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const size = Number(stat.size)
  const input = await source.files.open(from, 'r')
  try {
    const output = await target.files.open(to, 'w', mode)
    try {
      if (hasHoles(stat)) await copySparse(source, input, output, size, onBytes)
      else await copyRange(input, output, 0, size, false, onBytes)
      // A hole at the end is only a size.
      await output.truncate(size)
    } finally {
      await output.close()
    }
  } finally {
    await input.close()
  }
}

async function copySparse(source: End, input: FileHandle, output: FileHandle, size: number, onBytes: (bytes: number) => void): Promise<void> {
  for (let at = 0; at < size; ) {
    const data = await source.extras.nextData(input, at, size)
    if (data === undefined) return
    await copyRange(input, output, data.start, data.end, true, onBytes)
    at = data.end
  }
}

async function copyRange(
  input: FileHandle,
  output: FileHandle,
  start: number,
  end: number,
  skipZeros: boolean,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - start))
  for (let at = start; at < end; ) {
    const { bytesRead } = await input.read(buffer, 0, Math.min(buffer.length, end - at), at)
    // The file became shorter while it was copied.
    if (bytesRead === 0) return
    if (skipZeros) await writeData(output, buffer, bytesRead, at)
    else await writeFully(output, buffer, 0, bytesRead, at)
    at += bytesRead
    onBytes(bytesRead)
  }
}

async function writeData(output: FileHandle, buffer: Buffer, length: number, position: number): Promise<void> {
  for (let at = 0; at < length; at += HOLE_BYTES) {
    const size = Math.min(HOLE_BYTES, length - at)
    if (!isZero(buffer, at, at + size)) await writeFully(output, buffer, at, size, position + at)
  }
}

async function writeFully(output: FileHandle, buffer: Buffer, from: number, length: number, position: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const { bytesWritten } = await output.write(buffer, from + done, length - done, position + done)
    done += bytesWritten
  }
}

const zeros = Buffer.alloc(HOLE_BYTES)

export function isZero(buffer: Buffer, start: number, end: number): boolean {
  return buffer.compare(zeros, 0, end - start, start, end) === 0
}
