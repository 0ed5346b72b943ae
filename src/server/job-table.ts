import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { type EngineCall, type JobData, type JobOptions, prepareJob, runJob } from './jobs.js'

/** Where a job stands: what it said last, or its end. */
export type JobState = { progress: object } | { result: unknown }

interface Job {
  progress: object
  done: Promise<unknown>
  isOver: boolean
}

/** The long work that clients of a server wait for: they ask again and again how far it is. */
export class JobTable {
  readonly #call: EngineCall
  readonly #home: string
  readonly #jobs = new Map<number, Job>()
  #next = 1

  constructor(call: EngineCall, home: string) {
    this.#call = call
    this.#home = home
  }

  /** @returns its number @throws CairnError ERR_SERVER_FULL */
  start(kind: JobData['kind'], name?: string, options?: JobOptions): number {
    if (this.#jobs.size >= limits.serverJobs)
      throw new CairnError('ERR_SERVER_FULL', `The server does ${limits.serverJobs} long jobs already.`, 'Try again when one is done.', { retry: 'same-call' })
    const id = this.#next++
    const job: Job = { progress: {}, isOver: false, done: Promise.resolve() }
    job.done = this.run(kind, name, options, progress => {
      job.progress = progress
    }).finally(() => {
      job.isOver = true
      // Nobody may come for the answer.
      setTimeout(() => this.#jobs.delete(id), limits.jobAnswerMs).unref()
    })
    job.done.catch(() => undefined)
    this.#jobs.set(id, job)
    return id
  }

  /** Waits for its end, for a while. @throws what the job threw; CairnError ERR_JOB_LOST */
  async wait(id: number): Promise<JobState> {
    const job = this.#jobs.get(id)
    if (job === undefined)
      throw new CairnError('ERR_JOB_LOST', 'The server was started again and does not know this job.', 'Try again.', { retry: 'same-call' })
    const pause = new AbortController()
    await Promise.race([job.done, sleep(limits.jobWaitMs, undefined, { signal: pause.signal }).catch(() => undefined)]).finally(() => pause.abort())
    if (!job.isOver) return { progress: job.progress }
    this.#jobs.delete(id)
    return { result: await job.done }
  }

  get size(): number {
    return [...this.#jobs.values()].filter(job => !job.isOver).length
  }

  async run(kind: JobData['kind'], name?: string, options?: JobOptions, onProgress?: (progress: object) => void): Promise<unknown> {
    const prepared = await prepareJob(this.#call, this.#home, kind, name, options)
    try {
      return await runJob(prepared.data, onProgress)
    } finally {
      await prepared.end().catch(() => undefined)
    }
  }
}
