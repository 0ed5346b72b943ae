import { version } from '../server/version.js'
import type { Run } from './spec.js'

export const run: Run = async context => {
  await context.result({ version, node: process.versions.node, platform: `${process.platform}-${process.arch}` }, () => [version])
  return 0
}
