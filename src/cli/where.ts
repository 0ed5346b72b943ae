import { formatAddress } from '../sdk/address.js'
import { cairnMounts, mountOf } from '../sdk/mount-table.js'
import type { Run } from './spec.js'

export const run: Run = async context => {
  const { settings } = await context.config()
  const inside = mountOf(process.cwd())
  if (inside === undefined) {
    const mounts = cairnMounts().map(mount => mount.path)
    await context.result({ home: settings.home, volume: settings.volume ?? null, path: null, mountpoint: null, mounts }, () => [
      'This directory is in no mounted volume.',
      `Home: ${settings.home}`,
      `Default volume: ${settings.volume ?? 'none'}`,
    ])
    return 0
  }
  const mount = await context.mountAt('.')
  await context.result({ home: settings.home, volume: mount.name, path: mount.path, mountpoint: mount.mountpoint, readOnly: mount.readOnly }, () => [
    formatAddress({ volume: mount.name, path: mount.path }),
  ])
  return 0
}
