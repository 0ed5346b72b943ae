import type { VolumeFs } from '../node/index.js'

/** See `OpenVolume.readRange`. */
export async function readRange(fs: VolumeFs, path: string, offset: number, length: number): Promise<Buffer> {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (Number.isSafeInteger(value) && value >= 0) continue
    const error = new RangeError(`The value of "${name}" is out of range. It must be an integer from 0 on. Received ${String(value)}`)
    throw Object.assign(error, { code: 'ERR_OUT_OF_RANGE' })
  }
  const file = await fs.promises.open(path, 'r')
  try {
    const { size } = await file.stat()
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, size - offset)))
    let done = 0
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  } finally {
    await file.close()
  }
}
