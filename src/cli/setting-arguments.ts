import type { Settings } from '../sdk/config.js'
import { usageError } from './errors.js'
import type { Options } from './spec.js'

/**
 * Options of a command that say what a setting is to be, for this command.
 * @throws CairnError ERR_USAGE naming the option, and what it should be
 */
export async function settingArguments(options: Options, keys: readonly (keyof Settings)[]): Promise<Partial<Settings>> {
  const given = keys.filter(key => typeof options[key] === 'string')
  if (given.length === 0) return {}
  const { settingList } = await import('../sdk/config.js')
  return Object.fromEntries(
    settingList
      .filter(({ key }) => given.includes(key))
      .map(({ key, parse, wants }) => {
        const text = String(options[key])
        const value = parse(text)
        if (value === undefined)
          throw usageError(`--${key.replace(/[A-Z]/g, upper => `-${upper.toLowerCase()}`)} is ${JSON.stringify(text)}.`, `Give ${wants}.`)
        return [key, value]
      }),
  )
}
