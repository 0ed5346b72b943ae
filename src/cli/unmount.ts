import { resolve } from 'node:path'
import { checkVolumeName, looksLikeHostPath } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const isPath = looksLikeHostPath(target) || target.includes('/')
  const what = isPath ? resolve(target) : target.replace(/:\/?$/, '')
  if (!isPath) checkVolumeName(what)
  const cairn = await context.cairn()
  // This process must not be what keeps the directory busy.
  process.chdir('/')
  const was = await context.helped(() => cairn.unmount(what, { force: options['force'] === true }))
  await context.result({ target: what, unmounted: was }, () => [was ? `Unmounted ${target}.` : `${target} is not mounted.`])
  return 0
}
