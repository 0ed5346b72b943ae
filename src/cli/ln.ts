import { CairnError } from '../errors.js'
import { about, hasCode } from './errors.js'
import { joinPath, targetName } from './paths.js'
import type { Place } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target, name], options) => {
  const place = await context.locate(name, { writes: true })
  const symbolic = options['symbolic'] === true
  const source = symbolic ? undefined : await context.locate(target, { writes: true })
  if (source !== undefined && (source.kind !== place.kind || source.volume !== place.volume)) {
    throw new CairnError('EXDEV', `${target} and ${name} are not in one volume.`, 'Link within a volume, or copy with `cairn cp`.')
  }
  const path = await linkPath(place, source?.path ?? target)
  try {
    if (options['force'] === true) await removeFile(place, path)
    if (source === undefined) await place.files.symlink(target, path)
    else await place.files.link(source.path, path)
  } catch (error) {
    throw about(error, place.prefix, path)
  }
  await context.result({ path: `${place.prefix}${path}`, target, symbolic }, () => [])
  return 0
}

/** In a directory the link gets the name of its target. */
async function linkPath(place: Place, target: string): Promise<string> {
  const stat = await place.files.stat(place.path).catch(() => undefined)
  return stat?.isDirectory() === true ? joinPath(place.path, targetName(target)) : place.path
}

async function removeFile(place: Place, path: string): Promise<void> {
  await place.files.unlink(path).catch(error => {
    if (!hasCode(error, 'ENOENT')) throw error
  })
}
