import { hasCode, usageError } from './errors.js'
import type { Place } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const recursive = options['recursive'] === true || options['R'] === true
  const force = options['force'] === true
  const removed: string[] = []
  const code = await context.each(args, { writes: true }, async place => {
    refuseRoot(place)
    try {
      await remove(place, recursive)
      removed.push(`${place.prefix}${place.path}`)
    } catch (error) {
      if (!(force && hasCode(error, 'ENOENT', 'ENOTDIR'))) throw error
    }
  })
  if (context.json) await context.result({ removed }, () => [])
  return code
}

function refuseRoot(place: Place): void {
  const path = place.path.replace(/\/+$/, '')
  if (path === '' && place.kind === 'volume') {
    throw usageError(
      `${place.shown} is the root of the volume, which cannot be removed.`,
      `Remove what is in it, or the volume with \`cairn delete ${place.volume}\`.`,
    )
  }
  if (/(^|\/)\.{1,2}$/.test(path)) throw usageError(`${place.shown} ends in . or .., which rm refuses.`, 'Name the directory itself.')
}

async function remove(place: Place, recursive: boolean): Promise<void> {
  const stat = await place.files.lstat(place.path)
  if (!stat.isDirectory()) return place.files.unlink(place.path)
  if (!recursive) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR', syscall: 'rm', path: place.path })
  await place.files.rm(place.path, { recursive: true })
}
