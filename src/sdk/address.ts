import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { looksLikeCommitId } from '../volume/refs.js'

/** Where an operand points: into a volume, at a file of the host, or at stdin and stdout. */
export type Address = { kind: 'volume'; volume: string; ref?: string; path: string } | { kind: 'host'; path: string } | { kind: 'stdio' }

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

function usage(code: string, message: string, remedy: string): CairnError {
  return new CairnError(code, message, remedy, { exitCode: 2 })
}

/** Shortens and quotes what a user typed, for a sentence. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.includes('/')) return 'contains a slash'
  if (/\s/.test(name)) return 'contains a space'
  if (name.length > limits.volumeNameCharacters) return `is ${name.length} characters long`
  if (/^[.]+$/.test(name)) return 'is a directory of the host'
  if (!/^[A-Za-z0-9]/.test(name)) return 'does not start with a letter or a digit'
  if (!NAME.test(name)) return 'has characters other than letters, digits, dot, underscore and hyphen'
  return undefined
}

/** Throws unless `name` may name a volume. @throws CairnError ERR_VOLUME_NAME */
export function checkVolumeName(name: string): void {
  const problem = nameProblem(name)
  if (problem === undefined) return
  throw usage(
    'ERR_VOLUME_NAME',
    `The volume name ${quoted(name)} ${problem}.`,
    `Use 1 to ${limits.volumeNameCharacters} letters, digits, dots, underscores and hyphens, starting with a letter or a digit.`,
  )
}

/** What a ref looks like when it is not a checkpoint name. */
function reservedLook(ref: string): string | undefined {
  if (/^~\d*$/.test(ref)) return 'a number of commits back'
  if (/^\d{4}-\d{2}(-\d{2})?([T ].*)?$/.test(ref)) return 'a time'
  if (/^-?\d+(\.\d+)?(ms|s|m|min|h|d|w)$/.test(ref)) return 'a time span'
  if ((/^[0-9A-Za-z]{26}$/.test(ref) && /\d/.test(ref)) || looksLikeCommitId(ref)) return 'a commit id'
  return undefined
}

/** Throws unless `name` may name a checkpoint: a volume name that looks like no other kind of ref. @throws CairnError ERR_CHECKPOINT_NAME */
export function checkCheckpointName(name: string): void {
  const look = reservedLook(name)
  const problem = look === undefined ? nameProblem(name) : `looks like ${look}`
  if (problem === undefined) return
  throw usage(
    'ERR_CHECKPOINT_NAME',
    `The checkpoint name ${quoted(name)} ${problem}.`,
    'Use letters, digits, dots, underscores and hyphens, such as before-refactor.',
  )
}

/** True for `.`, `..`, `./x`, `../x`, `/x`: written as a path of the host, whatever exists. */
export function looksLikeHostPath(text: string): boolean {
  return text.startsWith('/') || text === '.' || text === '..' || text.startsWith('./') || text.startsWith('../')
}

/** Splits `VOLUME[@REF]`. An empty volume means the default one. @throws CairnError ERR_VOLUME_NAME, ERR_REF, ERR_NO_VOLUME */
export function parseVolumeRef(text: string, defaultVolume?: string): { volume: string; ref?: string } {
  const at = text.indexOf('@')
  const named = at < 0 ? text : text.slice(0, at)
  const ref = at < 0 ? undefined : text.slice(at + 1)
  const colon = named.indexOf(':')
  if (colon >= 0) {
    const path = named.slice(colon + 1)
    if (path.startsWith('/')) throw usage('ERR_ADDRESS', `${quoted(text)} names a path, and a whole volume is meant here.`, `Write ${named.slice(0, colon)}.`)
    throw usage('ERR_ADDRESS', `${quoted(text)} is not an address: after the colon comes a path from the root.`, `Write ${named.slice(0, colon)}:/${path}.`)
  }
  if (ref === '')
    throw usage('ERR_REF', `${quoted(text)} names no state after the @.`, 'Put a checkpoint name, ~1, a commit id or a time there, or leave out the @.')
  const volume = named === '' ? defaultVolume : named
  if (volume === undefined)
    throw usage(
      'ERR_NO_VOLUME',
      'No volume is named and there is no default one.',
      'Name one (VOLUME:/path), or choose a default with `cairn use VOLUME` or CAIRN_VOLUME.',
    )
  checkVolumeName(volume)
  return ref === undefined ? { volume } : { volume, ref }
}

/**
 * Reads an operand by the one grammar `VOLUME[@REF][:/path]`, split at the first `:/`. `./x`, `../x`, `/x` are paths of the
 * host, `-` is stdin or stdout, `:/x` is a path of the default volume.
 * @throws CairnError ERR_ADDRESS, ERR_VOLUME_NAME, ERR_REF, ERR_NO_VOLUME (exit code 2)
 */
export function parseAddress(text: string, defaultVolume?: string): Address {
  if (text === '-') return { kind: 'stdio' }
  if (text.includes('\0')) throw usage('ERR_ADDRESS', `${quoted(text)} contains a NUL character.`, 'No path can contain one.')
  if (text === '') throw usage('ERR_ADDRESS', 'An address is empty.', 'Write VOLUME:/path, or ./path for a file of the host.')
  if (looksLikeHostPath(text)) return { kind: 'host', path: text }
  const split = text.indexOf(':/')
  const head = split < 0 ? text : text.slice(0, split)
  if (split < 0 && text.includes('/') && !text.includes('@')) return { kind: 'host', path: text }
  const path = split < 0 ? '/' : text.slice(split + 1).replace(/\/{2,}/g, '/')
  return { kind: 'volume', ...parseVolumeRef(head, defaultVolume), path }
}

/** The address as a user would type it. */
export function formatAddress(address: { volume: string; ref?: string; path?: string }): string {
  const ref = address.ref === undefined ? '' : `@${address.ref}`
  return `${address.volume}${ref}${address.path === undefined ? '' : `:${address.path}`}`
}
