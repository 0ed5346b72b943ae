import type { Context } from './context.js'
import { usageError } from './errors.js'
import { plural, printable } from './format.js'
import type { Run } from './spec.js'

/** `cairn tag VOL`, `cairn tag VOL:/path`, `cairn tag VOL:/path TAG…`. */
export const run: Run = async (context, [target, ...tags], options) => {
  const { volume: name, ref, path } = await context.side(target)
  const only = options['list']
  if (typeof only === 'string' || path === undefined) {
    if (path !== undefined || tags.length > 0)
      throw usageError('All that has a tag is asked for by volume.', `Write \`cairn tag ${name} --list TAG\`, or \`cairn tag ${name}\`.`)
    return list(context, name, ref, typeof only === 'string' ? only : undefined)
  }
  if (tags.length > 0) await context.refuseReadOnly()
  else context.readsOnly()
  const volume = await context.volume(name, ref)
  if (tags.length > 0) await volume.tag(path, ...tags)
  const now = await volume.tags(path)
  await context.result({ volume: name, path, tags: now }, () => (tags.length > 0 ? [] : now.map(printable)))
  return 0
}

async function list(context: Context, name: string, ref: string | undefined, tag: string | undefined): Promise<number> {
  context.readsOnly()
  const volume = await context.volume(name, ref)
  const found: Array<{ path: string; tags: string[] }> = []
  for await (const one of volume.tagged(tag)) {
    if (context.json) found.push(one)
    else await context.out.lines([tag === undefined ? `${printable(one.path)}  ${printable(one.tags.join(' '))}` : printable(one.path)])
  }
  await context.result(found, () => [])
  return 0
}

/** `cairn untag VOL:/path TAG…`; without tags all of them. */
export const untag: Run = async (context, [target, ...tags]) => {
  const { volume: name, ref, path } = await context.side(target)
  if (path === undefined) throw usageError(`${target} names no file.`, 'Write VOLUME:/path.')
  await context.refuseReadOnly()
  const volume = await context.volume(name, ref)
  const before = await volume.tags(path)
  await volume.untag(path, ...(tags.length > 0 ? tags : before))
  const now = await volume.tags(path)
  await context.result({ volume: name, path, tags: now }, () => [])
  const missing = tags.filter(tag => !before.includes(tag))
  if (missing.length > 0) context.out.note(`cairn: ${path} had no ${missing.length === 1 ? `tag ${missing[0]}` : plural(missing.length, 'of these tag')}.`)
  return 0
}
