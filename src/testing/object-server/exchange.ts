import type { IncomingMessage } from 'node:http'

/** A request as it arrived, whole. */
export interface Exchange {
  method: string
  /** As it was sent, before the `?`, not decoded. */
  rawPath: string
  /** As it was sent, behind the `?`. */
  rawQuery: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: Buffer
}

export interface Answer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

export function answer(status: number, headers: Record<string, string> = {}, body: Buffer | string = ''): Answer {
  return { status, headers, body: typeof body === 'string' ? Buffer.from(body) : body }
}

/** What counters and faults know of a request before it is applied. */
export interface Operation {
  /** Such as `PutObject`. */
  name: string
  key: string
}

/** One range of `bytes=a-b`; undefined for none, 'unsatisfiable' when it begins behind the end. */
export function parseRange(header: string | undefined, size: number): { from: number; to: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  if (match[1] === '') return size === 0 ? 'unsatisfiable' : { from: Math.max(0, size - Number(match[2])), to: size }
  const from = Number(match[1])
  if (from >= size) return 'unsatisfiable'
  return { from, to: match[2] === '' ? size : Math.min(Number(match[2]) + 1, size) }
}
