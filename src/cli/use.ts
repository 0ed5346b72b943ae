import { CairnError } from '../errors.js'
import { checkVolumeName } from '../sdk/address.js'
import { setUsedVolume } from '../sdk/config.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [name], options) => {
  const { settings, origins } = await context.config()
  if (options['none'] === true) {
    setUsedVolume(settings.home, undefined)
    await context.result({ volume: null }, () => ['There is no default volume now.'])
    return 0
  }
  if (name === undefined) {
    const from = origins.volume
    await context.result({ volume: settings.volume ?? null, ...from }, () => [
      settings.volume === undefined ? 'There is no default volume. Choose one with `cairn use VOLUME`.' : `${settings.volume} (${from.name ?? from.from})`,
    ])
    return 0
  }
  checkVolumeName(name)
  const volumes = await (await context.cairn()).volumes()
  if (!volumes.some(volume => volume.name === name)) {
    await context.helped(async () => {
      throw new CairnError('ERR_VOLUME_UNKNOWN', `There is no volume "${name}".`, '')
    })
  }
  setUsedVolume(settings.home, name)
  const overruled = origins.volume.from === 'environment' ? ` CAIRN_VOLUME (${settings.volume}) overrules it in this shell.` : ''
  await context.result({ volume: name }, () => [`:/path now means ${name}:/path.${overruled}`])
  return 0
}
