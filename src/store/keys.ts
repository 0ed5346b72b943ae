import { CairnError } from '../errors.js'

/** One part of a key. `~` is not in it, so that a backend has names of its own that no key can take. */
const PART = /^[A-Za-z0-9._%-]{1,200}$/
const MAX_KEY_CHARS = 800

function isKey(key: string): boolean {
  if (key.length === 0 || key.length > MAX_KEY_CHARS) return false
  return key.split('/').every(part => PART.test(part) && part !== '.' && part !== '..')
}

/** @throws CairnError ERR_INVALID_ARG_VALUE for what is no key */
export function checkKey(key: string): void {
  if (!isKey(key))
    throw new CairnError(
      'ERR_INVALID_ARG_VALUE',
      `${JSON.stringify(key)} is no key of a store.`,
      'Use parts of letters, digits, ".", "_", "%" and "-", joined by "/".',
    )
}

/** A prefix is a key cut anywhere. @throws CairnError ERR_INVALID_ARG_VALUE */
export function checkPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix))
    throw new CairnError('ERR_INVALID_ARG_VALUE', `${JSON.stringify(prefix)} is no prefix of keys of a store.`, 'Use the beginning of a key.')
}

/** Why a conditional write was refused. */
export function preconditionFailed(key: string, condition: string): CairnError {
  return new CairnError('ERR_PRECONDITION', `The object ${key} was not written: ${condition}.`, 'Read it again, and decide by what it says now.', {
    retry: 'no',
  })
}

export const IS_THERE = 'there is one already'
export const IS_GONE = 'there is none'
export const IS_CHANGED = 'it was changed meanwhile'

/** What `put` returns; undefined when its condition did not hold. */
export function unlessRefused<T>(put: () => T): T | undefined {
  try {
    return put()
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return undefined
    throw error
  }
}

/** Where a store is tried out. */
export const PROBE_PREFIX = 'probe/'
