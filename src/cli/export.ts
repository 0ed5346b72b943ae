import { copyCommand } from './copy-command.js'
import type { Run } from './spec.js'

export const run: Run = (context, args) => copyCommand(context, args, { archive: true, recursive: true, preserve: true, force: false }, 'to-host')
