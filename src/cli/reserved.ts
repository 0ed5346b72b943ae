import { HISTORY_NAME } from '../fs/index.js'

const RESERVED = Buffer.from(`/${HISTORY_NAME}`)
const INSTEAD = Buffer.from(`/${HISTORY_NAME}.imported`)

/** Where in a volume something goes that was to go where the volume's history stands in its mounts; undefined for any other path. */
export function insteadOf(path: Buffer): Buffer | undefined {
  return path.length === RESERVED.length && path.equals(RESERVED) ? INSTEAD : undefined
}
