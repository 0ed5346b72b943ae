import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { limits } from '../../sys/index.js'
import { askPerson } from './ask.js'
import { ApprovalQueue, type Question } from './queue.js'
import { callWebhook, signatureOf } from './webhook.js'

let home: string
let queue: ApprovalQueue

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-approvals-'))
  queue = new ApprovalQueue(home)
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(home, { recursive: true, force: true })
})

const question: Question = { volume: 'w', command: 'npm install x', cwd: '/', actor: 'robot', reason: 'A person looks.', asks: [] }
const yes = { approved: true, by: 'ann', atMs: 1 }
const no = { approved: false, by: 'ann', atMs: 1, reason: 'not today' }

/** The question that waits, when it does. */
async function waiting(): Promise<string> {
  return vi.waitFor(
    () => {
      const [first] = queue.list()
      expect(first).toBeDefined()
      return first.id
    },
    { timeout: 200_000 },
  )
}

describe('a question', () => {
  it('waits until it is answered, by whoever is first', async () => {
    const asked = askPerson(home, question)
    const id = await waiting()
    expect(queue.get(id)).toMatchObject({ ...question, state: 'pending' })
    expect(queue.answer(id, no).state).toBe('denied')
    expect(await asked).toEqual(no)
    expect(() => queue.answer(id, yes)).toThrow(
      expect.objectContaining({ code: 'ERR_APPROVAL_ANSWERED', message: `The request ${id} is denied already by ann.` }),
    )
    expect(queue.list()).toEqual([])
    expect(queue.list(true)).toHaveLength(1)
  })

  it.each(['ask-0000000000', 'x', '../../etc/passwd', ''])('that nobody asked is unknown: %j', id => {
    expect(() => queue.answer(id, yes)).toThrow(expect.objectContaining({ code: 'ERR_APPROVAL_UNKNOWN' }))
  })

  it('that nobody answers is denied, and too late is too late', async () => {
    const answer = await askPerson(home, question, { timeoutMs: 30 })
    expect(answer).toMatchObject({ approved: false, by: '', reason: expect.stringContaining('Nobody answered') })
    const [{ id }] = queue.list(true)
    expect(() => queue.answer(id, yes)).toThrow(expect.objectContaining({ code: 'ERR_APPROVAL_ANSWERED', message: `The request ${id} is expired already.` }))
  })

  it('outlives who asked; its answer is for who asks the same next, once', async () => {
    const lost = new AbortController()
    const asked = askPerson(home, question, { signal: lost.signal })
    const id = await waiting()
    lost.abort(new Error('gone'))
    await expect(asked).rejects.toThrow('gone')
    expect(queue.list().map(one => one.id)).toEqual([id])
    queue.answer(id, yes)
    expect(await askPerson(home, question)).toEqual(yes)
    const again = askPerson(home, question)
    const second = await waiting()
    expect(second).not.toBe(id)
    queue.answer(second, no)
    expect(await again).toEqual(no)
  })

  it('that was asked before by somebody who is lost is asked again when that time is over', async () => {
    queue.ask(question, 50)
    const asked = askPerson(home, question, { timeoutMs: 60_000 })
    const second = await vi.waitFor(
      () => {
        const [now, ...others] = queue.list().filter(one => one.untilMs - one.askedMs > 50)
        expect([now, others]).toEqual([expect.anything(), []])
        return now.id
      },
      { timeout: 60_000 },
    )
    queue.answer(second, yes)
    expect(await asked).toEqual(yes)
  })

  it('is another one where it would run otherwise, and values of variables are kept by nobody', () => {
    const first = queue.ask(question, 60_000)
    const free = queue.ask({ ...question, how: { sandbox: 'none' } }, 60_000)
    const how = { env: ['TOKEN'] }
    const one = queue.ask({ ...question, how }, 60_000, '{"TOKEN":"a secret"}')
    const two = queue.ask({ ...question, how }, 60_000, '{"TOKEN":"another"}')
    expect(new Set([first, free, one, two].map(({ id }) => id)).size).toBe(4)
    expect(queue.ask({ ...question, how }, 60_000, '{"TOKEN":"a secret"}').id).toBe(one.id)
    const kept = readdirSync(join(home, 'approvals')).map(name => readFileSync(join(home, 'approvals', name), 'utf8'))
    expect(kept.join()).not.toContain('secret')
    expect(JSON.stringify(queue.list())).not.toMatch(/salt|hash/)
  })

  it('is not one with another: neither waits for the other’s answer', async () => {
    const first = queue.ask(question, 60_000)
    expect(queue.ask({ ...question, actor: 'other' }, 60_000).id).not.toBe(first.id)
    expect(queue.ask({ ...question, cwd: '/x' }, 60_000).id).not.toBe(first.id)
    expect(queue.ask(question, 60_000).id).toBe(first.id)
  })

  it('that two ask at once is answered for one of them', async () => {
    const both = [askPerson(home, question), askPerson(home, question)]
    queue.answer(await waiting(), yes)
    const second = await waiting()
    queue.answer(second, no)
    expect((await Promise.all(both)).map(answer => answer.approved).sort()).toEqual([false, true])
  })

  it('is of the owner of the home alone', () => {
    queue.ask(question, 60_000)
    const folder = join(home, 'approvals')
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
  })

  it('is forgotten a week after it is over', () => {
    const old = queue.ask(question, 0)
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + limits.approvalKeptMs + 1000)
    const fresh = queue.ask(question, 60_000)
    vi.restoreAllMocks()
    expect(queue.list(true).map(one => one.id)).toEqual([fresh.id])
    expect(fresh.id).not.toBe(old.id)
  })

  it('that was torn by a full disk shows nowhere', () => {
    queue.ask(question, 60_000)
    writeFileSync(join(home, 'approvals', 'ask-1111111111.json.0123456789ab'), '{"id"')
    writeFileSync(join(home, 'approvals', 'ask-2222222222.json'), '')
    expect(queue.list(true)).toHaveLength(1)
    queue.ask({ ...question, cwd: '/x' }, 60_000)
    expect(() => queue.get('ask-2222222222')).toThrow(expect.objectContaining({ code: 'ERR_APPROVAL_UNKNOWN' }))
  })
})

