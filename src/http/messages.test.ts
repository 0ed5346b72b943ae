import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { MessageReader, writeMessage } from './messages.js'

function written(...messages: Uint8Array[][]): Buffer {
  const to = new PassThrough({ highWaterMark: 1024 * 1024 })
  for (const parts of messages) writeMessage(to, parts)
  return to.read() as Buffer
}

function read(reader: MessageReader, bytes: Buffer, step: number): Array<string | undefined> {
  const found: Array<string | undefined> = []
  for (let at = 0; at < bytes.length; at += step) found.push(...reader.push(bytes.subarray(at, at + step)).map(message => message?.toString()))
  return found
}

describe('messages on a connection', () => {
  const long = 'x'.repeat(100_000)
  const all = written([Buffer.from('a'), Buffer.from('bc')], [], [Buffer.from(long)], [Buffer.from('end')])

  test.each([1, 3, 4, 5, 7, 65_536, 1_000_000])('come whole, however they are cut: every %i bytes', step => {
    expect(read(new MessageReader(1_000_000), all, step)).toStrictEqual(['abc', '', long, 'end'])
  })

  test.each([1, 6, 4096, 1_000_000])('that are too long are let go by, and what follows is read: every %i bytes', step => {
    expect(read(new MessageReader(1000), all, step)).toStrictEqual(['abc', '', undefined, 'end'])
  })

  test('begin with what is asked before the first', () => {
    const to = new PassThrough()
    writeMessage(to, [Buffer.from('a')], Buffer.from('HEAD'))
    expect(to.read()).toStrictEqual(Buffer.from('HEAD\x01\0\0\0a'))
  })
})
