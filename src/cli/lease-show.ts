import { ago } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const [volume] = (await context.helped(() => cairn.status(name))).volumes
  const { lease, isWriter = false } = volume.remote ?? {}
  await context.result({ volume: name, isWriter, ...(lease === undefined ? {} : { lease }) }, () => {
    if (volume.remote === undefined) return [`${name} lies in this CAIRN_HOME, where no lease is needed.`]
    if (lease === undefined) return [`Nobody writes ${name}.`]
    return [
      `${name} is written by ${isWriter ? 'this host' : lease.holder}, since ${ago(lease.sinceMs, Date.now())}; the lease runs until ${new Date(lease.untilMs).toISOString()}.`,
    ]
  })
  return 0
}
