import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { unreachable } from '../remote-errors.js'
import type { Done, StoreLine } from './protocol.js'
import { RemoteStore } from './remote-store.js'

interface Asked {
  op: string
  done: Done<never>
  isIdle: boolean | undefined
}

let folder: string
let store: RemoteStore
let asked: Asked[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-feel-'))
  asked = []
  const nothing = (): void => {}
  const thread: StoreLine = {
    request: (op, _, done, isIdle) => asked.push({ op, done: done as Done<never>, isIdle }),
    callSync: () => expect.unreachable(),
    ...{ onTrouble: nothing, cacheIn: nothing, takeAnswers: nothing, tell: nothing, waitUntil: nothing, close: nothing },
  }
  store = new RemoteStore({ location: { kind: 'directory', path: join(folder, 'there') }, id: '00', folder, thread })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

it('a store that nobody reads is felt for whoever looks how it stands: once at a time, and not when it answered just now', () => {
  store.feel()
  store.feel()
  expect(asked).toMatchObject([{ op: 'knock', isIdle: true }])
  asked[0].done(undefined)
  store.feel()
  expect(asked).toHaveLength(1)
  expect(store.isAway).toBe(false)
})

it('who looks after that is told that it is away', () => {
  store.feel()
  asked[0].done(unreachable('there', 'it did not answer in time'))
  expect(store.unreachable?.message).toContain('it did not answer in time')
  store.feel()
  expect(asked.map(({ op }) => op)).toEqual(['knock', 'awaitStore'])
})
