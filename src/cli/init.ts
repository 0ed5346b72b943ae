import { checkVolumeName } from '../sdk/address.js'
import type { Settings } from '../sdk/config.js'
import type { NewVolume } from '../sdk/types.js'
import { usageError } from './errors.js'
import type { Options, Run } from './spec.js'

export const run: Run = async (context, [name], options) => {
  checkVolumeName(name)
  const { settings } = await context.config()
  const cairn = await context.cairn()
  const given = storeOptions(options)
  const { encrypt } = given
  const volume = await context.helped(() => cairn.ensureVolume({ name, ...given, ...placeOf(options, settings) }))
  const mount = `Mount it with \`cairn mount ${volume.name} ./${volume.name}\`.`
  await context.result(volume, () => [
    volume.created
      ? `Created the volume ${volume.name}${volume.store === 'dev' ? '' : ` in ${volume.store}`}. ${mount}`
      : volume.store === 'dev'
        ? `The volume ${volume.name} exists already (id ${volume.id}, store ${volume.store}); nothing was changed.`
        : `The volume ${volume.name} is in ${volume.store} already (id ${volume.id}): attached, nothing was changed. ${mount}`,
    ...(encrypt === true && volume.created ? ['Keep the key safe: without it nobody can read what the store holds.'] : []),
  ])
  return 0
}

function storeOptions(options: Options): Omit<NewVolume, 'name'> {
  const text = (name: string): Record<string, string> => (typeof options[name] === 'string' ? { [name]: options[name] } : {})
  return {
    ...Object.assign({}, ...['store', 'storage', 'bucket', 'region', 'endpoint', 'keyFile', 'compression'].map(text)),
    ...(options['dev'] === true && { dev: true }),
    ...(options['pathStyle'] === true && { pathStyle: true }),
    ...(options['encrypt'] === true && { encrypt: true }),
  }
}

/** The store that the options name, else that of the settings with their prefix behind it; `--prefix` is behind either. */
function placeOf(options: Options, settings: Settings): Pick<NewVolume, 'store' | 'bucket'> {
  const { store, bucket } = options
  const prefix = typeof options['prefix'] === 'string' ? options['prefix'] : undefined
  if (typeof bucket === 'string') return { bucket: below(bucket, prefix) }
  if (typeof store === 'string') return { store: below(store, prefix) }
  const isSet = options['dev'] !== true && options['storage'] === undefined && settings.store !== undefined
  if (isSet) return { store: below(settings.store ?? '', prefix ?? settings.prefix) }
  if (prefix !== undefined) throw usageError('--prefix says where below a store, and none is named.', 'Give --store or --bucket, or set CAIRN_STORE.')
  return {}
}

function below(address: string, prefix = ''): string {
  return prefix === '' || address === 'dev' ? address : `${address.replace(/\/+$/, '')}/${prefix.replace(/^\/+/, '')}`
}
