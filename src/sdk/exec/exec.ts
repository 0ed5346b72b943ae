import { CairnError } from '../../errors.js'
import { type Ended, runCommand } from '../../exec/index.js'
import type { Decision, PolicyLimits } from '../../policy/types.js'
import type { BeginRunOptions, BegunRun, RunInfo } from '../../server/protocol.js'
import { limits } from '../../sys/index.js'
import type { Change, CommitInfo } from '../../volume/api.js'
import { changedIn } from '../../volume/audit/changed.js'
import type { AuditEvent } from '../../volume/audit/index.js'
import { policyInForce } from '../policy.js'
import type { CairnApi } from '../types.js'
import type { View } from '../view.js'
import { askedHow, bounded, decide, denied, runsAtOnce, shownDecision } from './decide.js'
import { dropFork } from './drop.js'
import { type Holding, holdingFor } from './enclosure.js'
import { environmentOf } from './environment.js'
import { forkName } from './fork-name.js'
import { OutputFile } from './output-file.js'
import { checkProgram, type Place, workingDirectory } from './place.js'
import type { Judge, PresumedPolicies } from './presumed.js'
import { checkOptions, newExecId } from './request.js'
import { Starts } from './starts.js'
import type { ExecChange, ExecCommand, ExecDecision, ExecOptions, ExecResult } from './types.js'
import { shownBy } from './workspace.js'

/** What runs are made with. */
export interface ExecHost {
  cairn: CairnApi
  actor: string
  /** A method of the server. */
  call(method: string, ...args: unknown[]): Promise<unknown>
  /** What mounts of a volume hold back is in it when this resolves. */
  settle(volume: string): Promise<void>
  /** See `Mounts.beginRun`. */
  begin(volume: string, options: BeginRunOptions): Promise<BegunRun>
  /** The view of a run that has begun. */
  view(info: RunInfo): View
  readonly policies: PresumedPolicies
}

const starts = new Starts()

/** Runs a command in a volume, or in a fork of it. See `CairnApi.exec`. */
export async function exec(host: ExecHost, volume: string, command: ExecCommand, options: ExecOptions): Promise<ExecResult<string | Buffer>> {
  checkOptions(command, options)
  return new Exec(host, volume, command, options).run()
}

class Exec {
  readonly #host: ExecHost
  readonly #volume: string
  readonly #command: ExecCommand
  /** As they were given, and within what the policy allows. */
  readonly #given: ExecOptions
  #options: ExecOptions
  readonly #id = newExecId()
  readonly #actor: string
  #limits: PolicyLimits = {}
  /** Of the policy that it was judged by. */
  #revision = ''
  /** What the audit says of it. */
  #recorded: AuditEvent | undefined

  constructor(host: ExecHost, volume: string, command: ExecCommand, options: ExecOptions) {
    this.#host = host
    this.#volume = volume
    this.#command = command
    this.#given = options
    this.#options = options
    this.#actor = options.actor ?? host.actor
  }

