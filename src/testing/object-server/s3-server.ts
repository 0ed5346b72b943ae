import { createHash } from 'node:crypto'
import { type Answer, answer, type Exchange, type Operation, parseRange } from './exchange.js'
import { Body, Bucket, bare, md5Tag, type S3Object } from './s3-objects.js'
import { elements, escapeXml, listXml, s3Error, unescapeXml, xml } from './s3-xml.js'
import { ObjectService, type ServiceOptions } from './service.js'
import { type Credentials, signatureProblem } from './signature.js'

export type Permission = 'read' | 'write' | 'list' | 'delete'

export interface S3ServerOptions extends ServiceOptions {
  region?: string
  buckets?: readonly string[]
  /** Who may use it; everyone who signs with one of these. */
  credentials?: readonly Credentials[]
  /** Access keys of sessions that are over. */
  expired?: readonly string[]
  /** How `If-Match` wants its etag: as it was given, or without the quotes, as Ceph does. */
  quotes?: 'any' | 'quoted' | 'unquoted'
  /** What nobody may do. */
  denied?: readonly Permission[]
  /** Conditions of writes that it does not look at, as a server that lies. */
  ignores?: ReadonlyArray<'ifNoneMatch' | 'ifMatch'>
  /** Listings do not show the last so many puts, as a server that lists what was. */
  staleListings?: number
  /** Forgets `x-amz-meta-…`. */
  dropsMetadata?: boolean
  /** `If-Match` for a key that is not there: 404 as AWS, 412 as Ceph. */
  missingMatch?: 404 | 412
  /** More writes to one key within a second are answered 503. */
  writesPerSecond?: number
}

export const TEST_CREDENTIALS: Credentials = { accessKeyId: 'AKIATESTTESTTESTTEST', secretAccessKey: 'test/secret+of/the+test/server' }

/** What each operation needs, by name. */
const NEEDS: Record<string, Permission> = {
  GetObject: 'read',
  HeadObject: 'read',
  PutObject: 'write',
  CreateMultipartUpload: 'write',
  UploadPart: 'write',
  CompleteMultipartUpload: 'write',
  AbortMultipartUpload: 'write',
  DeleteObject: 'delete',
  ListObjectsV2: 'list',
}

/** Queries that an operation may carry; anything else is refused, so that nothing is overlooked. */
const KNOWN_QUERY = new Set(['x-id', 'list-type', 'prefix', 'continuation-token', 'start-after', 'max-keys', 'uploads', 'uploadId', 'partNumber', 'delete'])
const SMALLEST_PART = 5 * 1024 * 1024

/**
 * A strict S3 server in this process: path style, honest conditional writes, Signature Version 4 checked to the byte, and faults.
 * It keeps everything in memory and knows the operations that Cairn uses; others are 501.
 */
export class S3Server extends ObjectService {
  readonly buckets = new Map<string, Bucket>()
  readonly region: string
  options: S3ServerOptions
  readonly #recent: string[] = []
  readonly #writes = new Map<string, number[]>()

  constructor(options: S3ServerOptions = {}) {
    super(options)
    this.options = options
    this.region = options.region ?? 'us-east-1'
    for (const name of options.buckets ?? ['bucket']) this.buckets.set(name, new Bucket())
  }

  protected operation({ method, rawPath, query }: Exchange): Operation {
    const [, , key] = splitPath(rawPath)
    return { name: key === '' ? bucketOperation(method, query) : objectOperation(method, query), key }
  }

  protected failure(status: number): Answer {
    const codes: Record<number, string> = { 403: 'AccessDenied', 409: 'ConditionalRequestConflict', 412: 'PreconditionFailed', 503: 'SlowDown' }
    return s3Error(codes[status] ?? 'InternalError')
  }

  protected apply(exchange: Exchange, operation: Operation): Answer {
    const { credentials = [TEST_CREDENTIALS], expired = [] } = this.options
    if (expired.some(id => exchange.headers.authorization?.includes(`Credential=${id}/`) === true)) return this.#unsigned('ExpiredToken', exchange)
    const problem = signatureProblem(exchange, credentials, this.region, this.nowMs())
    if (problem !== undefined) return this.#unsigned(problem, exchange)
    for (const name of exchange.query.keys()) if (!KNOWN_QUERY.has(name)) return s3Error('NotImplemented', `<Header>${escapeXml(name)}</Header>`)
    const [, name] = splitPath(exchange.rawPath)
    if (operation.name === 'CreateBucket') return this.#createBucket(name)
    const bucket = this.buckets.get(name)
    if (bucket === undefined) return s3Error('NoSuchBucket')
    const needs = NEEDS[operation.name]
    if (needs !== undefined && this.options.denied?.includes(needs) === true) return s3Error('AccessDenied')
    return this.#run(bucket, name, exchange, operation)
  }

