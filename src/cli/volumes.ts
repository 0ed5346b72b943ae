import { fullTime, table } from './format.js'
import { lineageLines, lineageOf } from './lineage.js'
import type { Run } from './spec.js'

export const run: Run = async (context, _args, options) => {
  const cairn = await context.cairn()
  if (options['tree'] === true) {
    const lineage = lineageOf(await cairn.volumes(), await cairn.volumes({ deleted: true }))
    await context.result(lineage, () => (lineage.length === 0 ? ['No volumes yet. Make one with `cairn init NAME`.'] : lineageLines(lineage, context.out)))
    return 0
  }
  const volumes = await cairn.volumes(options['deleted'] === true ? { deleted: true } : {})
  const listed = options['deleted'] === true ? volumes.filter(volume => volume.deletedMs !== undefined) : volumes
  listed.sort((a, b) => (a.name < b.name ? -1 : 1))
  await context.result(listed, () => {
    if (options['quiet'] === true) return listed.map(volume => volume.name)
    if (listed.length === 0) return [options['deleted'] === true ? 'No deleted volumes.' : 'No volumes yet. Make one with `cairn init NAME`.']
    const rows = listed.map(volume => [
      volume.name,
      volume.store,
      volume.problem === undefined ? fullTime(volume.createdMs) : '',
      volume.problem ??
        (volume.deletedMs === undefined ? (volume.parent === undefined ? '' : `fork of ${volume.parent.volume}`) : `deleted ${fullTime(volume.deletedMs)}`),
    ])
    return table([['NAME', 'STORE', 'CREATED', ''], ...rows]).map(line => line.trimEnd())
  })
  return 0
}
