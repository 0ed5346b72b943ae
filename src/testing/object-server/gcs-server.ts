import { createHash, randomBytes } from 'node:crypto'
import { type Answer, answer, type Exchange, type Operation, parseRange } from './exchange.js'
import type { Permission } from './s3-server.js'
import { ObjectService, type ServiceOptions } from './service.js'

export interface GcsServerOptions extends ServiceOptions {
  buckets?: readonly string[]
  /** Tokens that are taken; where missing, those that this server gave out itself. */
  tokens?: readonly string[]
  denied?: readonly Permission[]
  /** More writes to one object within a second are answered 429. */
  writesPerSecond?: number
}

interface Stored {
  body: Buffer
  generation: number
  updatedMs: number
  metadata: Record<string, string>
}

interface Metadata {
  name: string
  md5Hash?: string
  metadata?: Record<string, string>
}

interface Session {
  bucket: Map<string, Stored>
  about: Metadata
  condition: string | null
  length: number
  received: Buffer[]
  done: Answer | undefined
}

const NEEDS: Record<string, Permission> = {
  GetObject: 'read',
  HeadObject: 'read',
  PutObject: 'write',
  BeginUpload: 'write',
  DeleteObject: 'delete',
  ListObjects: 'list',
}
const KNOWN_QUERY = new Set(['alt', 'fields', 'prefix', 'pageToken', 'maxResults', 'uploadType', 'upload_id', 'ifGenerationMatch', 'ifGenerationNotMatch'])
const PIECE_UNIT = 256 * 1024

/**
 * A strict server of the JSON API of Google Cloud Storage in this process, with honest preconditions on generations and faults. It gives out tokens as
 * the metadata server of an instance and as an exchange of workload identity do, so that Google's own library can be used against it.
 */
export class GcsServer extends ObjectService {
  readonly buckets = new Map<string, Map<string, Stored>>()
  options: GcsServerOptions
  /** Tokens that it gave out. */
  readonly given = new Set<string>()
  readonly #sessions = new Map<string, Session>()
  readonly #writes = new Map<string, number[]>()
  #generation = Date.now() * 1000

  constructor(options: GcsServerOptions = {}) {
    super(options)
    this.options = options
    for (const name of options.buckets ?? ['bucket']) this.buckets.set(name, new Map())
  }

  protected operation({ method, rawPath, query }: Exchange): Operation {
    const key = objectOf(rawPath)
    if (rawPath === '/v1/token' || rawPath.startsWith('/computeMetadata/')) return { name: 'Token', key: '' }
    if (rawPath.startsWith('/upload/')) {
      const name = query.get('uploadType') === 'multipart' ? 'PutObject' : query.has('upload_id') ? 'UploadPart' : 'BeginUpload'
      return { name, key: '' }
    }
    if (key === '') return { name: method === 'GET' ? 'ListObjects' : 'Unknown', key }
    if (method === 'GET') return { name: query.get('alt') === 'media' ? 'GetObject' : 'HeadObject', key }
    return { name: method === 'DELETE' ? 'DeleteObject' : 'Unknown', key }
  }

  protected failure(status: number): Answer {
    const reasons: Record<number, string> = { 403: 'forbidden', 409: 'conflict', 412: 'conditionNotMet', 503: 'backendError' }
    return gcsError(status, reasons[status] ?? 'internalError')
  }

  protected apply(exchange: Exchange, { name, key }: Operation): Answer {
    if (name === 'Token') return this.#token(exchange)
    const token = /^Bearer (.+)$/.exec(exchange.headers.authorization ?? '')?.[1] ?? ''
    if (!(this.options.tokens?.includes(token) ?? this.given.has(token))) return gcsError(401, 'authError', `Invalid Credentials ${token}`)
    for (const known of exchange.query.keys()) if (!KNOWN_QUERY.has(known)) return gcsError(400, 'invalidParameter')
    const session = this.#sessions.get(exchange.query.get('upload_id') ?? '')
    if (name === 'UploadPart') return session === undefined ? gcsError(404, 'notFound', 'No such upload') : this.#piece(session, exchange)
    const bucket = this.buckets.get(bucketOf(exchange.rawPath))
    if (bucket === undefined) return gcsError(404, 'notFound', 'The specified bucket does not exist.')
    const needs = NEEDS[name]
    if (needs !== undefined && this.options.denied?.includes(needs) === true) return gcsError(403, 'forbidden')
    return this.#run(bucket, exchange, name, key)
  }

