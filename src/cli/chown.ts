import { parseOwner } from './owners.js'
import type { Run } from './spec.js'
import { walk } from './walk.js'

export const run: Run = async (context, [owner, ...operands], options) => {
  const { uid, gid } = parseOwner(owner)
  let changed = 0
  const code = await context.each(operands, { writes: true }, async ({ files, path }) => {
    const change = async (at: string, follow: boolean) => {
      if (follow) await files.chown(at, uid, gid)
      else await files.lchown(at, uid, gid)
      changed++
    }
    if (options['recursive'] === true) await walk(files, path, at => change(at, false))
    else await change(path, options['dereference'] !== false)
  })
  if (context.json) await context.result({ changed }, () => [])
  return code
}
