import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Connection } from '../store/sqlite/connection.js'
import { ContentState, IndexFile } from './index-file.js'

const { indexed, binary } = ContentState
const content = (n: number): Buffer => Buffer.alloc(32, n)

describe('an index of contents', () => {
  let folder: string
  let path: string
  const open: IndexFile[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-index-'))
    path = join(folder, 'search', 'dev.words.sqlite')
  })

  afterEach(() => {
    for (const index of open.splice(0)) index.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function words(): IndexFile {
    const index = IndexFile.open(path, 'words')
    open.push(index)
    return index
  }

  it('takes a content once, and knows every file that held it', () => {
    const index = words()
    index.add([
      { ino: 2, content: content(1), state: indexed, text: 'one two' },
      { ino: 3, content: content(2), state: indexed, text: 'two two two' },
      { ino: 4, content: content(3), state: binary },
    ])
    expect(
      index.place([
        { ino: 7, content: content(1) },
        { ino: 8, content: content(9) },
        { ino: 9, content: content(3) },
      ]),
    ).toEqual([1])
    index.add([{ ino: 11, content: content(1), state: indexed, text: 'one two' }])
    expect(index.find('"one"', 0, 10)).toMatchObject([{ content: content(1), inodes: [2, 7, 11] }])
    expect(index.find('"two"', 0, 10).map(hit => hit.inodes[0])).toEqual([3, 2])
    expect(index.find('"two"', 1, 10).map(hit => hit.inodes[0])).toEqual([2])
  })

  it('is kept, shared by processes, and readable by its owner alone', () => {
    words().add([{ ino: 2, content: content(1), state: indexed, text: 'one' }])
    words().add([{ ino: 3, content: content(2), state: indexed, text: 'one one' }])
    expect(open[0].find('"one"', 0, 10)).toHaveLength(2)
    expect(statSync(join(folder, 'search')).mode & 0o777).toBe(0o700)
    for (const index of open.splice(0)) index.close()
    expect(words().find('"one"', 0, 10)).toHaveLength(2)
  })

  it('knows which trees it has all of: that one, or the nearest in time', () => {
    const index = words()
    expect(index.nearestTree('v', 'r5', 5)).toBeUndefined()
    for (const time of [1, 5, 9]) index.addTree('v', `r${time}`, time)
    index.addTree('w', 'other', 6)
    expect(index.nearestTree('v', 'r9', 1)).toBe('r9')
    expect(index.nearestTree('v', 'unknown', 6)).toBe('r5')
    expect(index.nearestTree('v', undefined, 100)).toBe('r9')
  })

  it.each([
    [
      'damaged',
      () => {
        for (const log of ['-wal', '-shm']) rmSync(path + log, { force: true })
        writeFileSync(path, 'no database at all, but long enough to be taken for one'.repeat(100))
      },
    ],
    ['of another version', () => new Connection(path).exec('PRAGMA user_version = 99')],
  ])('that is %s is made anew', (_, damage) => {
    words().add([{ ino: 2, content: content(1), state: indexed, text: 'one' }])
    words().addTree('v', 'r', 1)
    for (const index of open.splice(0)) index.close()
    damage()
    const again = words()
    expect(again.nearestTree('v', 'r', 1)).toBeUndefined()
    again.add([{ ino: 2, content: content(1), state: indexed, text: 'one' }])
    expect(again.find('"one"', 0, 10)).toHaveLength(1)
  })

  it('of trigrams finds any text', () => {
    const index = IndexFile.open(undefined, 'substring')
    open.push(index)
    index.add([
      { ino: 2, content: content(1), state: indexed, text: 'x = this.#Lock(id)' },
      { ino: 3, content: content(2), state: indexed, text: 'nothing of it' },
    ])
    expect(index.find('"s.#" AND "#lo"', 0, 10)).toMatchObject([{ inodes: [2] }])
  })
})