  #token({ rawPath, headers, body }: Exchange): Answer {
    const isMetadata = rawPath.startsWith('/computeMetadata/')
    if (isMetadata && headers['metadata-flavor'] !== 'Google') return answer(403)
    if (isMetadata && !rawPath.endsWith('/token')) return answer(200, { 'metadata-flavor': 'Google', 'content-type': 'text/plain' }, 'x')
    if (!isMetadata && !body.toString().includes('subject_token=')) return gcsError(400, 'invalid')
    const token = randomBytes(12).toString('hex')
    this.given.add(token)
    const value = { access_token: token, expires_in: 3600, token_type: 'Bearer', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
    return answer(200, { 'content-type': 'application/json', ...(isMetadata && { 'metadata-flavor': 'Google' }) }, JSON.stringify(value))
  }

  #run(bucket: Map<string, Stored>, exchange: Exchange, name: string, key: string): Answer {
    const { query } = exchange
    if (name === 'ListObjects') return listed(bucket, query)
    if (name === 'PutObject') return this.#putMultipart(bucket, exchange)
    if (name === 'BeginUpload') return this.#begin(bucket, exchange)
    const found = bucket.get(key)
    if (name !== 'GetObject' && name !== 'HeadObject' && name !== 'DeleteObject') return gcsError(501, 'notImplemented')
    if (found === undefined) return name === 'GetObject' ? answer(404, {}, `No such object: ${key}`) : gcsError(404, 'notFound', `No such object: ${key}`)
    if (name === 'HeadObject') return json(resource(key, found))
    if (name === 'GetObject') return media(found, exchange)
    bucket.delete(key)
    return answer(204)
  }

  #putMultipart(bucket: Map<string, Stored>, { headers, body, query }: Exchange): Answer {
    const boundary = /^multipart\/related; boundary=([\w-]+)$/.exec(headers['content-type'] ?? '')?.[1]
    const parts = boundary === undefined ? [] : splitParts(body, boundary)
    if (parts.length !== 2) return gcsError(400, 'badContent')
    return this.#store(bucket, JSON.parse(parts[0].toString()) as Metadata, parts[1], query.get('ifGenerationMatch'))
  }

  #store(bucket: Map<string, Stored>, about: Metadata, body: Buffer, condition: string | null): Answer {
    const before = bucket.get(about.name)
    if (this.#tooOften(about.name)) return gcsError(429, 'rateLimitExceeded')
    if (condition !== null && Number(condition) !== (before?.generation ?? 0)) return gcsError(412, 'conditionNotMet')
    if (about.md5Hash !== undefined && about.md5Hash !== createHash('md5').update(body).digest('base64')) return gcsError(400, 'invalid')
    const stored = { body, generation: ++this.#generation, updatedMs: this.nowMs(), metadata: about.metadata ?? {} }
    bucket.set(about.name, stored)
    return json(resource(about.name, stored))
  }

  #tooOften(name: string): boolean {
    const { writesPerSecond } = this.options
    if (writesPerSecond === undefined) return false
    const recent = (this.#writes.get(name) ?? []).filter(at => at > Date.now() - 1000)
    if (recent.length >= writesPerSecond) return true
    this.#writes.set(name, [...recent, Date.now()])
    return false
  }

  #begin(bucket: Map<string, Stored>, { body, headers, query }: Exchange): Answer {
    const id = randomBytes(8).toString('hex')
    const about = JSON.parse(body.toString()) as Metadata
    const condition = query.get('ifGenerationMatch')
    if (condition !== null && Number(condition) !== (bucket.get(about.name)?.generation ?? 0)) return gcsError(412, 'conditionNotMet')
    this.#sessions.set(id, { bucket, about, condition, length: Number(headers['x-upload-content-length']), received: [], done: undefined })
    return answer(200, { location: `${this.endpoint}/upload/storage/v1/b/x/o?uploadType=resumable&upload_id=${id}` })
  }

  #piece(session: Session, { headers, body }: Exchange): Answer {
    if (session.done !== undefined) return session.done
    const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+)$/.exec(String(headers['content-range']))
    if (match === null || Number(match[3]) !== session.length) return gcsError(400, 'badRequest')
    const have = session.received.reduce((sum, piece) => sum + piece.length, 0)
    if (match[1] !== undefined) {
      const isLast = Number(match[2]) + 1 === session.length
      if (Number(match[1]) !== have || body.length !== Number(match[2]) + 1 - have || (!isLast && body.length % PIECE_UNIT !== 0))
        return gcsError(400, 'badRequest')
      session.received.push(body)
    }
    const now = have + body.length
    if (now < session.length) return answer(308, now === 0 ? {} : { range: `bytes=0-${now - 1}` })
    session.done = this.#store(session.bucket, session.about, Buffer.concat(session.received), session.condition)
    return session.done
  }
}

