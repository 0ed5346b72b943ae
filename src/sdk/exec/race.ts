import { availableParallelism } from 'node:os'
import { CairnError } from '../../errors.js'
import type { MergeConflict } from '../../history/merge/types.js'
import { limits } from '../../sys/index.js'
import type { AuditEvent } from '../../volume/audit/index.js'
import { dropFork } from './drop.js'
import { type ExecHost, exec } from './exec.js'
import { forkName } from './fork-name.js'
import { checkOptions, newExecId } from './request.js'
import type { ExecCommand, ExecOptions, ExecResult } from './types.js'

/** How attempts are run and compared; the rest holds for each of them. */
export interface RaceOptions extends Omit<ExecOptions, 'fork' | 'stdin' | 'output' | 'onStdout' | 'onStderr' | 'encoding' | 'rollbackOnFailure' | 'readOnly'> {
  /** Attempts that run at once; default all, up to four for each processor. */
  jobs?: number
  /**
   * Run beside each attempt that succeeded, over a copy of its work: the last line that it prints is a number, and the highest wins. An attempt whose score
   * fails, or is none, is out. Without it the first that succeeded wins.
   */
  score?: string | ExecCommand
  /** `best` (the default): the winner is merged, and the other forks are dropped. `none`: all forks stay. */
  merge?: 'best' | 'none'
}

/** One attempt of a race. JSON-safe. */
export interface Attempt {
  /** As it was given. */
  command: string
  /** The fork it worked in. */
  fork: string
  /** Absent where it could not be run: `error` says why. */
  result?: ExecResult
  error?: { code: string; message: string }
  score?: number
}

export interface RaceResult {
  raceId: string
  volume: string
  /** In the order given. */
  attempts: Attempt[]
  /** Place of the best in `attempts`; absent when none succeeded. */
  winner?: number
  /** What became of it. `conflicts`: nothing was merged, and its fork stays. */
  merge?: { state: 'merged' | 'unchanged' | 'conflicts'; commit?: string; conflicts?: MergeConflict[] }
}

const MOST_ATTEMPTS = 1000

/** See `CairnApi.race`. */
export async function race(host: ExecHost, volume: string, attempts: ReadonlyArray<string | ExecCommand>, options: RaceOptions): Promise<RaceResult> {
  const { jobs, score, merge = 'best', ...common } = options
  const raceId = newExecId().replace('run', 'race')
  const commands = attempts.map(commandOf)
  const forks = commands.map((_, i) => forkName(volume, `${raceId}-${i + 1}`))
  await host.settle(volume)
  await host.call('auditReady', volume)
  await host.cairn.forkAll(volume, undefined, forks)
  const done: Attempt[] = []
  const order: number[] = []
  await atOnce(jobs ?? Math.min(commands.length, limits.raceJobsPerCore * availableParallelism()), commands, async (command, i) => {
    done[i] = await attempt(host, forks[i], command, common)
    order.push(i)
    if (score !== undefined && hasSucceeded(done[i])) await scored(host, done[i], commandOf(score), common)
  })
  const winner = best(done, order, score !== undefined)
  const result: RaceResult = { raceId, volume, attempts: done, ...(winner === undefined ? {} : { winner }) }
  const merged = winner === undefined || merge === 'none' ? undefined : await mergeBest(host, volume, done[winner], common.actor)
  await host.call('auditAppend', volume, {
    actor: common.actor ?? host.actor,
    ...eventOf(result, merged),
    ...(common.reason === undefined ? {} : { reason: common.reason }),
  })
  if (merge === 'none') return result
  const kept = merged?.state === 'conflicts' ? winner : undefined
  for (const [i, fork] of forks.entries()) if (i !== kept) await dropFork(host, fork, { now: i === winner })
  return { ...result, ...(merged === undefined ? {} : { merge: merged }) }
}

/** @throws CairnError ERR_EXEC_OPTION naming what cannot be: before anything is forked */
export function checkRace(attempts: ReadonlyArray<string | ExecCommand>, { jobs, score, merge, ...common }: RaceOptions): void {
  const wrong = (message: string, remedy: string): CairnError => new CairnError('ERR_EXEC_OPTION', message, remedy, { exitCode: 125 })
  const many = Array.isArray(attempts) ? attempts.length : 0
  if (many === 0 || many > MOST_ATTEMPTS) throw wrong(`${many} attempts are no race.`, `Give 1 to ${MOST_ATTEMPTS} commands.`)
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs > 0)) throw wrong(`${jobs} attempts cannot run at once.`, 'Give a whole number from 1.')
  if (merge !== undefined && merge !== 'best' && merge !== 'none') throw wrong(`merge is ${JSON.stringify(merge)}.`, "Give 'best' or 'none'.")
  for (const command of score === undefined ? attempts : [...attempts, score]) checkOptions(commandOf(command), common)
}

