import { about } from './errors.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'
import { gathered } from './stdin.js'

export const run: Run = async (context, [target, ...words], options) => {
  const place = await context.locate(target, { writes: true })
  try {
    const handle = await place.files.open(place.path, options['append'] === true ? 'a' : 'w')
    const progress = new Progress(context.out, 'writing')
    let bytes = 0
    try {
      for await (const chunk of words.length > 0 ? [Buffer.from(`${words.join(' ')}\n`)] : gathered(context.streams.stdin)) {
        await handle.writeFile(chunk)
        bytes += chunk.length
        progress.add(0, chunk.length)
      }
    } finally {
      progress.end()
      await handle.close()
    }
    await context.result({ path: `${place.prefix}${place.path}`, bytes }, () => [])
    return 0
  } catch (error) {
    throw about(error, place.prefix, place.path, true)
  }
}
