import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { DATA_KEY_BYTES } from '../codec/cipher.js'
import type { UserKey } from '../codec/wrapped-key.js'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'

/** Where the key of an encrypted store comes from. Only `file` and `command` are ever written down. */
export type KeySource = { file: string } | { command: string } | { variable: string } | { key: string; from: string }

/** What the environment names, in the order in which it is asked. */
export function keySourcesOf(env: NodeJS.ProcessEnv, prefix = 'CAIRN_KEY'): KeySource[] {
  const [text, file, command] = [env[prefix], env[`${prefix}_FILE`], env[`${prefix}_COMMAND`]]
  return [
    ...(text === undefined || text === '' ? [] : [{ variable: prefix }]),
    ...(file === undefined || file === '' ? [] : [{ file }]),
    ...(command === undefined || command === '' ? [] : [{ command }]),
  ]
}

/** How messages name it. */
export function describeSource(source: KeySource): string {
  if ('file' in source) return `the file ${source.file}`
  if ('command' in source) return `the command \`${source.command}\``
  return 'variable' in source ? source.variable : source.from
}

/**
 * Reads a key: 32 bytes as they are, 64 hexadecimal digits or base64 for 32 bytes; any other text is a passphrase.
 * @throws CairnError ERR_KEY_SOURCE when there is nothing to read, ERR_KEY_INVALID for what can be no key. None shows any of it
 */
export function readUserKey(source: KeySource): UserKey {
  return parseUserKey(bytesOf(source), describeSource(source))
}

function bytesOf(source: KeySource): Buffer {
  if ('variable' in source) return Buffer.from(process.env[source.variable] ?? '')
  if ('key' in source) return Buffer.from(source.key)
  return 'file' in source ? fileBytes(source.file) : commandBytes(source.command)
}

function fileBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
    throw new CairnError('ERR_KEY_SOURCE', `The key file ${file} ${why}.`, 'Put it back, or name another one with --key-file or CAIRN_KEY_FILE.', {
      cause: error,
    })
  }
}

function commandBytes(command: string): Buffer {
  try {
    return execFileSync('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'], timeout: limits.keyCommandMs, maxBuffer: limits.keyBytes })
  } catch (error) {
    const { status, signal } = error as { status?: number | null; signal?: string | null }
    const why = typeof status === 'number' ? `ended with code ${status}` : signal ? `was ended by ${signal}` : 'could not be run'
    // The error itself holds what the command printed.
    throw new CairnError('ERR_KEY_SOURCE', `The command that prints the key, \`${command}\`, ${why}.`, 'Run it in a shell to see why, or name another one.')
  }
}

function parseUserKey(bytes: Buffer, from: string): UserKey {
  if (bytes.length === DATA_KEY_BYTES && !isText(bytes)) return { bytes }
  const text = bytes.toString('utf8').replace(/\r?\n$/, '')
  if (text === '') throw invalid(from, 'it is empty')
  if (!isText(bytes)) throw invalid(from, `it has ${bytes.length} bytes that are no text, where a key has ${DATA_KEY_BYTES}`)
  if (/^[0-9a-f]{64}$/i.test(text)) return { bytes: Buffer.from(text, 'hex') }
  if (/^[A-Za-z0-9+/_-]{43}=$/.test(text)) return { bytes: Buffer.from(text, 'base64') }
  if (/^[0-9a-f]{33,}$/i.test(text)) throw invalid(from, `it has ${text.length} hexadecimal digits, where a key has 64`)
  return { passphrase: text }
}

/** UTF-8 without control characters but for line ends and tabs. */
function isText(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) && !/[^\P{Cc}\t\r\n]/u.test(text)
}

function invalid(from: string, why: string): CairnError {
  return new CairnError(
    'ERR_KEY_INVALID',
    `${from.charAt(0).toUpperCase()}${from.slice(1)} holds no key: ${why}.`,
    'A key is 32 random bytes, as they are, in hex or in base64 (`openssl rand -hex 32 > FILE` makes one), or a passphrase.',
  )
}
