import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { CairnError } from '../errors.js'
import type { LogLevel } from '../server/log.js'
import { makeFolders } from '../sys/index.js'
import { parseSize, parseSpan } from '../sys/units.js'
import { checkVolumeName } from './address.js'

export type { LogLevel } from '../server/log.js'
export { parseSize, parseSpan } from '../sys/units.js'

/** Everything that can be set. Sizes in bytes, times in milliseconds. */
export interface Settings {
  /** The folder of the volumes. */
  home: string
  /** The default volume, so that `:/path` means a path of it. */
  volume?: string
  /** The address of the store of new volumes; without one, the directory store in the home. */
  store?: string
  /** Before every key in a shared store. */
  prefix?: string
  readOnly: boolean
  cacheSize: number
  /** What a volume of a store elsewhere may have acknowledged and not published; without it half of what the disk has free. */
  backlogSize?: number
  metadataTtl: number
  logLevel: LogLevel
  /** A server collects by itself. */
  gc: boolean
  /** Who makes changes, as the log says; default the name of the user. */
  actor?: string
  /** The file that holds the key of encrypted stores, or a command that prints it. */
  keyFile?: string
  keyCommand?: string
  /** The file of the Ed25519 key that audit chains are signed with. */
  auditKeyFile?: string
}

/** Where a value comes from; `name` is the variable or the file. */
export interface Origin {
  from: 'argument' | 'environment' | 'use' | 'file' | 'default'
  name?: string
}

export interface Resolved {
  settings: Settings
  origins: Record<keyof Settings, Origin>
  /** The configuration file, whether it exists or not. */
  file: string
}

export interface LoadOptions {
  arguments?: Partial<Settings>
  env?: NodeJS.ProcessEnv
  /** Default: `$XDG_CONFIG_HOME/cairn/config.yaml`, else `~/.config/cairn/config.yaml`. */
  file?: string
}

const levels: readonly string[] = ['error', 'warn', 'info', 'debug']
export function parseSwitch(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text.trim())) return true
  return /^(0|false|no|off|)$/i.test(text.trim()) ? false : undefined
}

export function parseLevel(text: string): LogLevel | undefined {
  return levels.includes(text) ? (text as LogLevel) : undefined
}

interface Setting {
  key: keyof Settings
  variable: string
  parse: (text: string) => Settings[keyof Settings]
  wants: string
  /** A value that is refused is not shown: it may hold a password. */
  isHidden?: true
}

const asText = (text: string): string => text

