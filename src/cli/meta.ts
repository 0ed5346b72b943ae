import { CairnError } from '../errors.js'
import { usageError } from './errors.js'
import { printable, table } from './format.js'
import type { Run } from './spec.js'

/** `cairn meta VOL:/path`, `… KEY`, `… KEY VALUE`, `… KEY --remove`. */
export const run: Run = async (context, [target, key, value], options) => {
  const { volume: name, ref, path } = await context.side(target)
  if (path === undefined) throw usageError(`${target} names no file.`, 'Write VOLUME:/path.')
  const removes = options['remove'] === true
  if (removes && (key === undefined || value !== undefined)) throw usageError('--remove takes a key alone.', `Write \`cairn meta ${target} KEY --remove\`.`)
  const writes = removes || value !== undefined
  if (writes) await context.refuseReadOnly()
  else context.readsOnly()
  const volume = await context.volume(name, ref)
  if (key !== undefined && writes) {
    await volume.setMeta(path, key, removes ? undefined : value)
    await context.result({ volume: name, path, meta: await volume.meta(path) }, () => [])
    return 0
  }
  const meta = await volume.meta(path)
  if (key === undefined) {
    await context.result({ volume: name, path, meta }, () => table(Object.entries(meta).map(([one, text]) => [printable(one), printable(text)])))
    return 0
  }
  const found = await volume.getMeta(path, key)
  if (found === undefined)
    throw new CairnError('ERR_META_UNKNOWN', `${target} has nothing under the key ${key}.`, `\`cairn meta ${target}\` shows what it has.`)
  await context.result({ volume: name, path, key, value: found }, () => [found])
  return 0
}
