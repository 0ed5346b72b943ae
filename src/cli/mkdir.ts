import { parseMode } from './mode.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const mode = typeof options['mode'] === 'string' ? parseMode(options['mode'])(0o777 & ~process.umask(), true) & 0o7777 : undefined
  const made: string[] = []
  const code = await context.each(args, { writes: true }, async place => {
    const first = await place.files.mkdir(place.path, { recursive: options['parents'] === true })
    // The mode asked for is exact, whatever the umask; a directory that was there keeps its own.
    if (mode !== undefined && (first !== undefined || options['parents'] !== true)) await place.files.chmod(place.path, mode)
    made.push(`${place.prefix}${place.path}`)
  })
  if (context.json) await context.result({ made }, () => [])
  return code
}