describe('a callback', () => {
  it.each([
    [() => true, { approved: true, by: 'callback' }],
    [async () => ({ approved: false, reason: 'no' }), { approved: false, by: 'callback', reason: 'no' }],
    [
      () => {
        throw new Error('broken')
      },
      { approved: false, reason: 'The callback failed: broken' },
    ],
  ])('answers (%#)', async (onAsk, expected) => {
    expect(await askPerson(home, question, { onAsk })).toMatchObject(expected)
  })

  it.each(['yes', null, {}, { approved: 'false' }, { approved: 1 }, 0])('says no with what is no answer: %j', async reply => {
    const answer = await askPerson(home, question, { onAsk: () => reply as unknown as boolean })
    expect(answer).toMatchObject({ approved: false, reason: 'The callback failed: it answered neither true nor false.' })
  })

  it('that never answers is denied at its time', async () => {
    expect(await askPerson(home, question, { onAsk: () => new Promise(() => undefined), timeoutMs: 30 })).toMatchObject({ approved: false, by: '' })
  })

  it('may say it for always; where no rule can say that, others are left to answer', async () => {
    const answer = vi.fn(async () => {
      throw new Error('No rule can say what runs.')
    })
    const asked = askPerson(home, question, { onAsk: () => ({ approved: true, always: true }), answer, timeoutMs: 300 })
    expect(await asked).toMatchObject({ approved: false, reason: expect.stringContaining('callback said yes for always: No rule can say what runs.') })
    expect(answer).toHaveBeenCalledWith(expect.any(String), { approved: true, always: true, by: 'callback' })
  })

  it('that says nothing leaves it to others', async () => {
    const asked = askPerson(home, question, { onAsk: () => undefined })
    queue.answer(await waiting(), yes)
    expect(await asked).toEqual(yes)
  })
})

