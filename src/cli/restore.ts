import { formatAddress } from '../sdk/address.js'
import { usageError } from './errors.js'
import type { Run } from './spec.js'

function versionOf(given: string | boolean | undefined): number | undefined {
  if (typeof given !== 'string') return undefined
  if (/^[1-9]\d{0,14}$/.test(given)) return Number(given)
  throw usageError(`${given} is no number of a version.`, 'See `cairn versions` for those that there are.')
}

export const run: Run = async (context, [operand], options) => {
  const { volume, ref, path = '/' } = await context.side(operand)
  await context.refuseReadOnly()
  const { message } = options
  const version = versionOf(options['version'])
  const cairn = await context.cairn()
  const restored = await context.helped(() =>
    cairn.restore(volume, {
      ...(ref === undefined ? {} : { ref }),
      ...(path === '/' ? {} : { path }),
      ...(version === undefined ? {} : { version }),
      ...(typeof message === 'string' && { message }),
    }),
  )
  const what = formatAddress({ volume, ...(path === '/' ? {} : { path }) })
  const { to } = restored
  const state = to === undefined ? `version ${restored.version}` : (to.name ?? `${to.id} (${new Date(to.timeMs).toISOString()})`)
  await context.result(restored, () => [
    restored.inodes + restored.names === 0
      ? `Restored ${what} to ${state}: nothing differed.`
      : `Restored ${what} to ${state}: ${restored.inodes === 1 ? '1 file or directory' : `${restored.inodes} files and directories`} changed. \`cairn restore ${volume}@${restored.commit.parents[0]}\` takes it back.`,
  ])
  return 0
}