function media(found: Stored, { headers, query }: Exchange): Answer {
  const about = { 'x-goog-generation': String(found.generation), 'content-type': 'application/octet-stream' }
  if (query.get('ifGenerationNotMatch') === String(found.generation)) return answer(304, about)
  const range = parseRange(headers.range, found.body.length)
  if (range === 'unsatisfiable') return answer(416, about)
  if (range === undefined) return answer(200, about, found.body)
  return answer(206, { ...about, 'content-range': `bytes ${range.from}-${range.to - 1}/${found.body.length}` }, found.body.subarray(range.from, range.to))
}

function listed(bucket: Map<string, Stored>, query: URLSearchParams): Answer {
  const prefix = query.get('prefix') ?? ''
  const after = Buffer.from(query.get('pageToken') ?? '', 'base64url').toString()
  const count = Math.min(Number(query.get('maxResults') ?? 1000), 1000)
  const keys = [...bucket.keys()].filter(key => key.startsWith(prefix) && key > after).sort()
  const page = keys.slice(0, count)
  const items = page.map(key => resource(key, bucket.get(key) as Stored))
  return json({
    ...(items.length > 0 && { items }),
    ...(keys.length > page.length && { nextPageToken: Buffer.from(page[page.length - 1]).toString('base64url') }),
  })
}

function resource(name: string, { body, generation, updatedMs, metadata }: Stored): object {
  return { name, size: String(body.length), generation: String(generation), updated: new Date(updatedMs).toISOString(), metadata }
}

function splitParts(body: Buffer, boundary: string): Buffer[] {
  const parts: Buffer[] = []
  const mark = `--${boundary}`
  let at = body.indexOf(mark)
  while (at >= 0) {
    const from = body.indexOf('\r\n\r\n', at)
    const next = body.indexOf(`\r\n${mark}`, at + mark.length)
    if (from < 0 || next < 0) break
    parts.push(body.subarray(from + 4, next))
    at = next + 2
  }
  return parts
}

function bucketOf(path: string): string {
  return /\/b\/([^/]+)/.exec(path)?.[1] ?? ''
}

function objectOf(path: string): string {
  return decodeURIComponent(/\/o\/(.+)$/.exec(path)?.[1] ?? '')
}

function json(value: object): Answer {
  return answer(200, { 'content-type': 'application/json' }, JSON.stringify(value))
}

function gcsError(status: number, reason: string, message = reason): Answer {
  return answer(status, { 'content-type': 'application/json' }, JSON.stringify({ error: { code: status, message, errors: [{ reason, message }] } }))
}
