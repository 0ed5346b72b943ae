import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CairnError, CorruptError, ENOENT, posixError } from '../errors.js'
import { limits } from '../sys/index.js'
import { fromWire, toWire } from '../sys/wire-error.js'
import { Lines } from './line-handler.js'
import { neverSent, RpcClient } from './rpc-client.js'
import { type RpcService, rpcListener } from './rpc-handler.js'

const failures: ReadonlyArray<[string, Error]> = [
  ['a POSIX error', posixError(ENOENT, 'open', '/a')],
  ['one with two paths', posixError(ENOENT, 'rename', '/a', '/b')],
  ['a CairnError', new CairnError('ERR_X', 'It is so.', 'Do that.', { retry: 'same-call', exitCode: 2 })],
  ['damage', new CorruptError('pack/1', 'checksum')],
  ["a caller's mistake", Object.assign(new TypeError('The "x" argument'), { code: 'ERR_INVALID_ARG_TYPE' })],
  ['one with a name of its own', Object.assign(new Error('Path is a directory'), { name: 'SystemError', code: 'ERR_FS_EISDIR' })],
  ['a range', Object.assign(new RangeError('The value'), { code: 'ERR_OUT_OF_RANGE' })],
]

const facts = (error: unknown): unknown => ({
  ...(error as object),
  message: (error as Error).message,
  kind: Object.getPrototypeOf(error).constructor.name,
})

describe('errors on the wire', () => {
  test.each(failures)('%s arrives as it was', (_, error) => {
    expect(facts(fromWire(JSON.parse(JSON.stringify(toWire(error)))))).toStrictEqual(facts(error))
  })

  test('what is no error becomes one', () => {
    expect(fromWire(toWire('just text')).message).toBe('just text')
  })
})

/** A service in this process that remembers its sessions. */
class Fake implements RpcService {
  readonly sessions = new Set<string>()
  later: ((value: unknown) => void) | undefined
  readonly ended: Array<(session: string) => void> = []
  hello() {
    return { version: '1' }
  }
  openSession() {
    const id = `s${this.sessions.size}`
    this.sessions.add(id)
    return id
  }
  closeSession(session: string) {
    this.sessions.delete(session)
    for (const tell of this.ended) tell(session)
  }
  async call(session: string | undefined, method: string, args: unknown[]): Promise<unknown> {
    if (method === 'fail') throw failures[args[0] as number][1]
    if (method === 'later')
      return new Promise(resolve => {
        this.later = resolve
      })
    if (method === 'wait') return new Promise(() => undefined)
    return { session, method, args }
  }
}

describe('calls over a socket', () => {
  let folder: string
  let server: Server
  let service: Fake
  let lines: Lines
  let client: RpcClient
  const connections = new Set<Socket>()
  const cut = (): void => {
    for (const connection of connections) connection.destroy()
    connections.clear()
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-rpc-'))
    service = new Fake()
    lines = new Lines(service)
    server = createServer(rpcListener(service)).on('upgrade', lines.take)
    server.on('connection', connection => connections.add(connection))
    await new Promise<void>(resolve => server.listen(join(folder, 's'), resolve))
    client = new RpcClient(join(folder, 's'))
  })

  afterEach(async () => {
    client.close()
    cut()
    await new Promise(resolve => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  test('carry arguments and results', async () => {
    const bytes = Buffer.alloc(limits.rpcChunkBytes, 7)
    const { session, args } = (await client.call('echo', [1, undefined, bytes])) as { session: string; args: [number, undefined, Buffer] }
    expect([session, args[0], args[1], args.length]).toStrictEqual(['s0', 1, undefined, 3])
    expect(bytes.equals(args[2])).toBe(true)
  })

  test.each(failures.map(([name, error], i) => [name, error, i] as const))('%s is thrown here as it was there', async (_, error, i) => {
    const thrown = await client.call('fail', [i]).catch((e: unknown) => e)
    expect(facts(thrown)).toStrictEqual(facts(error))
  })

  test('a client that ends lets the server know', async () => {
    await client.call('echo', [])
    const ended = new Promise<string>(resolve => service.ended.push(resolve))
    client.close()
    expect(await ended).toBe('s0')
  })

  test('without a server nothing was sent', async () => {
    const nobody = new RpcClient(join(folder, 'missing'))
    const error = await nobody.call('echo', []).catch((e: unknown) => e)
    expect(neverSent(error)).toBe(true)
  })

  test('a server that goes away in the middle leaves it open whether it was done', async () => {
    const call = client.call('wait', []).catch((e: unknown) => e)
    await client.call('echo', [])
    cut()
    expect(await call).toMatchObject({ code: 'ERR_SERVER_LOST', retry: 'reopen' })
  })

  test('more calls than lines take turns', async () => {
    const all = Array.from({ length: 3 * limits.rpcConnections }, (_, i) => client.call('echo', [i]))
    expect((await Promise.all(all)).map(answer => (answer as { args: unknown[] }).args[0])).toStrictEqual(all.map((_, i) => i))
    // One of them is the session's.
    expect(connections.size).toBe(limits.rpcConnections + 1)
  })

  test('a line that the server ended is not used again, and one that carries a call is not ended', async () => {
    const call = client.call('later', [])
    await Promise.all([client.call('echo', []), client.call('echo', [])])
    const idle = [...connections].filter(connection => !connection.destroyed).length
    lines.endIdle()
    await expect.poll(() => [...connections].filter(connection => !connection.destroyed).length).toBe(idle - 2)
    expect(await client.call('echo', [1])).toMatchObject({ args: [1] })
    service.later?.('done')
    expect(await call).toBe('done')
  })

  test('what is not taken as a line says so', async () => {
    server.removeAllListeners('upgrade').on('upgrade', (_, socket) => socket.end('HTTP/1.1 426 Upgrade Required\r\n\r\n'))
    await expect(client.call('echo', [])).rejects.toMatchObject({ code: 'ERR_WIRE' })
  })

  test('a call by itself needs no session', async () => {
    expect(await client.call('echo', [2], { session: false })).toMatchObject({ args: [2] })
    expect(service.sessions.size).toBe(0)
  })

  test('a request that is too large is refused', async () => {
    const error = await client.call('echo', [Buffer.alloc(limits.rpcRequestBytes + 1)]).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'ERR_TOO_LARGE' })
  })

  test.each(['GET / HTTP/1.1', 'POST /v1/rpc HTTP/1.0', 'nonsense'])('%s does not harm it', async line => {
    await new Promise<void>(resolve => {
      const raw = connect(join(folder, 's'), () => raw.end(`${line}\r\nhost: x\r\n\r\n`))
      raw.resume()
      raw.on('close', () => resolve())
      raw.on('error', () => resolve())
    })
    expect(await client.call('echo', ['still'])).toMatchObject({ args: ['still'] })
  })
})
