import { copyCommand } from './copy-command.js'
import type { Run } from './spec.js'

export const run: Run = (context, args, options) => {
  const archive = options['archive'] === true
  return copyCommand(context, args, {
    archive,
    recursive: archive || options['recursive'] === true || options['R'] === true,
    preserve: archive || options['preserve'] === true,
    force: options['force'] === true,
  })
}