  /** Once more whenever the policy is another one than it was judged by. */
  async run(): Promise<ExecResult<string | Buffer>> {
    for (;;) {
      const decision = await this.#permitted()
      const { sandbox = 'auto', network, readOnly = false, readable = [], fork = false } = this.#options
      const holding = await holdingFor(this.#host.cairn.home, { sandbox, network, readOnly, readable })
      const result = await (fork ? this.#inFork(holding, decision) : this.#inVolume(this.#volume, holding, decision))
      if (result !== undefined) return result
    }
  }

  /** From here on the options are within what the policy allows. @throws CairnError ERR_EXEC_DENIED, which the audit tells */
  async #permitted(): Promise<ExecDecision> {
    const { cairn, policies } = this.#host
    const by = async ({ policy, revision }: Judge): Promise<Decision> => {
      this.#revision = revision
      return decide(policy, this.#command, this.#actor, this.#given)
    }
    const presumed = await by(await policies.presumed(this.#volume))
    // What is neither denied nor asked about the server holds against the policy itself.
    const decision = runsAtOnce(presumed, this.#given) ? presumed : await by(await policies.current(cairn, this.#volume))
    let told = shownDecision(decision)
    try {
      this.#options = bounded(this.#given, decision)
      if (decision.effect === 'ask') told = await this.#answer(decision)
      if (decision.effect === 'deny' || told.effect === 'deny') throw denied(told)
    } catch (error) {
      await this.#host.call('auditAppend', this.#volume, {
        ...this.#asked(),
        decision: { ...told, ...notRun(told, this.#options), effect: 'deny' },
        exit: null,
      })
      throw error
    }
    this.#limits = decision.limits
    return told
  }

  /** What a person says to it; waits for that. */
  async #answer(decision: Decision): Promise<ExecDecision> {
    const { cairn } = this.#host
    const { onAsk, signal, cwd = '/', network, env = {} } = this.#options
    const { answerAs, ApprovalQueue, askPerson, questionOf } = await import('../approvals/index.js')
    const { ask } = await policyInForce(cairn, this.#volume)
    const question = questionOf(this.#volume, this.#title(), cwd, this.#actor, network === 'allow', decision, askedHow(this.#options))
    const queue = new ApprovalQueue(cairn.home)
    const { approved, by, reason } = await askPerson(cairn.home, question, {
      ...ask,
      answer: (id, said) => answerAs(cairn, queue, id, said),
      unseen: Object.keys(env).length === 0 ? '' : JSON.stringify(env),
      ...(onAsk === undefined ? {} : { onAsk }),
      ...(signal === undefined ? {} : { signal }),
    })
    const why = reason ?? (approved ? decision.reason : `${by} said no to it.`)
    return { ...shownDecision(decision), effect: approved ? 'ask' : 'deny', reason: why, ...(by === '' ? {} : { by }) }
  }

  async #inFork(holding: Holding, decision: ExecDecision): Promise<ExecResult<string | Buffer> | undefined> {
    const { cairn } = this.#host
    const fork = forkName(this.#volume, this.#id)
    await this.#host.call('auditReady', this.#volume)
    await cairn.fork(this.#volume, undefined, fork)
    let left: NonNullable<ExecResult['fork']>['state'] = 'dropped'
    try {
      const result = await this.#inVolume(fork, holding, decision)
      if (result === undefined) {
        left = 'unchanged'
        return undefined
      }
      if (!failed(result)) left = 'conflicts'
      const { state, conflicts, commit } = failed(result) ? { state: 'dropped' as const, conflicts: [], commit: undefined } : await this.#merge(fork)
      left = state
      await this.#host.call('auditAppend', this.#volume, this.#ofFork(fork, state, commit))
      const { commit: _inFork, ...rest } = result
      const told = { volume: fork, state, ...(conflicts.length === 0 ? {} : { conflicts }) }
      return { ...rest, volume: this.#volume, ...(commit === undefined ? {} : { commit: commit.id }), fork: told }
    } finally {
      // What was dropped can be looked at for as long as any deleted volume can.
      if (left !== 'conflicts') await dropFork(this.#host, fork, { now: left !== 'dropped' })
    }
  }

  /** The chain of the fork goes with it, so that of the volume tells of the run as well. */
  #ofFork(fork: string, state: string, commit: CommitInfo | undefined): AuditEvent {
    const { before: _before, ...event } = this.#recorded ?? this.#asked()
    return { ...event, ...(commit === undefined ? {} : { after: commit.id }), detail: { fork, state } }
  }

  /** Conflicts are left to whoever asked: the volume is not touched, and the fork stays. */
  async #merge(fork: string) {
    const { cairn } = this.#host
    const { state, commit, conflicts } = await cairn
      .merge(fork, { into: this.#volume, onlyClean: true, message: this.#title(), actor: this.#actor, run: this.#id })
      .catch(error => Promise.reject(notMerged(fork, error)))
    return { state: state === 'merged' ? ('merged' as const) : state === 'trial' ? ('conflicts' as const) : ('unchanged' as const), conflicts, commit }
  }

  /** Undefined when the volume has another policy than the one that it was judged by: nothing was done. */
  async #inVolume(volume: string, holding: Holding, decision: ExecDecision): Promise<ExecResult<string | Buffer> | undefined> {
    const { policies } = this.#host
    const { checkpoint = true, readOnly = false } = this.#options
    const commits = checkpoint && !readOnly
    const asked = { exec: this.#id, actor: this.#actor, readOnly, ...shownBy(this.#limits), message: this.#message(), checkpoint: commits }
    const started = starts.begin()
    try {
      const begun = await this.#host.begin(volume, { ...asked, policy: this.#revision })
      if (!('policy' in begun)) return await this.#inView(volume, begun, { holding, decision, commits, started })
      policies.learn(volume, begun.policy)
      if (volume !== this.#volume) policies.learn(this.#volume, begun.policy)
      return undefined
    } finally {
      started()
    }
  }

  async #inView(volume: string, begun: RunInfo, { holding, decision, commits, started }: Begun): Promise<ExecResult<string | Buffer>> {
    const view = this.#host.view(begun)
    try {
      await view.here()
      const before = begun.settle === undefined ? begun.before : await view.started(begun.settle, commits)
      const ending = this.#ended(view.mountpoint, holding)
      started()
      const ended = await ending
      await starts.quiet()
      return await this.#told({ volume, before, view, holding, decision, ended })
    } finally {
      await view.close()
    }
  }

  /** With the output in a file of the volume, if it shall be there. */
  async #ended(mountpoint: string, holding: Holding): Promise<Ended & Pick<ExecResult, 'outputFile'>> {
    const { outputFile, onStdout, onStderr } = this.#options
    if (outputFile === undefined) return this.#run(mountpoint, holding, { onStdout, onStderr })
    const file = new OutputFile(mountpoint, outputFile)
    let ended: Ended | undefined
    const both = (tell: Tell) => (chunk: Buffer) => {
      file.write(chunk)
      return tell?.(chunk)
    }
    try {
      ended = await this.#run(mountpoint, holding, { onStdout: both(onStdout), onStderr: both(onStderr) })
    } finally {
      const told = file.close()
      if (ended !== undefined) Object.assign(ended, { outputFile: told })
    }
    return ended
  }

  #run(mountpoint: string, holding: Holding, tell: { onStdout: Tell; onStderr: Tell }): Promise<Ended> {
    const { cwd = '/', env = {}, readable = [], stdin, processes = limits.execProcesses, memoryBytes, cpuSeconds } = this.#options
    const { timeoutMs, graceMs, outputBytes, output, signal } = this.#options
    const { isSandboxed } = holding
    const place: Place = { mountpoint, isSandboxed }
    const there = workingDirectory(place, cwd)
    const all = environmentOf({ execId: this.#id, actor: this.#actor, cwd: there, isSandboxed, readable, own: env })
    const words = this.#words()
    const command = { ...words, cwd: there, env: all }
    checkProgram(place, words.program, command.cwd, all['PATH'])
    return runCommand(command, {
      enclosure: holding.enclosure(mountpoint, `CAIRN_EXEC=${this.#id}`),
      resources: { processes, ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(cpuSeconds === undefined ? {} : { cpuSeconds }) },
      ...{ timeoutMs, graceMs, outputBytes, output, signal, ...tell },
      ...(stdin === undefined ? {} : { stdin: typeof stdin === 'string' && stdin !== 'inherit' ? Buffer.from(stdin) : stdin }),
    })
  }

  #words(): { program: string; args: readonly string[] } {
    return 'shell' in this.#command ? { program: 'sh', args: ['-c', this.#command.shell] } : this.#command
  }

  /** The answer, after all that the command did is recorded. */
  async #told(run: Run): Promise<ExecResult<string | Buffer>> {
    const { volume, before, view, holding, decision, ended } = run
    const sandbox = holding.isSandboxed ? 'bubblewrap' : 'none'
    const event = { ...this.#event(ended), decision, sandbox, ...(before === undefined ? {} : { before }) }
    const { changes, after, quotaReached } = await view.finish(volume, event)
    this.#recorded = { ...event, ...changedIn(changes), ...(after === undefined ? {} : { after }) }
    const result: ExecResult<string | Buffer> = {
      execId: this.#id,
      volume,
      ...outputsOf(ended, this.#options.encoding),
      exitCode: ended.exitCode,
      signal: ended.signal,
      timedOut: ended.timedOut,
      aborted: ended.aborted,
      durationMs: Math.round(ended.durationMs * 1000) / 1000,
      changes: changes.map(shown),
      ...(before === undefined ? {} : { checkpoint: before }),
      ...(after === undefined ? {} : { commit: after }),
      decision,
      ...omitted(ended),
      ...(quotaReached && { quotaReached }),
      ...(ended.outputFile === undefined ? {} : { outputFile: ended.outputFile }),
      sandbox,
      network: holding.network,
      ...this.#bounds(ended),
    }
    if (this.#options.rollbackOnFailure !== true || this.#options.fork === true || !failed(result)) return result
    return { ...result, rolledBack: await this.#rollBack(volume, after) }
  }

  /** False where somebody changed the same since: nothing is taken back then. */
  async #rollBack(volume: string, commit: string | undefined): Promise<boolean> {
    if (commit === undefined) return true
    const { state } = await this.#host.cairn.undo(volume, { exec: this.#id, message: `failed: ${this.#title()}` })
    return state !== 'conflicts'
  }

  #bounds({ isWhole }: Ended): Pick<ExecResult, 'bounds'> {
    const bounds = (['memoryBytes', 'cpuSeconds'] as const).flatMap(what => (this.#options[what] === undefined ? [] : [[what, isWhole(what) ? 'all' : 'each']]))
    return bounds.length === 0 ? {} : { bounds: Object.fromEntries(bounds) as ExecResult['bounds'] & object }
  }

  #title(): string {
    return 'shell' in this.#command ? this.#command.shell : [this.#command.program, ...this.#command.args].join(' ')
  }

  /** Of commits: one line, and not all of a long one. */
  #message(): string {
    return `exec: ${this.#title().replace(/\s+/g, ' ').trim()}`.slice(0, limits.execMessageCharacters)
  }

  /** What the audit says of a run before it is known how it ends. */
  #asked(): AuditEvent {
    const { reason, cwd = '/' } = this.#options
    const what = 'shell' in this.#command ? { shell: this.#command.shell } : { argv: [this.#command.program, ...this.#command.args] }
    return { kind: 'exec', exec: this.#id, actor: this.#actor, ...what, cwd, ...(reason === undefined ? {} : { reason }) }
  }

  #event(ended: Ended): AuditEvent {
    return {
      ...this.#asked(),
      exit: ended.exitCode,
      ...(ended.signal === null ? {} : { signal: ended.signal }),
      ...(ended.timedOut ? { timedOut: true } : {}),
      durationMs: Math.round(ended.durationMs),
    }
  }
}

/** Whoever asked went away while it waited for an answer. */
function notRun({ effect }: ExecDecision, { signal }: ExecOptions): Partial<ExecDecision> {
  return effect === 'ask' && signal?.aborted === true ? { reason: 'Whoever asked went away before anybody answered.' } : {}
}

type Tell = ExecOptions['onStdout']

interface Run {
  volume: string
  before: string | undefined
  view: View
  holding: Holding
  decision: ExecDecision
  ended: Ended & Pick<ExecResult, 'outputFile'>
}

interface Begun extends Pick<Run, 'holding' | 'decision'> {
  /** Whether what it changed becomes a commit. */
  commits: boolean
  /** To be called when the command has started. */
  started(): void
}

function failed({ exitCode, timedOut, aborted }: { exitCode: number; timedOut: boolean; aborted: boolean }): boolean {
  return exitCode !== 0 || timedOut || aborted
}

function outputsOf({ stdout, stderr }: Ended, encoding: ExecOptions['encoding']): { stdout: string | Buffer; stderr: string | Buffer } {
  if (encoding === 'buffer') return { stdout: stdout.bytes(), stderr: stderr.bytes() }
  return { stdout: stdout.bytes().toString('utf8'), stderr: stderr.bytes().toString('utf8') }
}

function omitted({ stdout, stderr }: Ended): Pick<ExecResult, 'truncated' | 'omittedBytes'> {
  const omittedBytes = { stdout: stdout.omittedBytes, stderr: stderr.omittedBytes }
  return omittedBytes.stdout + omittedBytes.stderr === 0 ? { truncated: false } : { truncated: true, omittedBytes }
}

function shown({ path, kind, type, from, sizeBefore, sizeAfter }: Change): ExecChange {
  const known = {
    ...(from === undefined ? {} : { from }),
    ...(sizeBefore === undefined ? {} : { sizeBefore }),
    ...(sizeAfter === undefined ? {} : { sizeAfter }),
  }
  return { path, kind, type, ...known }
}

/** A full quota, for instance: what it did is not lost. */
function notMerged(fork: string, error: unknown): CairnError {
  const what = `The command succeeded, and its work could not be merged: ${(error as Error).message.replace(/\.$/, '')}.`
  return new CairnError('ERR_EXEC_MERGE', what, `It is in the volume ${fork}: \`cairn merge ${fork}\` tries again.`, { exitCode: 125, cause: error })
}

/** What a command of a volume that this program has open itself cannot be mounted for. */
export function openHere(volume: string): CairnError {
  const how = 'Open it through the server, with `Cairn.open({ via: "server" })`, or close it before.'
  return new CairnError('ERR_VOLUME_BUSY', `The volume ${volume} is open in this program, and commands run in a mount of the server.`, how, { exitCode: 125 })
}
