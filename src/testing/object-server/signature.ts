import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Exchange } from './exchange.js'

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** Clocks may differ by this much. */
const SKEW_MS = 15 * 60 * 1000

/** The S3 error code of a request that is not rightly signed (Signature Version 4, in the header); undefined for one that is. */
export function signatureProblem(exchange: Exchange, known: readonly Credentials[], region: string, nowMs: number): string | undefined {
  const { headers } = exchange
  const given = parseAuthorization(headers.authorization)
  if (given === undefined) return 'AccessDenied'
  const credentials = known.find(one => one.accessKeyId === given.accessKeyId)
  if (credentials === undefined) return 'InvalidAccessKeyId'
  if ((headers['x-amz-security-token'] ?? '') !== (credentials.sessionToken ?? '')) return 'InvalidToken'
  const date = String(headers['x-amz-date'] ?? '')
  const at = parseDate(date)
  if (at === undefined || date.slice(0, 8) !== given.day) return 'AuthorizationHeaderMalformed'
  if (Math.abs(at - nowMs) > SKEW_MS) return 'RequestTimeTooSkewed'
  if (given.region !== region) return 'AuthorizationHeaderMalformed'
  if (given.service !== 's3' || !given.signed.includes('host') || !given.signed.includes('x-amz-date')) return 'AuthorizationHeaderMalformed'
  return payloadProblem(exchange) ?? (isRight(exchange, given, credentials, date) ? undefined : 'SignatureDoesNotMatch')
}

interface Authorization {
  accessKeyId: string
  day: string
  region: string
  service: string
  signed: string[]
  signature: string
}

function parseAuthorization(text: string | undefined): Authorization | undefined {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
    text ?? '',
  )
  if (match === null) return undefined
  const [, accessKeyId, day, region, service, signed, signature] = match
  return { accessKeyId, day, region, service, signed: signed.split(';'), signature }
}

function parseDate(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

function payloadProblem({ headers, body }: Exchange): string | undefined {
  const hash = headers['x-amz-content-sha256']
  if (hash === undefined) return 'InvalidRequest'
  if (hash === 'UNSIGNED-PAYLOAD') return undefined
  return hash === createHash('sha256').update(body).digest('hex') ? undefined : 'XAmzContentSHA256Mismatch'
}

function isRight(exchange: Exchange, given: Authorization, { secretAccessKey }: Credentials, date: string): boolean {
  const { method, rawPath, headers } = exchange
  const lines = given.signed.map(
    name =>
      `${name}:${String(headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  )
  const canonical = [method, rawPath, canonicalQuery(exchange.rawQuery), lines.join(''), given.signed.join(';'), headers['x-amz-content-sha256']].join('\n')
  const scope = `${given.day}/${given.region}/${given.service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = [given.day, given.region, given.service, 'aws4_request'].reduce<Buffer>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  )
  return timingSafeEqual(hmac(key, text), Buffer.from(given.signature, 'hex'))
}

function canonicalQuery(raw: string): string {
  if (raw === '') return ''
  const pairs = raw.split('&').map(pair => (pair.includes('=') ? pair : `${pair}=`))
  return pairs.sort().join('&')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
