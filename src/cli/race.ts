import type { Attempt, RaceResult } from '../sdk/types.js'
import type { Context } from './context.js'
import { NOT_RUN, usageError } from './errors.js'
import { execOptions, waits } from './exec.js'
import { duration, plural } from './format.js'
import type { Options, Run } from './spec.js'

/** Exits 0 when there is a winner and it was merged where that was wanted, 1 when no attempt succeeded, 125 when it could not be run or merged. */
export const run: Run = async (context, [operand], options) => {
  try {
    const attempts = options['attempts'] as unknown as string[] | undefined
    if (attempts === undefined) throw usageError('There is nothing to race.', "Write --attempts 'first command' 'second command'.")
    const asked = { ...execOptions(options), ...raceOptions(options), onAsk: waits(context) }
    const name = await context.volumeName(operand)
    await context.refuseReadOnly()
    const cairn = await context.cairn()
    const result = await context.helped(() => cairn.race(name, attempts, asked))
    await context.result(result, () => lines(context, result, options['merge'] === 'none'))
    if (result.winner === undefined) return 1
    return result.merge?.state === 'conflicts' ? NOT_RUN : 0
  } catch (error) {
    return context.notRun(error)
  }
}

function raceOptions({ jobs, score, merge }: Options) {
  if (merge !== undefined && merge !== 'best' && merge !== 'none') throw usageError(`--merge is ${merge}.`, 'Write best or none.')
  if (jobs !== undefined && !/^[1-9]\d{0,3}$/.test(String(jobs))) throw usageError(`${jobs} attempts cannot run at once.`, 'Write a whole number from 1.')
  return {
    ...(jobs === undefined ? {} : { jobs: Number(jobs) }),
    ...(typeof score === 'string' ? { score } : {}),
    ...(merge === undefined ? {} : { merge: merge as 'best' | 'none' }),
  }
}

function lines(context: Context, { volume, attempts, winner, merge }: RaceResult, keeps: boolean): string[] {
  const rows = attempts.map((one, i) => {
    const row = `${i === winner ? '*' : ' '} ${`${i + 1}`.padStart(3)}  ${endOf(one).padEnd(10)}  ${one.command}${keeps ? `  (${one.fork})` : ''}`
    return i === winner ? context.out.bold(row) : row
  })
  return [...rows, ...problems(attempts), verdict(volume, attempts, winner, merge)]
}

/** What kept attempts from being compared, or run. */
function problems(attempts: readonly Attempt[]): string[] {
  return attempts.flatMap(({ error }, i) => (error === undefined ? [] : [`Attempt ${i + 1}: ${error.message}`]))
}

function endOf({ result, score, error }: Attempt): string {
  if (result === undefined) return error?.code ?? ''
  const end = result.timedOut ? 'timed out' : result.exitCode === 0 ? duration(result.durationMs) : `exit ${result.exitCode}`
  return score === undefined ? end : `${score}, ${end}`
}

function verdict(volume: string, attempts: readonly Attempt[], winner: number | undefined, merge: RaceResult['merge']): string {
  if (winner === undefined) return `None of ${plural(attempts.length, 'attempt')} succeeded; ${volume} is as it was.`
  const { fork, result } = attempts[winner]
  if (merge === undefined) return `Attempt ${winner + 1} is the best; its work is in ${fork}.`
  if (merge.state === 'conflicts')
    return `Attempt ${winner + 1} is the best, and was not merged: ${plural(merge.conflicts?.length ?? 0, 'conflict')}. \`cairn merge ${fork}\` shows them.`
  return `Attempt ${winner + 1} is the best; ${plural(result?.changes.length ?? 0, 'change')} merged into ${volume}.`
}
