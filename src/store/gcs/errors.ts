import { CairnError } from '../../errors.js'
import type { HttpResponse } from '../http/request.js'
import { type Attempted, busy, failed, noBucket, noConnection, noRight, otherProtocol, outOfSpace, wrongCredentials } from '../remote-errors.js'

export interface GcsPlace {
  description: string
  bucket: string
  where: string
}

/** A failed connection as one sentence; what is a sentence already stays. */
export function translateNetwork(error: unknown, { description }: GcsPlace, signal: AbortSignal | undefined): unknown {
  if (error instanceof CairnError) return error
  return signal?.aborted === true ? signal.reason : noConnection(description, error)
}

/** A bucket that is missing is answered 404 like an object that is. */
export function isBucketMissing({ status, body }: HttpResponse): boolean {
  return status === 404 && /bucket does not exist/i.test(body.toString('utf8', 0, 4096))
}

/** A web page: nothing that Google's API would answer, although it may call a sentence one. */
export function isPage({ body }: HttpResponse): boolean {
  return /^\s*<(!doctype|html)\b/i.test(body.toString('utf8', 0, 256))
}

/** An answer that is no success as one sentence. Nothing that was sent is in it. */
export function translateStatus(response: HttpResponse, place: GcsPlace, attempted: Attempted): CairnError {
  const { status } = response
  const reason = reasonOf(response)
  const error = byStatus(status, reason, response, place, attempted)
  error.cause ??= new Error(`GCS answered ${status} ${reason}`)
  return error
}

function byStatus(status: number, reason: string, response: HttpResponse, place: GcsPlace, attempted: Attempted): CairnError {
  const { description } = place
  if (status < 500 && isPage(response)) return otherProtocol(description, place.where, 'Google Cloud Storage')
  if (isBucketMissing(response)) return noBucket(place.bucket, place.where)
  if (status === 401) return wrongCredentials(description, 'the token is not valid')
  if (status === 403 && /quota/i.test(reason)) return outOfSpace(description)
  if (status === 403 && !/rateLimit/i.test(reason)) return noRight(description, attempted)
  if (status === 409) return busy(description, attempted.key)
  if (status === 403 || status === 408 || status === 429 || status >= 500)
    return failed(description, `it answered ${status}${reason === '' ? '' : ` ${reason}`}`)
  return new CairnError(
    'ERR_STORE_REFUSED',
    `${description} refused to ${attempted.doing} ${attempted.key}: it answered ${status}${reason === '' ? '' : ` ${reason}`}.`,
    'Check the endpoint and the settings of the bucket.',
  )
}

/** The word that Google gives, such as `rateLimitExceeded`. */
function reasonOf({ body }: HttpResponse): string {
  try {
    const value = JSON.parse(body.toString()) as { error?: { errors?: Array<{ reason?: unknown }> } }
    const reason = value.error?.errors?.[0]?.reason
    return typeof reason === 'string' && /^\w{1,60}$/.test(reason) ? reason : ''
  } catch {
    return ''
  }
}
