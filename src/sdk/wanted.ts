import { CairnError } from '../errors.js'

/** How a value is wrong, told as what it should be; undefined when it is right. */
export type Wanted = (value: unknown) => string | undefined

/** How each option of a call is wrong. */
export type WantedOptions<Options> = { readonly [Name in keyof Required<Options>]: Wanted }

/**
 * A mistake would otherwise be the default, which promises less than was meant. What is undefined was not given.
 * @param wrong makes the error
 * @throws what `wrong` makes, of the first option that cannot be
 */
export function checkGiven<Options>(options: unknown, wanted: WantedOptions<Options>, wrong: (message: string, remedy: string) => CairnError = badValue): void {
  if (typeof options !== 'object' || options === null) throw wrong('The options are no object.', 'Give them as { name: value }.')
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(wanted, name)) throw wrong(`There is no option ${name}.`, `There are ${Object.keys(wanted).join(', ')}.`)
    const problem = value === undefined ? undefined : wanted[name as keyof Options](value)
    if (problem !== undefined) throw wrong(`${name} is ${shown(value)}.`, `Give ${problem}.`)
  }
}

/** @throws CairnError ERR_INVALID_ARG_VALUE */
export function checkGivenText(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw badValue(`The ${what} is ${shown(value)}.`, 'Give a text.')
}

function badValue(message: string, remedy: string): CairnError {
  return new CairnError('ERR_INVALID_ARG_VALUE', message, remedy)
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value === 'object' ? 'an object' : String(value)
}

export const anything: Wanted = () => undefined

export const text: Wanted = value => (typeof value === 'string' ? undefined : 'a text')

export const flag: Wanted = value => (typeof value === 'boolean' ? undefined : 'true or false')

export const aFunction: Wanted = value => (typeof value === 'function' ? undefined : 'a function')

export const aSignal: Wanted = value => (value instanceof AbortSignal ? undefined : 'an AbortSignal')

/** Both ends included. */
export function number(least: number, most: number = Number.MAX_SAFE_INTEGER): Wanted {
  const what = most === Number.MAX_SAFE_INTEGER ? `a number from ${least} on` : `a number from ${least} to ${most}`
  return value => (Number.isFinite(value) && (value as number) >= least && (value as number) <= most ? undefined : what)
}

export function oneOf(...values: readonly string[]): Wanted {
  return value => (values.includes(value as string) ? undefined : values.map(one => `'${one}'`).join(' or '))
}

export const anyNumber: Wanted = value => (Number.isFinite(value) ? undefined : 'a number')

/** @param what they are, in the plural */
export function texts(what: string): Wanted {
  return value => (isTexts(value) ? undefined : `a list of ${what}`)
}

export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(one => typeof one === 'string')
}
