import { expect, it } from 'vitest'
import { Answer } from './answer.js'

interface Seen {
  status: number
  body: string
  isDone: boolean
  keepsAlive: boolean
  /** Behind the answer. */
  left: string
}

/** An answer that comes in pieces of so many bytes, received where it wants them as far as it says. */
function seen(text: string, pieceBytes: number, into = new Uint8Array(64)): Seen {
  const answer = new Answer(into)
  const bytes = Buffer.from(text, 'latin1')
  let left = Buffer.alloc(0)
  for (let at = 0; at < bytes.length && !answer.isDone; ) {
    const { room } = answer
    const count = Math.min(pieceBytes, room?.length ?? pieceBytes, bytes.length - at)
    const place = room === undefined ? Buffer.alloc(count) : Buffer.from(room.buffer, room.byteOffset, count)
    bytes.copy(place, 0, at, at + count)
    at += count
    left = Buffer.concat([answer.take(place), bytes.subarray(at)])
  }
  const { status, body, isDone, keepsAlive } = answer
  return { status, body: body.toString('latin1'), isDone, keepsAlive, left: left.toString('latin1') }
}

const pieces = [1, 2, 3, 7, 20, 1000]
const OK = 'HTTP/1.1 200 OK\r\n'

for (const pieceBytes of pieces)
  it(`is the same in pieces of ${pieceBytes} bytes`, () => {
    const told = (text: string): Partial<Seen> => {
      const { left: _, ...rest } = seen(text, pieceBytes)
      return rest
    }
    const whole = { status: 200, isDone: true, keepsAlive: true }
    expect(told(`${OK}Content-Length: 5\r\nETag: "a"\r\n\r\nhello`)).toEqual({ ...whole, body: 'hello' })
    expect(told(`${OK}content-length:0 \r\n\r\n`)).toEqual({ ...whole, body: '' })
    expect(told(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc`)).toEqual({ ...whole, status: 206, body: 'abc' })
    expect(told(`${OK}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n`)).toEqual({
      ...whole,
      body: 'abc0123456789',
    })
    expect(told('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n')).toEqual({ ...whole, status: 304, body: '' })
    expect(told('HTTP/1.1 503\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno')).toEqual({ status: 503, isDone: true, keepsAlive: false, body: 'no' })
    expect(told('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nno')).toEqual({ ...whole, keepsAlive: false, body: 'no' })
    expect(told(`${OK}Content-Length: 6\r\n\r\nhello`)).toMatchObject({ isDone: false })
    expect(told(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)).toMatchObject({ isDone: false })
  })

it('the body is received in the memory that was given, where it fits', () => {
  const into = new Uint8Array(8).fill(46)
  const answer = new Answer(into)
  expect(answer.room).toBeUndefined()
  answer.take(Buffer.from(`${OK}Content-Length: 6\r\n\r\nab`))
  expect([answer.room?.buffer, answer.room?.byteOffset, answer.room?.length]).toEqual([into.buffer, 2, 4])
  answer.take(Buffer.from(into.buffer, 2, 0))
  into.set(Buffer.from('cd'), 2)
  answer.take(Buffer.from(into.buffer, 2, 2))
  // Elsewhere it is taken as well.
  answer.take(Buffer.from('ef'))
  expect([Buffer.from(into).toString(), answer.isDone, answer.room]).toEqual(['abcdef..', true, undefined])
  expect(answer.body.buffer).toBe(into.buffer)
  const large = seen(`${OK}Content-Length: 9\r\n\r\n123456789`, 4, into)
  expect([large.body, Buffer.from(into).toString()]).toEqual(['123456789', 'abcdef..'])
})

it('lasts to the end of the connection where it does not say how long it is', () => {
  const answer = new Answer(new Uint8Array(8))
  answer.take(Buffer.from(`${OK}ETag: x\r\n\r\nhel`))
  answer.take(Buffer.from('lo'))
  expect([answer.isDone, answer.end(), answer.body.toString(), answer.keepsAlive]).toEqual([false, true, 'hello', false])
  const cut = new Answer(new Uint8Array(8))
  cut.take(Buffer.from(`${OK}Content-Length: 4\r\n\r\nabc`))
  expect(cut.end()).toBe(false)
})

it('headers are told in lower case, those that come twice together; what is behind the answer is not its', () => {
  const answer = new Answer(new Uint8Array(8))
  const left = answer.take(Buffer.from(`${OK}X-A: 1\r\nx-a:  two \r\nContent-Length: 2\r\n\r\nhello`))
  expect([answer.headers['x-a'], answer.body.toString(), left.toString()]).toEqual(['1, two', 'he', 'llo'])
})

it('refuses what no server of HTTP would answer', () => {
  const wrong = [
    'hello\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    `${OK}Content-Length: x\r\n\r\n`,
    `${OK}Content-Length: -1\r\n\r\n`,
    `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    `${OK}Content-Length: 99999999999999999999\r\n\r\n`,
    `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${OK}Transfer-Encoding: gzip\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n`,
    `${OK}a: ${'b'.repeat(20_000)}\r\n\r\n`,
  ]
  for (const text of wrong)
    for (const pieceBytes of pieces) expect(() => seen(text, pieceBytes), JSON.stringify(text.slice(0, 80))).toThrow('no answer of HTTP')
})