describe('a webhook', () => {
  let server: Server
  let url: string
  let reply: (body: string, headers: Record<string, unknown>) => { status: number; body: string; headers?: Record<string, string> }
  const received: { body: string; headers: Record<string, unknown> }[] = []

  beforeEach(async () => {
    received.length = 0
    server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request) body += part
      received.push({ body, headers: request.headers })
      const answer = reply(body, request.headers)
      response.writeHead(answer.status, answer.headers).end(answer.body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`
  })

  afterEach(() => new Promise(resolve => server.close(resolve)))

  const signed = (body: string, id: string, key = 'key', at = Date.now()) => ({
    'x-cairn-timestamp': String(at),
    'x-cairn-signature': signatureOf(key, `${at}.${id}`, body),
  })

  it('is sent the question, signed, and answers it with a signature', async () => {
    reply = body => {
      const text = JSON.stringify({ approved: true, by: 'ops', reason: 'fine' })
      return { status: 200, body: text, headers: signed(text, JSON.parse(body).id) }
    }
    expect(await askPerson(home, question, { webhook: url, webhookKey: 'key' })).toMatchObject({ approved: true, by: 'ops', reason: 'fine' })
    const [{ body, headers }] = received
    expect(JSON.parse(body)).toMatchObject({ type: 'cairn.approval', command: 'npm install x', state: 'pending' })
    expect(headers['x-cairn-signature']).toBe(signatureOf('key', String(headers['x-cairn-timestamp']), body))
    expect(JSON.stringify(queue.list(true))).not.toMatch(/secret-path|"key"/)
  })

  it.each([
    ['without a signature', (body: string) => ({ status: 200, body })],
    ['with the signature of another key', (body: string, id: string) => ({ status: 200, body, headers: signed(body, id, 'other') })],
    ['to another question', (body: string) => ({ status: 200, body, headers: signed(body, 'ask-0000000000') })],
    ['from long ago', (body: string, id: string) => ({ status: 200, body, headers: signed(body, id, 'key', 1) })],
    ['that is no answer', (_: string, id: string) => ({ status: 200, body: '{}', headers: signed('{}', id) })],
    ['that is none yet', (body: string, id: string) => ({ status: 202, body, headers: signed(body, id) })],
    ['that leads elsewhere', () => ({ status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } })],
    ['that is no JSON', (_: string, id: string) => ({ status: 200, body: '<html>', headers: signed('<html>', id) })],
    ['that is null', (_: string, id: string) => ({ status: 200, body: 'null', headers: signed('null', id) })],
    ['that failed', () => ({ status: 500, body: 'trouble' })],
  ])('whose answer comes %s has not answered', async (_, answer) => {
    reply = body => answer('{"approved":true}', JSON.parse(body).id)
    const approval = queue.ask(question, 60_000)
    expect(await callWebhook(url, approval, 'key', new AbortController().signal)).toEqual({ silence: expect.any(String) })
    expect(received).toHaveLength(1)
    // The same with all that it needs.
    reply = body => ({ status: 200, body: '{"approved":true}', headers: signed('{"approved":true}', JSON.parse(body).id) })
    expect(await callWebhook(url, approval, 'key', new AbortController().signal)).toEqual({ approved: true })
  })

  it('is only told where there is no key', async () => {
    reply = () => ({ status: 200, body: '{"approved":true}' })
    expect(await callWebhook(url, queue.ask(question, 60_000), undefined, new AbortController().signal)).toEqual({ silence: 'was told' })
    expect(received[0].headers['x-cairn-signature']).toBeUndefined()
  })

  it('that never answers holds nobody up: when somebody else did, its connection is let go of', async () => {
    server.removeAllListeners('request')
    const events = new EventEmitter()
    server.on('request', (_, response) => {
      response.on('close', () => events.emit('gone'))
      events.emit('asked')
    })
    const heard = once(events, 'asked')
    const gone = once(events, 'gone')
    const asked = askPerson(home, question, { webhook: url, webhookKey: 'key' })
    await heard
    queue.answer(await waiting(), yes)
    expect(await asked).toEqual(yes)
    await gone
  })

  it('that is not there leaves it to others', async () => {
    const asked = askPerson(home, question, { webhook: 'http://127.0.0.1:1/', webhookKey: 'key' })
    queue.answer(await waiting(), yes)
    expect(await asked).toEqual(yes)
  })
})
