import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTls } from 'node:https'
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Straight } from './straight.js'

const MIB = 2 ** 20
let client: Straight
let servers: Server[]
/** Connections so far. */
let connections: Socket[]

beforeEach(() => {
  client = new Straight()
  servers = []
  connections = []
})

afterEach(async () => {
  client.close()
  for (const socket of connections) socket.destroy()
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => connections.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Says of each byte where it is in the body. */
function body(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff))
}

const large = body(3 * MIB)
const answerLarge: RequestListener = (request, response) => {
  const length = Number(request.headers['x-length'] ?? large.length)
  response.writeHead(206, { 'content-length': length, 'x-path': request.url ?? '', 'x-host': request.headers.host ?? '' })
  response.end(large.subarray(0, length))
}

it('bodies are where they are wanted, of many requests at once, and connections are used again', async () => {
  const url = new URL(`http://127.0.0.1:${await listening(createServer(answerLarge))}/a%20b?c=d%27e`)
  const rooms = Array.from({ length: 8 }, () => new Uint8Array(new SharedArrayBuffer(4 * MIB)))
  for (let turn = 0; turn < 3; turn++) {
    const lengths = rooms.map((_, i) => large.length - i * 1000 - turn)
    const found = await Promise.all(rooms.map((into, i) => client.send({ method: 'GET', url, headers: { 'x-length': String(lengths[i]) }, into })))
    found.forEach((answer, i) => {
      expect([answer.status, answer.headers['x-path'], answer.headers['x-host']]).toEqual([206, '/a%20b?c=d%27e', url.host])
      expect([answer.body.buffer === rooms[i].buffer, answer.body.length]).toEqual([true, lengths[i]])
      expect(answer.body.equals(large.subarray(0, lengths[i]))).toBe(true)
    })
  }
  expect(connections.length).toBe(8)
})

it('what does not fit, or comes in chunks, is answered elsewhere', async () => {
  const listener: RequestListener = (_, response) => {
    response.write(large.subarray(0, MIB))
    response.end(large.subarray(MIB))
  }
  const chunked = new URL(`http://127.0.0.1:${await listening(createServer(listener))}/`)
  const whole = new URL(`http://127.0.0.1:${await listening(createServer(answerLarge))}/`)
  for (const url of [chunked, whole]) {
    const into = new Uint8Array(1000).fill(1)
    const answer = await client.send({ method: 'GET', url, into })
    expect(answer.body.equals(large)).toBe(true)
    expect(into.every(byte => byte === 1)).toBe(true)
  }
})

it('a connection that ends early, is silent, or answers something else is an error; the next request gets another', async () => {
  const answers = [
    'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc',
    '',
    'HTTP/1.1 200 OK\r\n',
    'SSH-2.0\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc',
  ]
  const port = await listening(
    createPlain(socket => socket.once('data', () => socket.end(answers.shift() ?? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))),
  )
  const get = (): Promise<string> =>
    client.send({ method: 'GET', url: new URL(`http://127.0.0.1:${port}/`), into: new Uint8Array(20) }).then(found => found.body.toString())
  const codes: unknown[] = []
  while (answers.length > 0) codes.push(await get().catch(error => error.code))
  expect(codes).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET', 'HPE_INVALID', 'ECONNRESET'])
  expect(await get()).toBe('ok')
  expect(connections.length).toBe(6)
})

it('nobody there is an error; so is a request that is given up, and nothing is received any more', async () => {
  const port = await listening(createPlain())
  await new Promise(resolve => servers.pop()?.close(resolve))
  const into = new Uint8Array(4 * MIB)
  await expect(client.send({ method: 'GET', url: new URL(`http://127.0.0.1:${port}/`), into })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  const halting = createServer((_, response) => {
    response.writeHead(200, { 'content-length': large.length })
    response.write(large.subarray(0, MIB))
  })
  const url = new URL(`http://127.0.0.1:${await listening(halting)}/`)
  const control = new AbortController()
  const given = client.send({ method: 'GET', url, into, signal: control.signal })
  const [, response] = await once(halting, 'request')
  control.abort(new Error('given up'))
  await expect(given).rejects.toThrow('given up')
  into.fill(0)
  await once(response, 'close')
  expect(into.every(byte => byte === 0)).toBe(true)
  await expect(client.send({ method: 'GET', url, into, signal: control.signal })).rejects.toThrow('given up')
})

it('no header holds another line', async () => {
  await expect(client.send({ method: 'GET', url: new URL('http://127.0.0.1:1/'), headers: { a: 'b\r\nc: d' }, into: new Uint8Array(1) })).rejects.toMatchObject(
    {
      code: 'ERR_INVALID_CHAR',
    },
  )
})

it('the same over TLS, where the certificate is trusted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-straight-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost']
  execFileSync('openssl', ['req', ...options, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const port = await listening(createTls({ key: readFileSync(key), cert: readFileSync(certificate) }, answerLarge))
  rmSync(folder, { recursive: true })
  const url = new URL(`https://127.0.0.1:${port}/x`)
  const into = new Uint8Array(4 * MIB)
  await expect(client.send({ method: 'GET', url, into })).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  try {
    for (let turn = 0; turn < 3; turn++) {
      const answer = await client.send({ method: 'GET', url, into })
      expect([answer.status, answer.body.buffer === into.buffer, answer.body.equals(large)]).toEqual([206, true, true])
      into.fill(0)
    }
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  }
  expect(connections.length).toBe(2)
})
