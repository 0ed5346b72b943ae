import { type Answer, answer } from './exchange.js'
import type { S3Object } from './s3-objects.js'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, mark => `&#${mark.charCodeAt(0)};`)
}

export function xml(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return answer(status, { 'content-type': 'application/xml', ...headers }, HEAD + body)
}

const STATUS: Record<string, number> = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  ConditionalRequestConflict: 409,
  EntityTooSmall: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidPart: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidToken: 400,
  MalformedXML: 400,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  PermanentRedirect: 301,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  XAmzContentSHA256Mismatch: 400,
}

/** An error as S3 words it; `extra` are further elements. */
export function s3Error(code: string, extra = '', headers: Record<string, string> = {}): Answer {
  return xml(STATUS[code] ?? 500, `<Error><Code>${code}</Code><Message>${code} of the test server</Message>${extra}<RequestId>T</RequestId></Error>`, headers)
}

export interface Listing {
  bucket: string
  prefix: string
  maxKeys: number
  found: ReadonlyArray<readonly [key: string, object: S3Object]>
  /** Continuation token, where there is more. */
  next: string | undefined
}

export function listXml({ bucket, prefix, maxKeys, found, next }: Listing): Answer {
  const contents = found.map(
    ([key, object]) =>
      `<Contents><Key>${escapeXml(key)}</Key><LastModified>${new Date(object.modifiedMs).toISOString()}</LastModified><ETag>${escapeXml(object.etag)}</ETag><Size>${object.body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  )
  const more = next === undefined ? '' : `<NextContinuationToken>${escapeXml(next)}</NextContinuationToken>`
  return xml(
    200,
    `<ListBucketResult ${NAMESPACE}><Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix><KeyCount>${found.length}</KeyCount><MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${next !== undefined}</IsTruncated>${more}${contents.join('')}</ListBucketResult>`,
  )
}

export function elements(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, 'g'))].map(match => match[1])
}

export function unescapeXml(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
}
