import { describe, expect, it } from 'vitest'
import type { Change } from '../../volume/api.js'
import { composeChanges } from './compose-changes.js'

const created = (path: string, sizeAfter = 1): Change => ({ kind: 'created', path, type: 'file', sizeAfter })
const modified = (path: string, sizeBefore: number, sizeAfter: number): Change => ({ kind: 'modified', path, type: 'file', sizeBefore, sizeAfter })
const deleted = (path: string, sizeBefore = 1): Change => ({ kind: 'deleted', path, type: 'file', sizeBefore })
const renamed = (from: string, path: string, type: Change['type'] = 'file'): Change => ({ kind: 'renamed', from, path, type })
const mode = (path: string, modeBefore: number, modeAfter: number): Change => ({ kind: 'mode', path, type: 'file', modeBefore, modeAfter })

describe('changes of several steps', () => {
  it.each<[string, Change[][], Change[]]>([
    ['one step is itself', [[created('/a'), deleted('/b')]], [created('/a'), deleted('/b')]],
    ['made and written', [[created('/a', 1)], [modified('/a', 1, 5)]], [created('/a', 5)]],
    ['made and taken away', [[created('/a')], [deleted('/a')]], []],
    ['written twice', [[modified('/a', 1, 2)], [modified('/a', 2, 3)]], [modified('/a', 1, 3)]],
    ['written and taken away', [[modified('/a', 1, 2)], [deleted('/a', 2)]], [deleted('/a', 1)]],
    ['taken away and made again', [[deleted('/a', 4)], [created('/a', 2)]], [{ ...modified('/a', 4, 2), replaced: true }]],
    ['made and renamed', [[created('/a', 3)], [renamed('/a', '/b')]], [created('/b', 3)]],
    ['renamed twice', [[renamed('/a', '/b')], [renamed('/b', '/c')]], [renamed('/a', '/c')]],
    ['renamed and back', [[renamed('/a', '/b')], [renamed('/b', '/a')]], []],
    ['renamed and taken away', [[renamed('/a', '/b')], [deleted('/b', 2)]], [deleted('/a', 2)]],
    ['written and renamed', [[modified('/a', 1, 2)], [renamed('/a', '/b')]], [{ ...renamed('/a', '/b'), sizeBefore: 1, sizeAfter: 2, also: ['modified'] }]],
    ['renamed and written', [[renamed('/a', '/b')], [modified('/b', 1, 2)]], [{ ...renamed('/a', '/b'), sizeAfter: 2, also: ['modified'] }]],
    ['written, then another mode', [[modified('/a', 1, 2)], [mode('/a', 1, 2)]], [{ ...modified('/a', 1, 2), modeBefore: 1, modeAfter: 2, also: ['mode'] }]],
    ['another mode, twice', [[mode('/a', 1, 2)], [mode('/a', 2, 3)]], [mode('/a', 1, 3)]],
    ['made in a directory that is renamed', [[created('/d/a')], [renamed('/d', '/e', 'directory')]], [created('/e/a'), renamed('/d', '/e', 'directory')]],
    [
      'two that change places',
      [
        [created('/a', 3), modified('/b', 1, 2)],
        [renamed('/a', '/b'), renamed('/b', '/a')],
      ],
      [created('/b', 3), { ...renamed('/b', '/a'), sizeBefore: 1, sizeAfter: 2, also: ['modified'] }],
    ],
    ['a name taken by another', [[renamed('/a', '/b')], [created('/a', 7)]], [renamed('/a', '/b'), created('/a', 7)]],
  ])('%s', (_, steps, all) => {
    expect(composeChanges(steps)).toEqual(all)
  })
})
