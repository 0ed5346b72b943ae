import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CairnError } from '../errors.js'

/**
 * The compiled file that a process or a thread of its own starts from: of the compiled program that this file belongs to, or in `dist/` when this one is the
 * TypeScript of a checkout (tests). Those that `scripts/bundle.mjs` put into a few files start in half the time; one that is older than what it was made of is passed over.
 * @param name without its extension, such as `server/supervise`
 */
export function entry(name: string): string {
  for (const dist of ['..', '../../dist']) {
    const compiled = below(dist, name)
    const bundled = below(`${dist}/bundle`, name.replaceAll('/', '-'))
    const [madeMs, ofMs] = [changedMs(bundled), changedMs(compiled)]
    if (madeMs !== undefined && (ofMs === undefined || madeMs >= ofMs)) return bundled
    if (ofMs !== undefined) return compiled
  }
  const missing = below('../../dist', name)
  throw new CairnError('ERR_NOT_BUILT', `cairn is not compiled: ${missing} is missing.`, 'Run `npm run build`.')
}

/**
 * The small program of this name, for this processor, where it was compiled with the others.
 * @param name such as `start`
 */
export function nativeProgram(name: string): string | undefined {
  const file = `native/${name}-${process.arch}`
  return ['..', '../../dist'].map(dist => fileURLToPath(new URL(`${dist}/${file}`, import.meta.url))).find(path => changedMs(path) !== undefined)
}

function below(folder: string, name: string): string {
  return fileURLToPath(new URL(`${folder}/${name}.js`, import.meta.url))
}

function changedMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}
