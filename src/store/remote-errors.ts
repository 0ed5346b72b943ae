import { CairnError } from '../errors.js'

/** What a request was about, for the sentence that says why it failed. */
export interface Attempted {
  doing: 'read' | 'write' | 'list' | 'delete'
  /** Of the object, below the store's prefix; empty for a listing. */
  key: string
}

const WORDS: Record<Attempted['doing'], string> = { read: 'read objects', write: 'write objects', list: 'list objects', delete: 'delete objects' }

/** A request that may succeed when it is made again: no connection, no answer, an answer of failure. Whether it was applied is unknown. */
export function unreachable(store: string, why: string): CairnError {
  return new CairnError('ERR_STORE_UNREACHABLE', `${store} cannot be reached: ${why}.`, 'Check the network, the endpoint and the proxy, and try again.', {
    retry: 'same-call',
  })
}

/** The store answered that it failed; whether the request was applied is unknown. */
export function failed(store: string, why: string): CairnError {
  return new CairnError('ERR_STORE_FAILED', `${store} failed: ${why}.`, 'Try again; if it stays so, look at the state of the service.', { retry: 'same-call' })
}

/** Another request for the same key was under way: this one was not applied. */
export function busy(store: string, key: string): CairnError {
  return new CairnError('ERR_STORE_CONFLICT', `${store} was busy with another write of ${key}.`, 'Try again.', { retry: 'same-call' })
}

/** The store was not reached, or did nothing but fail: another time it may be, and what this host has is of use all the same. */
export function isAway(error: unknown): error is CairnError {
  return error instanceof CairnError && ['ERR_STORE_UNREACHABLE', 'ERR_STORE_FAILED', 'ERR_STORE_UNCERTAIN', 'ERR_STORE_PROTOCOL'].includes(error.code)
}

export function noBucket(bucket: string, where: string): CairnError {
  return new CairnError(
    'ERR_STORE_MISSING',
    `There is no bucket ${bucket} at ${where}.`,
    'Check the name, the endpoint and the region, or create the bucket with the tools of your provider.',
  )
}

export function noRight(store: string, { doing }: Attempted): CairnError {
  return new CairnError(
    'ERR_STORE_ACCESS',
    `These credentials may not ${WORDS[doing]} in ${store}.`,
    'Give them that right, or use others; docs/stores.md lists what a store needs.',
  )
}

export function wrongCredentials(store: string, what: string): CairnError {
  return new CairnError('ERR_STORE_CREDENTIALS', `${store} refuses the credentials: ${what}.`, 'Correct them in the environment or the profile, and try again.')
}

export function noCredentials(store: string, where: string): CairnError {
  return new CairnError('ERR_STORE_CREDENTIALS', `No credentials for ${store} were found.`, `Set ${where}.`)
}

export function wrongRegion(store: string, given: string, right: string | undefined): CairnError {
  const is = right === undefined ? 'another one' : right
  const remedy = right === undefined ? 'Give the region that the bucket was created in.' : `Use \`--region ${right}\`.`
  return new CairnError('ERR_STORE_REGION', `${store} is not in the region ${given} but in ${is}.`, remedy)
}

/** @param again it is worth another attempt, because the difference is known now */
export function wrongClock(store: string, again: boolean): CairnError {
  return new CairnError(
    'ERR_STORE_CLOCK',
    `The clock of this computer and that of ${store} differ by more than 15 minutes.`,
    'Set the clock, for example by NTP, and try again.',
    { retry: again ? 'same-call' : 'no' },
  )
}

export function notSupported(store: string, what: string): CairnError {
  return new CairnError('ERR_STORE_UNSUPPORTED', `${store} does not support ${what}.`, 'Use a service that has it; docs/stores.md lists those that were tried.')
}

export function outOfSpace(store: string): CairnError {
  return new CairnError('ERR_STORE_FULL', `${store} takes no more: its quota is used up.`, 'Raise the quota or delete what is not needed, and try again.', {
    retry: 'no',
  })
}

/** A conditional write without an answer, of which the store could not be asked afterwards. */
export function uncertain(store: string, key: string, cause: CairnError): CairnError {
  return new CairnError(
    'ERR_STORE_UNCERTAIN',
    `Whether ${key} was written to ${store} is not known: ${cause.message}`,
    'Read it when the store answers again, and compare.',
    { retry: 'reopen', cause },
  )
}

/** Codes of Node for a connection that did not come about or broke. */
const NETWORK: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  ETIMEDOUT: 'it did not answer in time',
  ESOCKETTIMEDOUT: 'it did not answer in time',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no network',
  ENETDOWN: 'there is no network',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: 'it does not speak TLS there',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP there',
}
/** Those that do not pass by themselves. */
const TLS = /CERT|SIGNATURE|^EPROTO$|^ERR_SSL_|^HPE_/

/** Code of a connection that failed; undefined when that is not what failed. */
export function networkCode(error: unknown): string | undefined {
  const { code, name, cause, errors } = error as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown[] }
  if (typeof code === 'string' && (NETWORK[code] !== undefined || /^(ERR_SSL|HPE)_/.test(code))) return code
  if (name === 'TimeoutError') return 'ETIMEDOUT'
  const inner = Array.isArray(errors) ? errors[0] : cause
  return inner === undefined || inner === null ? undefined : networkCode(inner)
}

/** Why a connection failed, in words; by its code alone, because messages may repeat what was sent. */
export function networkReason(error: unknown): string {
  const known = networkCode(error)
  if (known !== undefined) return NETWORK[known] ?? NETWORK[known.startsWith('HPE_') ? 'HPE_INVALID_CONSTANT' : 'EPROTO']
  const { code, name } = error as { code?: unknown; name?: unknown }
  return `no answer (${typeof code === 'string' ? code : String(name ?? 'unknown error')})`
}

/** A connection that failed as one sentence. */
export function noConnection(store: string, error: unknown): CairnError {
  const reason = networkReason(error)
  if (!TLS.test(networkCode(error) ?? '')) return unreachable(store, reason)
  return new CairnError(
    'ERR_STORE_UNREACHABLE',
    `${store} cannot be reached: ${reason}.`,
    'Check the endpoint, https or http, and the clock; certificates of your own authority are trusted where NODE_EXTRA_CA_CERTS names their file.',
  )
}

/** It answered, but no such service would answer so: a web page, a console, a proxy that wants a login. */
export function otherProtocol(store: string, where: string, protocol: string): CairnError {
  return new CairnError(
    'ERR_STORE_PROTOCOL',
    `${where} answers, but not as ${protocol} does, so that ${store} cannot be used.`,
    'Check the endpoint and the proxy.',
    {
      retry: 'same-call',
    },
  )
}
