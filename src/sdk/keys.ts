import { resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { type KeySource, keySourcesOf } from '../store/user-key.js'
import type { CairnOptions } from './types.js'

/** Where the keys of encrypted stores may come from: the options, then the environment. */
export function keysOf({ key, keyFile, keyCommand }: Pick<CairnOptions, 'key' | 'keyFile' | 'keyCommand'>): KeySource[] {
  return [
    ...(key === undefined ? [] : [{ key: typeof key === 'string' ? key : Buffer.from(key).toString('hex'), from: 'the option `key`' }]),
    ...(keyFile === undefined ? [] : [{ file: resolve(keyFile) }]),
    ...(keyCommand === undefined ? [] : [{ command: keyCommand }]),
    ...keySourcesOf(process.env),
  ]
}

/** What the configuration file names counts where the environment names nothing. */
export function keySettings({ keyFile, keyCommand }: { keyFile?: string; keyCommand?: string }): Pick<CairnOptions, 'keyFile' | 'keyCommand'> {
  if (keySourcesOf(process.env).length > 0) return {}
  return { ...(keyFile === undefined ? {} : { keyFile }), ...(keyCommand === undefined ? {} : { keyCommand }) }
}

/** The same for a server, whose environment and folder are others. */
export function keysToGive(keys: readonly KeySource[]): KeySource[] {
  return keys.map(source => {
    if ('variable' in source) return { key: process.env[source.variable] ?? '', from: source.variable }
    return 'file' in source ? { file: resolve(source.file) } : source
  })
}

/** Another key may help. */
export function isAboutKey(error: unknown): boolean {
  return error instanceof CairnError && ['ERR_KEY_MISSING', 'ERR_KEY_WRONG', 'ERR_KEY_SOURCE'].includes(error.code)
}