function commandOf(command: string | ExecCommand): ExecCommand {
  return typeof command === 'string' ? { shell: command } : command
}

function textOf(command: ExecCommand): string {
  return 'shell' in command ? command.shell : [command.program, ...command.args].join(' ')
}

/** Runs `work` for each, so many at a time. */
async function atOnce<T>(jobs: number, items: readonly T[], work: (item: T, i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) await work(items[i], i)
  }
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker))
}

async function attempt(host: ExecHost, fork: string, command: ExecCommand, options: ExecOptions): Promise<Attempt> {
  const told = { command: textOf(command), fork }
  try {
    return { ...told, result: (await exec(host, fork, command, options)) as ExecResult }
  } catch (error) {
    const { code = 'ERR_INTERNAL', message } = error as CairnError
    return { ...told, error: { code, message } }
  }
}

function hasSucceeded({ result }: Attempt): boolean {
  return result !== undefined && result.exitCode === 0 && !result.timedOut && !result.aborted
}

/** What the score writes is not part of the attempt. */
async function scored(host: ExecHost, of: Attempt, command: ExecCommand, options: ExecOptions): Promise<void> {
  const copy = `${of.fork}-score`
  try {
    await host.cairn.fork(of.fork, undefined, copy)
  } catch (error) {
    // The others go on.
    of.error = { code: 'ERR_RACE_SCORE', message: `Its work could not be scored: ${(error as Error).message}` }
    return
  }
  try {
    const judged = await attempt(host, copy, command, options)
    const score = scoreIn(judged.result?.stdout ?? '')
    if (hasSucceeded(judged) && score !== undefined) of.score = score
    else of.error = { code: 'ERR_RACE_SCORE', message: judged.error?.message ?? `The score ended with ${judged.result?.exitCode} and said no number.` }
  } finally {
    await dropFork(host, copy, { now: true })
  }
}

function scoreIn(text: string): number | undefined {
  const last = text.trim().split('\n').pop()?.trim() ?? ''
  const score = last === '' ? Number.NaN : Number(last)
  return Number.isFinite(score) ? score : undefined
}

/** The highest score; of equals, and without scores, who was there first. */
function best(attempts: readonly Attempt[], order: readonly number[], byScore: boolean): number | undefined {
  const able = order.filter(i => hasSucceeded(attempts[i]) && (!byScore || attempts[i].score !== undefined))
  if (able.length === 0) return undefined
  return able.reduce((a, b) => ((attempts[b].score ?? 0) > (attempts[a].score ?? 0) ? b : a))
}

/** What the audit chain says of it: the chains of the attempts go with their forks. */
function eventOf({ raceId, attempts, winner }: RaceResult, merged: RaceResult['merge']): AuditEvent {
  const shown = attempts.map(({ command, fork, result, error, score }) => ({
    command,
    fork,
    ...(result === undefined ? {} : { exec: result.execId, exit: result.exitCode }),
    ...(error === undefined ? {} : { error: error.code }),
    ...(score === undefined ? {} : { score }),
  }))
  const best = winner === undefined ? undefined : attempts[winner].result?.execId
  const after = merged?.commit
  const detail = { race: raceId, attempts: shown, ...(winner === undefined ? {} : { winner }), ...(merged === undefined ? {} : { state: merged.state }) }
  return { kind: 'race', ...(best === undefined ? {} : { exec: best }), ...(after === undefined ? {} : { after }), detail }
}

async function mergeBest(
  { cairn }: ExecHost,
  volume: string,
  { fork, command, result }: Attempt,
  actor: string | undefined,
): Promise<NonNullable<RaceResult['merge']>> {
  const { state, commit, conflicts } = await cairn.merge(fork, {
    into: volume,
    onlyClean: true,
    message: command,
    ...(actor === undefined ? {} : { actor }),
    ...(result === undefined ? {} : { run: result.execId }),
  })
  if (state === 'trial') return { state: 'conflicts', conflicts }
  return { state: state === 'unchanged' ? 'unchanged' : 'merged', ...(commit === undefined ? {} : { commit: commit.id }) }
}
