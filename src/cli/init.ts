import { checkVolumeName } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [name]) => {
  checkVolumeName(name)
  const { settings } = await context.config()
  const cairn = await context.cairn()
  const volume = await cairn.ensureVolume({ name, ...(settings.store !== undefined && { store: settings.store }) })
  await context.result(volume, () => [
    volume.created
      ? `Created the volume ${volume.name}. Mount it with \`cairn mount ${volume.name} ./${volume.name}\`.`
      : `The volume ${volume.name} exists already (id ${volume.id}, store ${volume.store}); nothing was changed.`,
  ])
  return 0
}
