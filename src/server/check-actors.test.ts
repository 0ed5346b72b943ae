import { expect, it } from 'vitest'
import { checkActors } from './check-actors.js'

it.each([
  ['mount', [{ name: 'w', actor: 5 }]],
  ['beginRun', ['w', { actor: { toString: 'x' } }]],
  ['checkpoint', ['w', undefined, { actor: 'two\nlines' }]],
  ['open', ['w', undefined, 5]],
])('%s by what is no actor is refused: %j', (method, args) => {
  expect(() => checkActors(method, args)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
})

it('others are let through', () => {
  checkActors('open', ['w', undefined, undefined])
  checkActors('open', ['w', 'ref', 'ann'])
  checkActors('beginRun', ['w', { actor: 'Ann of the Hill' }, null, 5, {}])
})
