import { resolve } from 'node:path'
import { parseAddress } from '../sdk/address.js'
import type { DurabilityLevel, MountInfo } from '../sdk/types.js'
import { livingSupervisor } from '../server/connect.js'
import { homePaths } from '../server/home.js'
import { parseWait } from './age.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { settingArguments } from './setting-arguments.js'
import type { Options, Run } from './spec.js'

export const run: Run = async (context, [target, path], options) => {
  const told = await settingArguments(options, ['metadataTtl', 'logLevel'])
  context.argue(told)
  const { settings } = await context.config()
  if (Object.keys(told).length > 0 && livingSupervisor(homePaths(settings.home)) !== undefined)
    context.out.note('cairn: The server of this home runs already: --metadata-ttl and --log-level count for one that starts.')
  const address = parseAddress(target, settings.volume)
  if (address.kind !== 'volume') throw usageError(`${target} is not a volume.`, 'Write `cairn mount VOLUME PATH`, such as `cairn mount work ./work`.')
  if (address.ref !== undefined) {
    throw usageError('A state of the past cannot be mounted yet.', `Make a volume of it first: \`cairn fork ${address.volume}@${address.ref} NEW\`.`)
  }
  if (options['checkStorage'] === true) await checkStorage(context, address.volume)
  durabilityOf(options)
  const what = { volume: address.volume, sub: address.path, path: resolve(path) }
  if (options['foreground'] !== true) {
    await announce(context, await mountIt(context, what, options, settings.readOnly))
    return 0
  }
  const { EndRequest, stay } = await import('./foreground.js')
  const end = new EndRequest()
  try {
    const mount = await mountIt(context, what, options, settings.readOnly)
    await announce(context, mount)
    return await stay(context, mount, end)
  } finally {
    end.release()
  }
}

async function announce(context: Context, mount: MountInfo): Promise<void> {
  await context.result(mount, () => [
    `${mount.name}${mount.sub === undefined ? '' : `:${mount.sub}`} is mounted at ${mount.mountpoint}${mount.readOnly ? ', read-only' : ''}${mount.durability === undefined ? '' : ', durability remote'}.`,
    ...(standsIn(mount.mountpoint) ? ['Run `cd .` to see it: this shell still stands in the directory below.'] : []),
  ])
}

async function mountIt(context: Context, what: { volume: string; sub: string; path: string }, options: Options, readOnly: boolean): Promise<MountInfo> {
  const cairn = await context.cairn()
  const { wait } = options
  const waitMs = typeof wait === 'string' ? parseWait(wait) : 0
  return context.helped(() =>
    cairn.mount({
      waitMs,
      onWait: held => context.out.note(`cairn: ${held.message} Waiting for it.`),
      name: what.volume,
      path: what.path,
      ...(what.sub !== '/' && { sub: what.sub }),
      ...((options['readOnly'] === true || readOnly) && { readOnly: true }),
      ...(options['allowOther'] === true && { allowOther: true }),
      ...(typeof options['cacheSize'] === 'string' && { cacheSize: options['cacheSize'] }),
      ...(options['steal'] === true && { steal: true }),
      ...(options['force'] === true && { force: true }),
      ...durabilityOf(options),
    }),
  )
}

function durabilityOf({ durability }: Options): { durability?: DurabilityLevel } {
  if (durability === undefined) return {}
  if (durability !== 'local' && durability !== 'remote')
    throw usageError(`There is no durability ${String(durability)}.`, 'Write --durability local or --durability remote.')
  return { durability }
}

/** The shell that called stands in a directory that the mount now covers. */
function standsIn(mountpoint: string): boolean {
  const shell = shellFolder()
  return shell === mountpoint || shell.startsWith(`${mountpoint}/`)
}

function shellFolder(): string {
  return process.env['PWD'] ?? process.cwd()
}

async function checkStorage(context: Context, name: string): Promise<void> {
  const cairn = await context.cairn()
  const { store } = await context.helped(() => cairn.checkStore(name, { probe: true }))
  // All of one that lies elsewhere would be read for it: what is read is verified then.
  if (store !== 'dev') return
  const { damaged } = await import('./fsck.js')
  const report = await cairn.fsck(name)
  if (!report.ok) throw damaged(name, report.findings)
}
