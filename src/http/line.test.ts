import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeFrame } from './frame.js'
import { LinePool } from './line.js'
import { Lines } from './line-handler.js'

describe('lines of one client', () => {
  let folder: string
  let server: Server
  let pool: LinePool
  /** What the server was asked, and how each is answered. */
  let asked: Array<{ method: string; answer: () => void }>

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-line-'))
    asked = []
    const call = (_: string | undefined, method: string): Promise<string> =>
      new Promise(resolve => {
        asked.push({ method, answer: () => resolve(method) })
      })
    const lines = new Lines({ hello: () => ({}), openSession: () => 's', closeSession: () => undefined, call })
    server = createServer().on('upgrade', lines.take)
    await new Promise<void>(resolve => server.listen(join(folder, 's'), resolve))
    pool = new LinePool(join(folder, 's'), 1)
  })

  afterEach(async () => {
    pool.close()
    await new Promise(resolve => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  /** A call, what comes of it, and how it is given up. */
  function send(method: string): { result: Promise<string>; giveUp: (error: Error) => void } {
    let giveUp = (_: Error): void => undefined
    const result = new Promise<string>(resolve => {
      const call = { begins: () => undefined, answered: () => resolve('answered'), failed: (error?: Error) => resolve(error?.message ?? 'ended') }
      giveUp = pool.send(encodeFrame({ method, args: [] }), call)
    })
    return { result, giveUp: error => giveUp(error) }
  }

  test('a call that has not had its turn is given up alone', async () => {
    const [first, second, third] = [send('first'), send('second'), send('third')]
    second.giveUp(new Error('given up'))
    expect(await second.result).toBe('given up')
    await expect.poll(() => asked.length).toBe(1)
    asked[0].answer()
    expect(await first.result).toBe('answered')
    await expect.poll(() => asked.map(({ method }) => method)).toStrictEqual(['first', 'third'])
    asked[1].answer()
    expect(await third.result).toBe('answered')
  })

  test('with a call that is given up its line goes, and the next has another', async () => {
    const [first, second] = [send('first'), send('second')]
    await expect.poll(() => asked.length).toBe(1)
    first.giveUp(new Error('given up'))
    expect(await first.result).toBe('given up')
    await expect.poll(() => asked.length).toBe(2)
    asked[1].answer()
    expect(await second.result).toBe('answered')
  })
})
