import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CairnError } from '../errors.js'

/**
 * The compiled file that a process or a thread of its own starts from: of the compiled program that this file belongs to, or in `dist/` when this one is the
 * TypeScript of a checkout (tests).
 * @param name without its extension, such as `server/supervise`
 */
export function entry(name: string): string {
  const beside = fileURLToPath(new URL(`../${name}.js`, import.meta.url))
  if (existsSync(beside)) return beside
  const compiled = fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url))
  if (existsSync(compiled)) return compiled
  throw new CairnError('ERR_NOT_BUILT', `cairn is not compiled: ${compiled} is missing.`, 'Run `npm run build`.')
}

/** Options of a thread of a program that may run text (`node --input-type=module -e …`): no file may be run with what that was started with. */
export function threadArguments(): { execArgv?: string[] } {
  return process.execArgv.some(argument => argument.startsWith('--input-type')) ? { execArgv: [] } : {}
}
