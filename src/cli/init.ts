import { checkVolumeName } from '../sdk/address.js'
import type { Settings } from '../sdk/config.js'
import type { NewVolume } from '../sdk/types.js'
import type { Options, Run } from './spec.js'

export const run: Run = async (context, [name], options) => {
  checkVolumeName(name)
  const { settings } = await context.config()
  const cairn = await context.cairn()
  const given = storeOptions(options)
  const { encrypt, keyFile: _, compression: __, ...place } = given
  const isGiven = Object.keys(place).length > 0
  const volume = await context.helped(() =>
    cairn.ensureVolume({ name, ...given, ...(isGiven || settings.store === undefined ? {} : { store: storeIn(settings) }) }),
  )
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

/** The store of the settings, with their prefix behind it. */
function storeIn({ store = '', prefix }: Settings): string {
  return prefix === undefined || prefix === '' || store === 'dev' ? store : `${store.replace(/\/+$/, '')}/${prefix.replace(/^\/+/, '')}`
}
