import { createRequire } from 'node:module'
import { CairnError } from '../errors.js'

const require = createRequire(import.meta.url)

/**
 * Loads a package that only some stores need, when the first of them is opened.
 * @throws CairnError ERR_DRIVER_MISSING saying what to install
 */
export function optionalPackage<T>(name: string, need: string): T {
  try {
    return require(name) as T
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isAbsent = code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
    throw new CairnError(
      'ERR_DRIVER_MISSING',
      isAbsent ? `${need} needs the package ${name}, which is not installed.` : `The package ${name}, which ${need} needs, does not load here.`,
      `Install it beside cairn: \`npm install ${name}\` (with \`-g\` where cairn was installed so).`,
      { cause: error },
    )
  }
}

/** True when the package is there; it is not loaded. */
export function hasPackage(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}
