import { expect, it } from 'vitest'
import { auditOptions, findOptions, grepOptions, logOptions, searchOptions } from './query-options.js'
import { checkGiven, checkGivenText, type WantedOptions } from './wanted.js'

it.each<[WantedOptions<unknown>, object, string]>([
  [findOptions, { nmae: 'x' }, 'There is no option nmae.'],
  [findOptions, { names: '*.ts' }, 'names is "*.ts".'],
  [findOptions, { types: ['f'] }, 'types is an object.'],
  [findOptions, { path: 5 }, 'path is 5.'],
  [grepOptions, { ignorecase: true }, 'There is no option ignorecase.'],
  [grepOptions, { maxCount: -1 }, 'maxCount is -1.'],
  [searchOptions, { mode: 'phrase' }, 'mode is "phrase".'],
  [logOptions, { limit: '5' }, 'limit is "5".'],
  [logOptions, { limit: -1 }, 'limit is -1.'],
  [auditOptions, { sinceMs: '-2h' }, 'sinceMs is "-2h".'],
  [auditOptions, { kinds: 'exec' }, 'kinds is "exec".'],
])('a question with a mistake in it is refused, not answered as another one: %#', (wanted, options, message) => {
  expect(() => checkGiven(options, wanted)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message }))
})

it('what is right, or not given, is taken', () => {
  checkGiven({ path: undefined, types: ['file'], newerMs: -1, tags: [] }, findOptions)
  checkGiven({ limit: 0, since: '-2h' }, logOptions)
  expect(() => checkGiven(null, logOptions)).toThrow('The options are no object.')
  expect(() => checkGivenText('pattern', 5)).toThrow('The pattern is 5.')
})
