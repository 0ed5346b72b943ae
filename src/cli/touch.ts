import { hasCode, usageError } from './errors.js'
import type { Place } from './places.js'
import type { Run } from './spec.js'

export const run: Run = async (context, args, options) => {
  const when = timeOf(options['date'])
  let touched = 0
  const code = await context.each(args, { writes: true }, async place => {
    if (await touch(place, when, options['create'] !== false)) touched++
  })
  if (context.json) await context.result({ touched }, () => [])
  return code
}

function timeOf(text: string | boolean | undefined): Date {
  const time = typeof text === 'string' ? new Date(text) : new Date()
  if (Number.isNaN(time.getTime())) throw usageError(`${JSON.stringify(text)} is not a time.`, 'Write it as 2026-11-20T10:00.')
  return time
}

async function touch({ files, path }: Place, when: Date, create: boolean): Promise<boolean> {
  try {
    await files.utimes(path, when, when)
    return true
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    if (!create) return false
  }
  await (await files.open(path, 'a')).close()
  await files.utimes(path, when, when)
  return true
}
