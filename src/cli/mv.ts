import { CairnError } from '../errors.js'
import type { Context } from './context.js'
import { about, hasCode, usageError } from './errors.js'
import { volumeExtras } from './extras.js'
import { joinPath, targetName } from './paths.js'
import type { Place } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const target = await context.locate(args[args.length - 1], { writes: true })
  const sources = args.slice(0, -1)
  const stat = await target.files.stat(target.path).catch(() => undefined)
  const into = stat?.isDirectory() === true
  if (sources.length > 1 && !into)
    throw usageError(`${target.shown} is not a directory, and there are ${sources.length} sources.`, 'Make it with `cairn mkdir`, or move one file.')
  const moved: Array<{ from: string; to: string }> = []
  const code = await context.each(sources, { writes: true }, async source => {
    checkOneVolume(source, target)
    const to = into ? joinPath(target.path, targetName(source.path)) : target.path
    try {
      if (options['clobber'] === false) await renameNew(context, source, target, to)
      else await source.files.rename(source.path, to)
    } catch (error) {
      if (hasCode(error, 'EINVAL')) throw new CairnError('EINVAL', `${source.shown} cannot be moved into itself.`, 'Choose a target outside of it.')
      throw about(error, source.prefix, source.path)
    }
    moved.push({ from: `${source.prefix}${source.path}`, to: `${target.prefix}${to}` })
  })
  if (context.json) await context.result({ moved }, () => [])
  return code
}

function checkOneVolume(source: Place, target: Place): void {
  if (source.kind === target.kind && source.volume === target.volume) return
  throw new CairnError('EXDEV', `${source.shown} and ${target.shown} are not in one volume.`, 'Copy with `cairn cp -a`, then remove the source.')
}

/** Atomic within a volume; through a mount, Node offers only a look before the move. */
async function renameNew(context: Context, source: Place, target: Place, path: string): Promise<void> {
  const refused = new CairnError('EEXIST', `${target.prefix}${path} exists already.`, 'Leave out -n to replace it.')
  if (target.volume === undefined) {
    const stat = await target.files.lstat(path).catch(() => undefined)
    if (stat !== undefined) throw refused
    return source.files.rename(source.path, path)
  }
  const { renameNew } = volumeExtras(await context.volume(target.volume))
  await renameNew?.(source.path, path).catch(error => {
    throw hasCode(error, 'EEXIST') ? refused : error
  })
}
