import { createHash, type Hash } from 'node:crypto'
import { limits } from '../../sys/index.js'
import type { GetOptions, ListPage, ObjectInfo, ObjectStore, PutOptions, StoredObject } from '../contract.js'
import { type Agents, agentsFor, closeAgents } from '../http/agents.js'
import { type HttpRequest, type HttpResponse, send } from '../http/request.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed } from '../keys.js'
import { type Parts, partsOf } from '../parts.js'
import { type Attempted, otherProtocol } from '../remote-errors.js'
import { Retry } from '../wrap/retry.js'
import { googleTokens, noTokens, type Tokens } from './auth.js'
import { type GcsPlace, isBucketMissing, isPage, translateNetwork, translateStatus } from './errors.js'
import { sendResumable } from './resumable.js'

export interface GcsOptions {
  bucket: string
  /** '' or with a slash at its end: all keys are below it. */
  prefix?: string
  /** Google's own where missing; STORAGE_EMULATOR_HOST names an emulator, which is asked without credentials. */
  endpoint?: string
  /** For the pieces of large objects; everything else is made again by `RetryingStore`. */
  retry?: Retry
  tokens?: Tokens
}

const NONCE = 'cairn-nonce'
const GOOGLE = 'https://storage.googleapis.com'
const DELETES_AT_ONCE = 16

interface Resource {
  name?: string
  size?: string
  generation?: string
  updated?: string
  metadata?: Record<string, string>
}

/**
 * A store in a bucket of Google Cloud Storage, by its JSON API. Makes each request once: wrap it in `RetryingStore`.
 *
 * Versions are generations, which never come back. Objects over `limits.storePartBytes` are sent by a resumable upload, which keeps conditions.
 * One object takes about one write per second (then 429, which is waited out).
 * @throws CairnError ERR_STORE_* with one sentence that holds no credential; those that may pass have `retry: 'same-call'`
 */
export class GcsStore implements ObjectStore {
  readonly description: string
  readonly #bucket: string
  readonly #prefix: string
  readonly #endpoint: string
  readonly #place: GcsPlace
  readonly #agents: Agents
  readonly #retry: Retry
  readonly #tokens: Tokens

