import { CairnError } from '../../errors.js'
import {
  type Attempted,
  busy,
  failed,
  networkCode,
  noBucket,
  noConnection,
  noCredentials,
  noRight,
  notSupported,
  otherProtocol,
  outOfSpace,
  wrongClock,
  wrongCredentials,
  wrongRegion,
} from '../remote-errors.js'

/** What a message may say of the store. */
export interface S3Place {
  description: string
  bucket: string
  /** Host of the endpoint, or AWS and the region. */
  where: string
  region: string
}

/** The parts of an error of the SDK that are looked at. */
interface SdkError {
  name?: string
  Code?: string
  Region?: string
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean }
  $response?: { headers?: Record<string, string>; statusCode?: number }
}

export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = error as SdkError
  return $metadata?.httpStatusCode ?? $response?.statusCode
}

/** The code that S3 gives, such as `NoSuchKey`; answers to HEAD have none. */
export function codeOf(error: unknown): string {
  const { name, Code } = error as SdkError
  return Code ?? name ?? ''
}

/** A web page: nothing that S3 would answer. */
export function isPage(error: unknown): boolean {
  return /^text\/html\b/i.test((error as SdkError).$response?.headers?.['content-type'] ?? '')
}

const CREDENTIALS: Record<string, string> = {
  InvalidAccessKeyId: 'it does not know the access key',
  SignatureDoesNotMatch: 'the secret does not belong to the access key',
  InvalidToken: 'the session token is not valid',
  ExpiredToken: 'the session token has expired',
  ExpiredTokenException: 'the session token has expired',
  TokenRefreshRequired: 'the session token has expired',
  InvalidClientTokenId: 'it does not know the access key',
}

/** What S3 says of credentials that it does not take, not of what they may. */
export function isCredentialsRefused(code: string): boolean {
  return CREDENTIALS[code] !== undefined
}

const MISSING_CREDENTIALS = new Set(['CredentialsProviderError', 'ProviderError', 'TokenProviderError'])
const REGION = new Set(['AuthorizationHeaderMalformed', 'PermanentRedirect', 'TemporaryRedirect', 'IllegalLocationConstraintException'])
const FULL = new Set(['QuotaExceeded', 'ServiceQuotaExceeded', 'XMinioStorageFull', 'InsufficientCapacity'])

/**
 * An error of the SDK as one sentence. Nothing of its message or of what was sent goes into it: an answer to a wrong signature repeats the headers,
 * session token included.
 */
export function translate(error: unknown, place: S3Place, attempted: Attempted): Error {
  if (error instanceof CairnError) return error
  if ((error as Error).name === 'AbortError') return error as Error
  const code = codeOf(error)
  if (MISSING_CREDENTIALS.has(code))
    return noCredentials(place.description, 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role gives them')
  const status = statusOf(error)
  if (status === undefined || networkCode(error) !== undefined) return noConnection(place.description, error)
  if (status === 200 || status === 206 || (status < 500 && isPage(error))) return withCause(otherProtocol(place.description, place.where, 'S3'), status, '')
  return withCause(byCode(error as SdkError, code, place) ?? byStatus(status, code, place, attempted), status, code)
}

function byCode(error: SdkError, code: string, place: S3Place): CairnError | undefined {
  if (code === 'NoSuchBucket') return noBucket(place.bucket, place.where)
  if (CREDENTIALS[code] !== undefined) return wrongCredentials(place.description, CREDENTIALS[code])
  if (code === 'RequestTimeTooSkewed' || code === 'RequestExpired') return wrongClock(place.description, error.$metadata?.clockSkewCorrected === true)
  if (REGION.has(code)) return wrongRegion(place.description, place.region, error.Region ?? error.$response?.headers?.['x-amz-bucket-region'])
  if (FULL.has(code)) return outOfSpace(place.description)
  if (code === 'InvalidBucketName')
    return new CairnError('ERR_STORE_URL', `${place.bucket} is no name of a bucket.`, 'Use 3 to 63 lower-case letters, digits, dots and hyphens.')
  return undefined
}

function byStatus(status: number, code: string, place: S3Place, attempted: Attempted): CairnError {
  const named = code === '' || code === 'Unknown' || code === 'UnknownError' || /^\d+$/.test(code) ? '' : ` ${code}`
  if (status === 401 || status === 403) return noRight(place.description, attempted)
  if (status === 409) return busy(place.description, attempted.key)
  if (status === 408 || status === 429 || status >= 500)
    return status === 501
      ? notSupported(place.description, `a request that Cairn makes (to ${attempted.doing})`)
      : failed(place.description, `it answered ${status}${named}`)
  if (status === 301 || status === 307 || status === 400) {
    // To HEAD there is no code: mostly the region.
    if (named === '') return wrongRegion(place.description, place.region, undefined)
  }
  return new CairnError(
    'ERR_STORE_REFUSED',
    `${place.description} refused to ${attempted.doing} ${attempted.key}: it answered ${status}${named}.`,
    'Check the endpoint and the settings of the bucket.',
  )
}

/** Code and status, for those who look into an error. */
function withCause(error: CairnError, status: number, code: string): CairnError {
  error.cause ??= new Error(`S3 answered ${status} ${code}`)
  return error
}