/** Undefined for one that holds credentials, which would be shown with it. */
export function parseAddressOfStore(text: string): string | undefined {
  return /:\/*[^/]*@/.test(text) ? undefined : text
}

/** The settings with their variables, in the order in which they are shown. */
export const settingList: readonly Setting[] = [
  { key: 'home', variable: 'CAIRN_HOME', parse: text => resolve(text), wants: 'a folder' },
  { key: 'volume', variable: 'CAIRN_VOLUME', parse: asText, wants: 'the name of a volume' },
  { key: 'store', variable: 'CAIRN_STORE', parse: parseAddressOfStore, wants: 'the address of a store, without credentials', isHidden: true },
  { key: 'prefix', variable: 'CAIRN_PREFIX', parse: asText, wants: 'text' },
  { key: 'readOnly', variable: 'CAIRN_READ_ONLY', parse: parseSwitch, wants: 'true or false' },
  { key: 'cacheSize', variable: 'CAIRN_CACHE_SIZE', parse: parseSize, wants: 'a size such as 256M' },
  { key: 'backlogSize', variable: 'CAIRN_BACKLOG_SIZE', parse: parseSize, wants: 'a size such as 2G' },
  { key: 'metadataTtl', variable: 'CAIRN_METADATA_TTL', parse: parseSpan, wants: 'a time such as 500ms or 2s' },
  { key: 'actor', variable: 'CAIRN_ACTOR', parse: asText, wants: 'a name' },
  { key: 'keyFile', variable: 'CAIRN_KEY_FILE', parse: text => resolve(text), wants: 'a file' },
  { key: 'keyCommand', variable: 'CAIRN_KEY_COMMAND', parse: asText, wants: 'a command' },
  { key: 'auditKeyFile', variable: 'CAIRN_AUDIT_KEY_FILE', parse: text => resolve(text), wants: 'a file' },
  { key: 'logLevel', variable: 'CAIRN_LOG_LEVEL', parse: parseLevel, wants: 'error, warn, info or debug' },
  { key: 'gc', variable: 'CAIRN_GC', parse: parseSwitch, wants: 'true or false' },
]

function defaults(): Settings {
  return { home: join(homedir(), '.cairn'), readOnly: false, cacheSize: 1024 ** 3, metadataTtl: 1000, logLevel: 'info', gc: true }
}

export function configFile(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CONFIG_HOME']
  return join(base?.startsWith('/') ? base : join(env['HOME'] ?? homedir(), '.config'), 'cairn', 'config.yaml')
}

/**
 * The settings in force: argument, else environment, else what `cairn use` chose (the volume only), else the configuration file, else the default.
 * @throws CairnError ERR_CONFIG naming the variable, or the file and line, and what it should be (exit code 2)
 */
export async function loadSettings(options: LoadOptions = {}): Promise<Resolved> {
  const env = options.env ?? process.env
  const file = options.file ?? configFile(env)
  const fromFile = await readConfig(file)
  const values: Partial<Settings> = { ...defaults() }
  const origins = {} as Record<keyof Settings, Origin>
  const put = (key: keyof Settings, value: Settings[keyof Settings], origin: Origin) => {
    Object.assign(values, { [key]: value })
    origins[key] = origin
  }
  for (const { key } of settingList) {
    origins[key] = { from: 'default' }
    if (fromFile[key] !== undefined) put(key, fromFile[key], { from: 'file', name: file })
  }
  for (const setting of settingList) {
    const text = env[setting.variable]
    if (text !== undefined && text !== '') put(setting.key, fromVariable(setting, text), { from: 'environment', name: setting.variable })
    const argument = options.arguments?.[setting.key]
    if (argument !== undefined) put(setting.key, setting.key === 'home' ? resolve(String(argument)) : argument, { from: 'argument' })
  }
  const chosen = values.home === undefined ? undefined : usedVolume(values.home)
  if (chosen !== undefined && origins.volume.from !== 'argument' && origins.volume.from !== 'environment') {
    put('volume', chosen, { from: 'use', name: useFile(String(values.home)) })
  }
  return { settings: values as Settings, origins, file }
}

function fromVariable(setting: Setting, text: string): Settings[keyof Settings] {
  const value = setting.parse(text)
  if (value !== undefined) return value
  const is = setting.isHidden === true ? 'holds what it may not' : `is ${JSON.stringify(text)}`
  throw new CairnError('ERR_CONFIG', `The variable ${setting.variable} ${is}.`, `Set it to ${setting.wants}.`, { exitCode: 2 })
}

async function readConfig(file: string): Promise<Partial<Settings>> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return {}
    throw new CairnError(
      'ERR_CONFIG',
      `The configuration ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      'Make it readable for you, or remove it.',
      { exitCode: 2 },
    )
  }
  // Only where there is a file: parser and schema cost more than the rest of a command.
  const { parseConfig } = await import('./config-schema.js')
  return parseConfig(text, file)
}

/** The default volume is remembered in the home, because names mean something there only. */
function useFile(home: string): string {
  return join(home, 'default-volume')
}

function usedVolume(home: string): string | undefined {
  try {
    return readFileSync(useFile(home), 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Remembers the default volume of a home; `undefined` forgets it. */
export function setUsedVolume(home: string, volume: string | undefined): void {
  if (volume === undefined) {
    rmSync(useFile(home), { force: true })
    return
  }
  checkVolumeName(volume)
  makeFolders(home)
  writeFileSync(useFile(home), `${volume}\n`, { mode: 0o600 })
}
