import { formatAddress, looksLikeHostPath, parseAddress } from '../sdk/address.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import type { Run } from './spec.js'

/** The volume, ref and path of `VOL[@REF][:/path]`, or of a path in a mount. */
async function target(context: Context, text: string): Promise<{ volume: string; ref?: string; path: string }> {
  if (looksLikeHostPath(text)) {
    const mount = await context.mountAt(text)
    return { volume: mount.name, path: mount.path }
  }
  const address = parseAddress(text, (await context.config()).settings.volume)
  if (address.kind === 'volume') return address
  throw usageError(`${text} names no volume.`, 'Write VOLUME@REF, or VOLUME@REF:/path.')
}

function versionOf(given: string | boolean | undefined): number | undefined {
  if (typeof given !== 'string') return undefined
  if (/^[1-9]\d{0,14}$/.test(given)) return Number(given)
  throw usageError(`${given} is no number of a version.`, 'See `cairn versions` for those that there are.')
}

export const run: Run = async (context, [operand], options) => {
  const { volume, ref, path } = await target(context, operand)
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
  const changed = restored.inodes + restored.names === 0 ? 'nothing differed' : `${restored.inodes} files and directories changed`
  await context.result(restored, () => [`Restored ${what} to ${state}: ${changed}. \`cairn restore ${volume}@${restored.commit.parents[0]}\` takes it back.`])
  return 0
}
