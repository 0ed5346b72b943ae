import { inspect } from 'node:util'
import { CairnError } from '../errors.js'

type Coded<T extends Error> = T & { code: string }

function coded<T extends Error>(error: T, code: string): Coded<T> {
  const result = Object.assign(error, { code })
  // As node: the code stands in the first line of the stack, and the name stays plain.
  const name = error.name
  error.name = `${name} [${code}]`
  void error.stack
  delete (error as { name?: string }).name
  return result
}

/** What a value is, in node's words. */
function received(value: unknown): string {
  if (value === null || value === undefined) return `Received ${value}`
  if (typeof value === 'function') return `Received function ${value.name}`
  if (typeof value === 'object') {
    const name = (value as { constructor?: { name?: string } }).constructor?.name
    return name ? `Received an instance of ${name}` : `Received ${inspect(value, { depth: -1 })}`
  }
  const text = inspect(value, { colors: false })
  return `Received type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`
}

/** @param expected as node words it: `of type string or an instance of Buffer or URL` */
export function invalidArgType(name: string, expected: string, value: unknown): Coded<TypeError> {
  const what = name.includes('.') ? 'property' : 'argument'
  return coded(new TypeError(`The "${name}" ${what} must be ${expected}. ${received(value)}`), 'ERR_INVALID_ARG_TYPE')
}

export function invalidArgValue(name: string, value: unknown, reason = 'is invalid'): Coded<TypeError> {
  let text = inspect(value)
  if (text.length > 128) text = `${text.slice(0, 128)}...`
  return coded(new TypeError(`The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${text}`), 'ERR_INVALID_ARG_VALUE')
}

export function outOfRange(name: string, range: string, value: unknown): Coded<RangeError> {
  return coded(new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`), 'ERR_OUT_OF_RANGE')
}

/** Errors of node:fs that are neither POSIX nor about arguments, such as `ERR_FS_EISDIR`. */
export function systemError(code: string, message: string, syscall: string, errno: number, path: string, dest?: string): Error {
  const where = dest === undefined ? path : `${path} => ${dest}`
  const error = new Error(`${message} ${where}`)
  error.name = 'SystemError'
  return Object.assign(error, { code, errno, syscall, path, ...(dest === undefined ? {} : { dest }) })
}

export function abortError(reason: unknown): Error {
  const error = new Error('The operation was aborted', reason === undefined ? undefined : { cause: reason })
  error.name = 'AbortError'
  return Object.assign(error, { code: 'ABORT_ERR' })
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal.reason)
}

/** @param what a sentence without its full stop */
export function featureUnavailable(what: string, remedy: string): CairnError {
  return new CairnError('ERR_FEATURE_UNAVAILABLE', `${what}.`, remedy)
}
