import type { CairnError } from '../errors.js'
import type { JobState } from '../server/job-table.js'
import type { JobData, JobOptions } from '../server/jobs.js'
import type { Host } from './host.js'

const ATTEMPTS = 5

/** Runs long work where the volumes are: in a thread of the server's, or of this process. */
export async function runJobOn(
  host: Host,
  home: string,
  kind: JobData['kind'],
  options: JobOptions & { name?: string; onProgress?: (progress: never) => void },
): Promise<unknown> {
  const { name, onProgress, ...rest } = options
  const say = (progress: object): void => onProgress?.(progress as never)
  if (host.isServer) return onServer(host, [kind, name, rest], say)
  const { prepareJob, runJob } = await import('../server/jobs.js')
  const prepared = await prepareJob((method, ...args) => host.call(method, ...args), home, kind, name, rest)
  try {
    return await runJob(prepared.data, say)
  } finally {
    await prepared.end()
  }
}

/** A job can be done twice: one whose server was killed is started again in the next. */
async function onServer(host: Host, job: unknown[], say: (progress: object) => void): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await awaitJob(host, (await host.call('job.start', ...job)) as number, say)
    } catch (error) {
      const isLost = ['ERR_JOB_LOST', 'ERR_SERVER_LOST'].includes((error as CairnError).code)
      if (!isLost || attempt === ATTEMPTS) throw error
    }
  }
}

async function awaitJob(host: Host, id: number, say: (progress: object) => void): Promise<unknown> {
  for (;;) {
    const state = (await host.call('job.wait', id)) as JobState
    if ('result' in state) return state.result
    if (Object.keys(state.progress).length > 0) say(state.progress)
  }
}