  #unsigned(problem: string, { headers }: Exchange): Answer {
    const region = `<Region>${this.region}</Region>`
    // As AWS does, which is where a secret would come from into messages that repeat an answer.
    const seen = `<AWSAccessKeyId>${escapeXml(String(headers.authorization))}</AWSAccessKeyId><StringToSign>${escapeXml(JSON.stringify(headers))}</StringToSign>`
    return s3Error(problem, problem === 'AuthorizationHeaderMalformed' ? region : seen, { 'x-amz-bucket-region': this.region })
  }

  #createBucket(name: string): Answer {
    if (this.buckets.has(name)) return s3Error('BucketAlreadyOwnedByYou')
    this.buckets.set(name, new Bucket())
    return answer(200, { location: `/${name}` })
  }

  #run(bucket: Bucket, name: string, exchange: Exchange, { name: operation, key }: Operation): Answer {
    switch (operation) {
      case 'HeadBucket':
        return answer(200, { 'x-amz-bucket-region': this.region })
      case 'ListObjectsV2':
        return this.#list(bucket, name, exchange)
      case 'DeleteObjects':
        return this.#deleteMany(bucket, exchange)
      case 'GetObject':
      case 'HeadObject':
        return this.#get(bucket, key, exchange)
      case 'PutObject':
        return this.#put(bucket, key, exchange)
      case 'DeleteObject':
        bucket.delete(key)
        return answer(204)
      case 'CreateMultipartUpload': {
        const id = bucket.begin(key, this.#metadata(exchange))
        return xml(
          200,
          `<InitiateMultipartUploadResult><Bucket>${name}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
        )
      }
      case 'UploadPart':
        return this.#uploadPart(bucket, exchange)
      case 'CompleteMultipartUpload':
        return this.#complete(bucket, key, exchange)
      case 'AbortMultipartUpload':
        return bucket.uploads.delete(exchange.query.get('uploadId') ?? '') ? answer(204) : s3Error('NoSuchUpload')
      default:
        return s3Error('NotImplemented')
    }
  }

  #list(bucket: Bucket, name: string, { query }: Exchange): Answer {
    const prefix = query.get('prefix') ?? ''
    const maxKeys = Math.min(Number(query.get('max-keys') ?? 1000), 1000)
    const token = query.get('continuation-token')
    const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString()
    const { keys, more } = bucket.list(prefix, after, maxKeys)
    const hidden = new Set(this.options.staleListings === undefined ? [] : this.#recent.slice(-this.options.staleListings))
    const found = keys.filter(key => !hidden.has(key)).map(key => [key, bucket.objects.get(key) as S3Object] as const)
    const next = more ? Buffer.from(keys[keys.length - 1]).toString('base64url') : undefined
    return listXml({ bucket: name, prefix, maxKeys, found, next })
  }

  #get(bucket: Bucket, key: string, { method, headers }: Exchange): Answer {
    const object = bucket.objects.get(key)
    // Whoever may not list is not told what is missing.
    if (object === undefined) return s3Error(this.options.denied?.includes('list') === true ? 'AccessDenied' : 'NoSuchKey')
    const about = this.#about(object)
    if (headers['if-none-match'] !== undefined && bare(headers['if-none-match']) === bare(object.etag)) return answer(304, about)
    if (method === 'HEAD') return answer(200, { ...about, 'content-length': String(object.body.length) })
    const range = parseRange(headers.range, object.body.length)
    if (range === 'unsatisfiable') return s3Error('InvalidRange')
    if (range === undefined) return answer(200, about, object.body.slice())
    return answer(206, { ...about, 'content-range': `bytes ${range.from}-${range.to - 1}/${object.body.length}` }, object.body.slice(range.from, range.to))
  }

  #about(object: S3Object): Record<string, string> {
    const metadata = Object.fromEntries(Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]))
    return { etag: object.etag, 'last-modified': new Date(object.modifiedMs).toUTCString(), 'content-type': 'binary/octet-stream', ...metadata }
  }

  #put(bucket: Bucket, key: string, exchange: Exchange): Answer {
    const { headers, body } = exchange
    if (headers['content-length'] === undefined) return s3Error('MissingContentLength')
    if (headers['transfer-encoding'] !== undefined || headers['content-encoding'] !== undefined) return s3Error('NotImplemented')
    const refusal = this.#tooOften(key) ?? this.#refusal(bucket.objects.get(key), headers)
    if (refusal !== undefined) return refusal
    if (this.options.staleListings !== undefined) this.#recent.push(key)
    const { etag } = bucket.put(key, new Body([body]), this.#metadata(exchange), this.nowMs())
    return answer(200, { etag })
  }

  #tooOften(key: string): Answer | undefined {
    const { writesPerSecond } = this.options
    if (writesPerSecond === undefined) return undefined
    const now = Date.now()
    const recent = (this.#writes.get(key) ?? []).filter(at => at > now - 1000)
    if (recent.length < writesPerSecond) recent.push(now)
    else return s3Error('SlowDown')
    this.#writes.set(key, recent)
    return undefined
  }

  /** Why a conditional write is not made. */
  #refusal(object: S3Object | undefined, headers: Exchange['headers']): Answer | undefined {
    const { ignores = [], missingMatch = 404 } = this.options
    const none = headers['if-none-match']
    if (none !== undefined && none !== '*') return s3Error('NotImplemented')
    if (none !== undefined && object !== undefined && !ignores.includes('ifNoneMatch')) return s3Error('PreconditionFailed')
    const match = headers['if-match']
    if (match === undefined || ignores.includes('ifMatch')) return undefined
    if (object === undefined) return s3Error(missingMatch === 404 ? 'NoSuchKey' : 'PreconditionFailed')
    return this.#matches(match, object.etag) ? undefined : s3Error('PreconditionFailed')
  }

  #matches(given: string, etag: string): boolean {
    const { quotes = 'quoted' } = this.options
    if (quotes === 'any') return bare(given) === bare(etag)
    return given === (quotes === 'quoted' ? etag : bare(etag))
  }

  #metadata({ headers }: Exchange): Record<string, string> {
    if (this.options.dropsMetadata === true) return {}
    const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
    return Object.fromEntries(own.map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]))
  }

  #uploadPart(bucket: Bucket, { query, body }: Exchange): Answer {
    const upload = bucket.uploads.get(query.get('uploadId') ?? '')
    if (upload === undefined) return s3Error('NoSuchUpload')
    const number = Number(query.get('partNumber'))
    if (!Number.isInteger(number) || number < 1 || number > 10_000) return s3Error('InvalidArgument')
    const etag = md5Tag(body)
    upload.parts.set(number, { body: new Body([body]), etag, modifiedMs: 0, metadata: {} })
    return answer(200, { etag })
  }

  /** Conditions are not looked at here, as Ceph does not. */
  #complete(bucket: Bucket, key: string, { query, body }: Exchange): Answer {
    const id = query.get('uploadId') ?? ''
    const upload = bucket.uploads.get(id)
    if (upload === undefined || upload.key !== key) return s3Error('NoSuchUpload')
    const listed = elements(body.toString(), 'Part').map(part => ({
      number: Number(elements(part, 'PartNumber')[0]),
      etag: unescapeXml(elements(part, 'ETag')[0] ?? ''),
    }))
    const small = listed.slice(0, -1).some(({ number }) => (upload.parts.get(number)?.body.length ?? 0) < SMALLEST_PART)
    if (small) return s3Error('EntityTooSmall')
    const object = bucket.complete(id, listed, this.nowMs())
    if (object === undefined) return s3Error('InvalidPart')
    return xml(200, `<CompleteMultipartUploadResult><Key>${escapeXml(key)}</Key><ETag>${escapeXml(object.etag)}</ETag></CompleteMultipartUploadResult>`)
  }

  #deleteMany(bucket: Bucket, { headers, body }: Exchange): Answer {
    const checksum = headers['content-md5']
    const isProtected = checksum !== undefined || Object.keys(headers).some(name => name.startsWith('x-amz-checksum-'))
    if (!isProtected) return s3Error('InvalidRequest')
    if (checksum !== undefined && checksum !== createHash('md5').update(body).digest('base64')) return s3Error('BadDigest')
    const keys = elements(body.toString(), 'Key').map(unescapeXml)
    if (keys.length === 0 || keys.length > 1000) return s3Error('MalformedXML')
    // Refused key by key, in an answer of status 200.
    const refused = this.options.denied?.includes('delete') === true ? keys : []
    if (refused.length === 0) for (const key of keys) bucket.delete(key)
    const errors = refused.map(key => `<Error><Key>${escapeXml(key)}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
    return xml(200, `<DeleteResult>${errors.join('')}</DeleteResult>`)
  }
}

/** `['', bucket, key]`, decoded. */
function splitPath(rawPath: string): [string, string, string] {
  const [, bucket = '', ...rest] = rawPath.split('/')
  return ['', decodeURIComponent(bucket), decodeURIComponent(rest.join('/'))]
}

function bucketOperation(method: string, query: URLSearchParams): string {
  if (method === 'GET') return query.get('list-type') === '2' ? 'ListObjectsV2' : 'Unknown'
  if (method === 'POST') return query.has('delete') ? 'DeleteObjects' : 'Unknown'
  return method === 'HEAD' ? 'HeadBucket' : method === 'PUT' ? 'CreateBucket' : 'Unknown'
}

function objectOperation(method: string, query: URLSearchParams): string {
  const upload = query.has('uploadId')
  if (method === 'GET') return 'GetObject'
  if (method === 'HEAD') return 'HeadObject'
  if (method === 'PUT') return upload ? 'UploadPart' : 'PutObject'
  if (method === 'DELETE') return upload ? 'AbortMultipartUpload' : 'DeleteObject'
  if (method === 'POST') return query.has('uploads') ? 'CreateMultipartUpload' : upload ? 'CompleteMultipartUpload' : 'Unknown'
  return 'Unknown'
}
