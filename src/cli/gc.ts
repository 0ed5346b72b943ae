import { CairnError } from '../errors.js'
import type { CairnApi, GcProgress, GcReport } from '../sdk/types.js'
import { duration, humanSize, plural } from './format.js'
import type { Run } from './spec.js'
import { usageLines } from './stats.js'
import { StepLine } from './step-line.js'

export const run: Run = async (context, [store], options) => {
  const dryRun = options['dryRun'] === true
  if (!dryRun) await context.refuseReadOnly()
  const cairn = await context.cairn()
  const volume = store === undefined || store === 'dev' ? undefined : await volumeIn(cairn, store)
  const line = new StepLine(context.out)
  const report = await cairn.gc({ dryRun, ...(volume === undefined ? {} : { volume }), onProgress: done => line.say(stepOf(done)) }).finally(() => line.end())
  await context.result(report, () => lines(report))
  return 0
}

/** A volume of this home that lies in a store. */
async function volumeIn(cairn: CairnApi, store: string): Promise<string> {
  const volumes = await cairn.volumes()
  const found = volumes.find(volume => volume.store === store.replace(/\/+$/, ''))
  if (found !== undefined) return found.name
  const known = [...new Set(volumes.map(volume => volume.store))].join(', ')
  throw new CairnError(
    'ERR_STORE_UNKNOWN',
    `No volume of this CAIRN_HOME is in ${store}.`,
    known === '' ? 'Attach one with `cairn init NAME --store …`.' : `There is ${known}.`,
  )
}

function stepOf({ step, done, total }: GcProgress): string {
  return `${step} ${done}${total === undefined ? '' : ` of ${total}`}`
}

function lines(report: GcReport): string[] {
  const { packs, freedBytes, keptBytes, dryRun, deadBytes } = report
  const verb = dryRun ? 'would free' : 'freed'
  return [
    `${verb} ${humanSize(freedBytes)}B of ${humanSize(report.storeBytes)}B in ${duration(report.durationMs)}: ${plural(packs.deleted, 'pack')} deleted, ${packs.rewritten} rewritten`,
    `${dryRun ? 'would keep' : 'keeps'} ${humanSize(keptBytes)}B, of which ${humanSize(deadBytes)}B are dead but lie among what is live${packs.waiting === 0 ? '' : ', or whose writer has yet to go on'}`,
    ...report.erased.map(name => `${name}: ${dryRun ? 'would be' : ''} gone for good, its time as a deleted volume is over`.replace(/ +/g, ' ')),
    ...(report.superseded ? ['another collection began meanwhile; it moves what is left'] : []),
    ...report.problems.map(({ pack, problem }) => `warning: ${pack} was left as it is: ${problem}`),
    '',
    ...usageLines(report.volumes, report.shared),
  ]
}
