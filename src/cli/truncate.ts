import { parseSize } from '../sdk/config.js'
import { hasCode, usageError } from './errors.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const text = options['size']
  const match = typeof text === 'string' ? /^([+-]?)(.+)$/.exec(text) : null
  const size = match === null ? undefined : parseSize(match[2])
  if (match === null || size === undefined) throw usageError('`cairn truncate` needs a size.', 'Write `-s 0`, `-s 10M` or `-s +1K`.')
  const sizes: Array<{ path: string; size: number }> = []
  const code = await context.each(args, { writes: true }, async ({ files, path, prefix }) => {
    sizes.push({ path: `${prefix}${path}`, size: await resize(files, path, match[1], size) })
  })
  if (context.json) await context.result(sizes, () => [])
  return code
}

async function resize(files: Files, path: string, sign: string, size: number): Promise<number> {
  const handle = await files.open(path, 'r+').catch(error => {
    if (hasCode(error, 'ENOENT')) return files.open(path, 'w')
    throw error
  })
  try {
    const before = sign === '' ? 0 : (await handle.stat()).size
    const after = sign === '' ? size : Math.max(0, sign === '+' ? before + size : before - size)
    await handle.truncate(after)
    return after
  } finally {
    await handle.close()
  }
}
