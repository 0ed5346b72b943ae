import { createInterface } from 'node:readline'
import { CairnError } from '../errors.js'
import type { Batch } from '../sdk/batch.js'
import type { BatchError } from '../sdk/batch-error.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  if (context.streams.stdin.isTTY === true) {
    throw usageError('The operations come on stdin, one JSON object a line.', `Write them to a file: cairn batch ${name} < ops.jsonl.`)
  }
  const volume = await context.volume(name)
  const batch = await volume.beginBatch()
  try {
    await readOps(context, batch)
    const { commit, answers } = await batch.commit(texts(options))
    if (context.json) await context.result({ applied: true, commit: commit?.id ?? null, answers }, () => [])
    else for (const [at, answer] of answers.entries()) await context.out.write(`${JSON.stringify({ line: at + 1, ...answer })}\n`)
    return 0
  } catch (error) {
    return await refused(context, error)
  } finally {
    await batch.close()
  }
}

function texts(options: Record<string, string | boolean | undefined>): { message?: string; actor?: string } {
  const { message, actor } = options
  return { ...(typeof message === 'string' && { message }), ...(typeof actor === 'string' && { actor }) }
}

async function readOps(context: Context, batch: Batch): Promise<void> {
  const progress = new Progress(context.out, 'taking')
  try {
    for await (const line of createInterface({ input: context.streams.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
      let value: unknown
      try {
        value = JSON.parse(line)
      } catch {
        throw await batch.malformed(line.trim() === '' ? 'it is empty' : 'it is not JSON')
      }
      await batch.add(value)
      progress.add(1, line.length)
    }
  } finally {
    progress.end()
  }
}

/** As any failure, with the line as a number for programs. */
async function refused(context: Context, error: unknown): Promise<number> {
  if (!context.json || !(error instanceof CairnError) || !('line' in error)) throw error
  const { code, message, remedy, line, exitCode } = error as BatchError
  await context.out.write(`${JSON.stringify({ applied: false, error: { code, message, remedy, line } })}\n`)
  return exitCode
}
