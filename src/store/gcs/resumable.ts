import { limits } from '../../sys/index.js'
import type { HttpRequest, HttpResponse } from '../http/request.js'
import type { Parts } from '../parts.js'
import { isTransient, type Retry } from '../wrap/retry.js'

export interface ResumableRequest {
  send(request: HttpRequest): Promise<HttpResponse>
  retry: Retry
  /** The error that an answer of failure means. */
  failing(response: HttpResponse): unknown
}

/** Answered while more is wanted; `Range` says what has arrived. */
const MORE = 308

/**
 * Sends an object in pieces of `limits.storePartBytes`, each made again by itself: after a failure the session is asked how far it came.
 * The condition given when it begins holds at its end.
 * @returns the last answer
 */
export async function sendResumable(request: ResumableRequest, begin: HttpRequest, parts: Parts): Promise<HttpResponse> {
  const begun = await request.retry.run(() => checked(request, begin), begin.signal)
  const session = begun.headers.location
  if (begun.status !== 200 || session === undefined) return begun
  const url = new URL(session)
  let offset = 0
  let failures = 0
  for (;;) {
    let answer: HttpResponse
    try {
      const end = Math.min(offset + limits.storePartBytes, parts.size)
      answer = await parts.use(offset, end, piece => checked(request, pieceAt(url, piece, offset, parts.size, begin.signal)))
    } catch (error) {
      if (!isTransient(error) || ++failures >= request.retry.attempts) throw error
      await request.retry.pause(failures, begin.signal)
      answer = await request.retry.run(() => checked(request, askHowFar(url, parts.size, begin.signal)), begin.signal)
    }
    if (answer.status !== MORE) return answer
    const arrived = arrivedUpTo(answer)
    if (arrived > offset) failures = 0
    offset = arrived
  }
}

/** Throws what may pass; all else is the caller's to look at. */
async function checked({ send, failing }: ResumableRequest, request: HttpRequest): Promise<HttpResponse> {
  const response = await send(request)
  if (response.status === 408 || response.status === 429 || response.status >= 500) throw failing(response)
  return response
}

function pieceAt(url: URL, piece: Uint8Array, offset: number, size: number, signal: AbortSignal | undefined): HttpRequest {
  const range = piece.length === 0 ? `bytes */${size}` : `bytes ${offset}-${offset + piece.length - 1}/${size}`
  return { method: 'PUT', url, headers: { 'content-range': range }, body: [piece], signal }
}

function askHowFar(url: URL, length: number, signal: AbortSignal | undefined): HttpRequest {
  return { method: 'PUT', url, headers: { 'content-range': `bytes */${length}` }, signal }
}

function arrivedUpTo({ headers }: HttpResponse): number {
  const match = /^bytes=0-(\d+)$/.exec(String(headers.range ?? ''))
  return match === null ? 0 : Number(match[1]) + 1
}
