import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const made = await context.helped(() => cairn.recover(name))
  await context.result({ volume: name, recovered: made }, () =>
    made.length === 0
      ? [`Nothing of ${name} waits on this host: all that was acknowledged here is in the store.`]
      : made.map(volume => `${volume.name} is ${name} as this host had it: see \`cairn diff ${name} ${volume.name}\`, and \`cairn merge ${volume.name}\`.`),
  )
  return 0
}
