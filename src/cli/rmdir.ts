import type { Run } from './spec.js'

export const run: Run = async (context, args) => {
  const removed: string[] = []
  const code = await context.each(args, { writes: true }, async place => {
    await place.files.rmdir(place.path)
    removed.push(`${place.prefix}${place.path}`)
  })
  if (context.json) await context.result({ removed }, () => [])
  return code
}
