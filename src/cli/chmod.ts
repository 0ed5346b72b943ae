import { usageError } from './errors.js'
import { type ModeChange, parseMode } from './mode.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'
import { walk } from './walk.js'

export const run: Run = async (context, args, options) => {
  // Unknown options reach here, because a mode may start with a hyphen (chmod -x).
  const [text, ...operands] = args
  const change = parseMode(text, process.umask())
  const stray = operands.find(operand => operand.startsWith('-'))
  if (stray !== undefined) throw usageError(`\`cairn chmod\` has no option ${stray}.`, 'Run `cairn chmod --help` to see those it has.')
  let changed = 0
  const code = await context.each(operands, { writes: true }, async place => {
    if (options['recursive'] !== true) {
      await apply(place.files, place.path, change)
      changed++
      return
    }
    await walk(place.files, place.path, async (path, _isDirectory, isLink) => {
      if (isLink) return
      await apply(place.files, path, change)
      changed++
    })
  })
  if (context.json) await context.result({ changed }, () => [])
  return code
}

async function apply(files: Files, path: string, change: ModeChange): Promise<void> {
  const stat = await files.stat(path)
  await files.chmod(path, change(stat.mode & 0o7777, stat.isDirectory()))
}