  /** @throws CairnError ERR_DRIVER_MISSING when Google's library is not installed */
  constructor(options: GcsOptions) {
    const emulator = emulatorEndpoint()
    this.#bucket = options.bucket
    this.#prefix = options.prefix ?? ''
    this.#endpoint = options.endpoint ?? emulator ?? GOOGLE
    this.description = `gs://${options.bucket}${this.#prefix === '' ? '' : `/${this.#prefix.slice(0, -1)}`}`
    this.#place = { description: this.description, bucket: options.bucket, where: this.#endpoint === GOOGLE ? 'Google Cloud Storage' : this.#endpoint }
    this.#agents = agentsFor(this.#endpoint)
    this.#retry = options.retry ?? new Retry()
    this.#tokens = options.tokens ?? (emulator !== undefined && options.endpoint === undefined ? noTokens : googleTokens(this.description))
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key)
    options.signal?.throwIfAborted()
    const { range, unlessVersion } = options
    if (range?.length === 0) return this.#nothing(key)
    const query = { alt: 'media', ...(unlessVersion !== undefined && { ifGenerationNotMatch: unlessVersion }) }
    const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    const response = await this.#send({ method: 'GET', url: this.#object(key, query), headers, into: options.into, signal: options.signal })
    if (response.status === 304) return { bytes: Buffer.alloc(0), version: unlessVersion ?? '', unchanged: true }
    if (response.status === 416) return this.#nothing(key)
    if (isMissing(response)) return undefined
    if (response.status !== 200 && response.status !== 206) throw translateStatus(response, this.#place, { doing: 'read', key })
    return { bytes: response.body, version: this.#version(response.headers['x-goog-generation']) }
  }

  /** A range of no bytes, or behind the end, of an object that is there. */
  async #nothing(key: string): Promise<StoredObject | undefined> {
    const info = await this.head(key)
    return info && { bytes: Buffer.alloc(0), version: info.version }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key)
    const response = await this.#send({ method: 'GET', url: this.#object(key, { fields: 'size,generation,updated,metadata' }) })
    if (isMissing(response)) return undefined
    const { size, generation, updated, metadata } = this.#resource(response, { doing: 'read', key })
    const nonce = metadata?.[NONCE]
    return { sizeBytes: Number(size ?? 0), version: this.#version(generation), modifiedMs: Date.parse(updated ?? ''), ...(nonce !== undefined && { nonce }) }
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ version: string }> {
    checkKey(key)
    const { ifAbsent, ifMatch, signal } = options
    signal?.throwIfAborted()
    const condition = ifAbsent === true ? '0' : ifMatch
    const query = { fields: 'generation', ...(condition !== undefined && { ifGenerationMatch: condition }) }
    const about = this.#about(key, createHash('md5').update(bytes), options.nonce)
    const response = await (bytes.length > limits.storePartBytes
      ? this.#putResumable(about, partsOf(bytes), query, signal)
      : this.#putMultipart(about, bytes, query, signal))
    if (response.status === 412) throw preconditionFailed(key, ifAbsent === true ? IS_THERE : IS_CHANGED)
    if (ifMatch !== undefined && isMissing(response)) throw preconditionFailed(key, IS_GONE)
    return { version: this.#version(this.#resource(response, { doing: 'write', key }).generation) }
  }

  /** Metadata and bytes in one request. */
  #putMultipart(about: string, bytes: Uint8Array, query: Record<string, string>, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const boundary = `cairn-${createHash('md5').update(about).digest('hex')}`
    const start = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${about}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`
    return this.#send({
      method: 'POST',
      url: this.#upload({ uploadType: 'multipart', ...query }),
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(start), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
      signal,
    })
  }

  async putParts(key: string, parts: Parts, { nonce, signal }: Pick<PutOptions, 'nonce' | 'signal'> = {}): Promise<{ version: string }> {
    checkKey(key)
    const digest = createHash('md5')
    for (let at = 0; at < parts.size; at += limits.storePartBytes)
      await parts.use(at, Math.min(at + limits.storePartBytes, parts.size), async bytes => digest.update(bytes))
    const response = await this.#putResumable(this.#about(key, digest, nonce), parts, { fields: 'generation', ifGenerationMatch: '0' }, signal)
    if (response.status === 412) throw preconditionFailed(key, IS_THERE)
    return { version: this.#resource(response, { doing: 'write', key }).generation ?? '' }
  }

  #about(key: string, md5: Hash, nonce: string | undefined): string {
    return JSON.stringify({
      name: this.#prefix + key,
      contentType: 'application/octet-stream',
      md5Hash: md5.digest('base64'),
      ...(nonce !== undefined && { metadata: { [NONCE]: nonce } }),
    })
  }

  #putResumable(about: string, parts: Parts, query: Record<string, string>, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const begin: HttpRequest = {
      method: 'POST',
      url: this.#upload({ uploadType: 'resumable', ...query }),
      headers: { 'content-type': 'application/json; charset=UTF-8', 'x-upload-content-length': String(parts.size) },
      body: [Buffer.from(about)],
      signal,
    }
    const failing = (response: HttpResponse): unknown => translateStatus(response, this.#place, { doing: 'write', key: '' })
    return sendResumable({ send: request => this.#send(request), retry: this.#retry, failing }, begin, parts)
  }

  async list(prefix: string, cursor?: string): Promise<ListPage> {
    checkPrefix(prefix)
    const query = {
      prefix: this.#prefix + prefix,
      maxResults: String(limits.listPageObjects),
      fields: 'items(name,size,updated),nextPageToken',
      ...(cursor !== undefined && { pageToken: cursor }),
    }
    const response = await this.#send({ method: 'GET', url: this.#url(`/storage/v1/b/${this.#bucket}/o`, query) })
    const page = this.#json<{ items?: Resource[]; nextPageToken?: string }>(response, { doing: 'list', key: '' })
    const objects = (page.items ?? []).map(({ name = '', size, updated }) => ({
      key: name.slice(this.#prefix.length),
      sizeBytes: Number(size ?? 0),
      modifiedMs: Date.parse(updated ?? ''),
    }))
    return page.nextPageToken === undefined ? { objects } : { objects, cursor: page.nextPageToken }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key)
    for (let at = 0; at < keys.length; at += DELETES_AT_ONCE) await Promise.all(keys.slice(at, at + DELETES_AT_ONCE).map(key => this.#deleteOne(key)))
  }

  async #deleteOne(key: string): Promise<void> {
    const response = await this.#send({ method: 'DELETE', url: this.#object(key, {}) })
    if (response.status !== 204 && response.status !== 200 && !isMissing(response)) throw translateStatus(response, this.#place, { doing: 'delete', key })
  }

  async #send(request: HttpRequest): Promise<HttpResponse> {
    try {
      const token = await this.#tokens.get()
      const response = await this.#sendAs(token, request)
      if (response.status !== 401 || this.#tokens.renew === undefined) return response
      // Revoked, or a file with others was put in the place of the one that was read.
      this.#tokens.renew()
      const other = await this.#tokens.get()
      return other === token ? response : await this.#sendAs(other, request)
    } catch (error) {
      throw translateNetwork(error, this.#place, request.signal)
    }
  }

  #sendAs(token: string | undefined, request: HttpRequest): Promise<HttpResponse> {
    const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return send(this.#agents, { ...request, headers: { ...request.headers, ...authorization, 'user-agent': 'cairn' } })
  }

  #resource(response: HttpResponse, attempted: Attempted): Resource {
    return this.#json<Resource>(response, attempted)
  }

  #json<T>(response: HttpResponse, attempted: Attempted): T {
    if (response.status !== 200) throw translateStatus(response, this.#place, attempted)
    try {
      return JSON.parse(response.body.toString()) as T
    } catch {
      throw otherProtocol(this.description, this.#place.where, 'Google Cloud Storage')
    }
  }

  /** @throws CairnError ERR_STORE_PROTOCOL: what Google answers has a generation */
  #version(generation: unknown): string {
    if (typeof generation === 'string' && generation !== '') return generation
    throw otherProtocol(this.description, this.#place.where, 'Google Cloud Storage')
  }

  #object(key: string, query: Record<string, string>): URL {
    return this.#url(`/storage/v1/b/${this.#bucket}/o/${encodeURIComponent(this.#prefix + key)}`, query)
  }

  #upload(query: Record<string, string>): URL {
    return this.#url(`/upload/storage/v1/b/${this.#bucket}/o`, query)
  }

  #url(path: string, query: Record<string, string>): URL {
    return new URL(`${path}?${new URLSearchParams(query)}`, this.#endpoint)
  }

  async close(): Promise<void> {
    closeAgents(this.#agents)
  }
}

function isMissing(response: HttpResponse): boolean {
  return response.status === 404 && !isBucketMissing(response) && !isPage(response)
}

function emulatorEndpoint(): string | undefined {
  const text = process.env['STORAGE_EMULATOR_HOST']
  if (text === undefined || text === '') return undefined
  return new URL(text.includes('://') ? text : `http://${text}`).origin
}
