import { purge } from './purge.js'
import type { Run } from './spec.js'

export const run: Run = (context, args, options) => purge(context, args, options, true)
