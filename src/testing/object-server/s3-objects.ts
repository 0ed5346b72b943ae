import { createHash, randomUUID } from 'node:crypto'

/** Bytes of an object, in the pieces that it came in: what a server of its own does with parts costs its client nothing. */
export class Body {
  readonly length: number
  readonly #pieces: readonly Buffer[]

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces
    this.length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  slice(from = 0, to = this.length): Buffer {
    const found: Buffer[] = []
    let start = 0
    for (const piece of this.#pieces) {
      const part = piece.subarray(Math.max(0, from - start), Math.max(0, Math.min(piece.length, to - start)))
      if (part.length > 0) found.push(part)
      start += piece.length
    }
    return found.length === 1 ? found[0] : Buffer.concat(found)
  }
}

export interface S3Object {
  body: Body
  /** With its quotes. */
  etag: string
  modifiedMs: number
  metadata: Record<string, string>
}

export interface Upload {
  key: string
  metadata: Record<string, string>
  parts: Map<number, S3Object>
}

/** One bucket: objects by key, and multipart uploads that are under way. */
export class Bucket {
  readonly objects = new Map<string, S3Object>()
  readonly uploads = new Map<string, Upload>()
  #sorted: string[] | undefined

  put(key: string, body: Body, metadata: Record<string, string>, nowMs: number, etag = md5Tag(body.slice())): S3Object {
    if (!this.objects.has(key)) this.#sorted = undefined
    const object = { body, etag, modifiedMs: Math.floor(nowMs / 1000) * 1000, metadata }
    this.objects.set(key, object)
    return object
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.#sorted = undefined
  }

  /** Up to `count` keys with this prefix behind `after`, in bytewise order, and whether there are more. */
  list(prefix: string, after: string, count: number): { keys: string[]; more: boolean } {
    this.#sorted ??= [...this.objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const keys: string[] = []
    for (const key of this.#sorted) {
      if (key <= after || !key.startsWith(prefix)) continue
      if (keys.length === count) return { keys, more: true }
      keys.push(key)
    }
    return { keys, more: false }
  }

  begin(key: string, metadata: Record<string, string>): string {
    const id = randomUUID()
    this.uploads.set(id, { key, metadata, parts: new Map() })
    return id
  }

  /** The object that the listed parts make; undefined when one of them is not there as it is named. */
  complete(id: string, listed: ReadonlyArray<{ number: number; etag: string }>, nowMs: number): S3Object | undefined {
    const upload = this.uploads.get(id)
    if (upload === undefined || listed.length === 0) return undefined
    const parts = listed.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      return part !== undefined && bare(part.etag) === bare(etag) ? part : undefined
    })
    if (parts.some(part => part === undefined) || listed.some(({ number }, i) => i > 0 && number <= listed[i - 1].number)) return undefined
    const found = parts as S3Object[]
    const digest = createHash('md5')
    for (const part of found) digest.update(Buffer.from(bare(part.etag), 'hex'))
    this.uploads.delete(id)
    const body = new Body(found.flatMap(part => part.body.pieces))
    return this.put(upload.key, body, upload.metadata, nowMs, `"${digest.digest('hex')}-${found.length}"`)
  }
}

export function md5Tag(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

export function bare(etag: string): string {
  return etag.replace(/^"|"$/g, '')
}
