import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { CairnError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { GetOptions, ListPage, ObjectInfo, ObjectStore, PutOptions, StoredObject } from '../contract.js'
import { type Agents, agentsFor, closeAgents } from '../http/agents.js'
import { collect } from '../http/collect.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed } from '../keys.js'
import { type Parts, partsOf } from '../parts.js'
import { type Attempted, otherProtocol } from '../remote-errors.js'
import { Retry } from '../wrap/retry.js'
import { codeOf, isPage, type S3Place, statusOf, translate } from './errors.js'
import { putInParts } from './multipart.js'
import { receiveInto } from './receive.js'
import { type Client, createClient, givenRegion, loadSdk, type Sdk } from './sdk.js'

/** How `If-Match` wants the etag: with the quotes that it came in, without, or found out by trying. */
export type EtagQuotes = 'keep' | 'strip' | 'auto'

export interface S3Options {
  bucket: string
  /** '' or with a slash at its end: all keys are below it. */
  prefix?: string
  region?: string
  endpoint?: string
  /** The bucket in the path instead of the host name; where missing, with an endpoint of one's own. */
  pathStyle?: boolean
  etagQuotes?: EtagQuotes
  /** For the parts of large objects; everything else is made again by `RetryingStore`. */
  retry?: Retry
}

const NONCE = 'cairn-nonce'

/**
 * A store in a bucket of S3, or of a service that speaks its protocol. Makes each request once: wrap it in `RetryingStore`.
 *
 * Versions are etags, hashes of the bytes: a mutable object must never have the same bytes twice. Objects over `limits.storePartBytes` that are put
 * without a condition go in parts, several at once; conditions of those are ignored by some servers, so that a conditional put is always one request.
 * @throws CairnError ERR_STORE_* with one sentence that holds no credential; those that may pass have `retry: 'same-call'`
 */
export class S3Store implements ObjectStore {
  readonly description: string
  readonly #sdk: Sdk
  readonly #client: Client
  readonly #agents: Agents
  readonly #bucket: string
  readonly #prefix: string
  readonly #place: S3Place
  readonly #retry: Retry
  readonly #isAws: boolean
  #quotes: 'keep' | 'strip'
  /** The quoting was seen to work, or was given. */
  #quotesKnown: boolean

  /** @throws CairnError ERR_DRIVER_MISSING when the SDK is not installed. Loading it takes some 150 ms. */
  constructor(options: S3Options) {
    this.#bucket = options.bucket
    this.#prefix = options.prefix ?? ''
    this.description = `s3://${options.bucket}${this.#prefix === '' ? '' : `/${this.#prefix.slice(0, -1)}`}`
    this.#sdk = loadSdk()
    this.#agents = agentsFor(options.endpoint ?? 'https://s3.amazonaws.com')
    const pathStyle = options.pathStyle ?? (options.endpoint === undefined ? undefined : true)
    this.#client = createClient(this.#sdk, { ...options, pathStyle }, this.#agents)
    const region = givenRegion(options) ?? 'of the profile'
    this.#place = { description: this.description, bucket: options.bucket, where: options.endpoint ?? 'AWS', region }
    this.#retry = options.retry ?? new Retry()
    this.#isAws = options.endpoint === undefined
    this.#quotesKnown = (options.etagQuotes ?? 'auto') !== 'auto'
    this.#quotes = options.etagQuotes === 'strip' ? 'strip' : 'keep'
  }

  /** What was found out of the quoting of etags; undefined before the first conditional replacement. */
  get etagQuotes(): 'keep' | 'strip' | undefined {
    return this.#quotesKnown ? this.#quotes : undefined
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key)
    options.signal?.throwIfAborted()
    const { range } = options
    if (range?.length === 0) return this.#nothing(key)
    try {
      const command = this.#getCommand(key, options)
      const { into, signal } = options
      const received = into === undefined || this.#agents.straight === undefined ? undefined : receiveInto(command, this.#agents, into, signal)
      const found = await this.#client.send(command, { abortSignal: signal })
      return { bytes: received?.() ?? (await bodyOf(found, options)), version: this.#versionOf(found.ETag) }
    } catch (error) {
      const status = statusOf(error)
      if (status === 304) return { bytes: Buffer.alloc(0), version: options.unlessVersion ?? '', unchanged: true }
      if (status === 416) return this.#nothing(key)
      if (isMissing(error)) return undefined
      throw await this.#refusedRead(error, key, options.signal)
    }
  }

  #getCommand(key: string, { range, unlessVersion }: GetOptions) {
    return new this.#sdk.GetObjectCommand({
      ...this.#at(key),
      ...(range !== undefined && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      ...(unlessVersion !== undefined && { IfNoneMatch: `"${unlessVersion}"` }),
    })
  }

  /** A range of no bytes, or behind the end, of an object that is there. */
  async #nothing(key: string): Promise<StoredObject | undefined> {
    const info = await this.head(key)
    return info && { bytes: Buffer.alloc(0), version: info.version }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key)
    try {
      const found = await this.#client.send(new this.#sdk.HeadObjectCommand(this.#at(key)))
      const nonce = found.Metadata?.[NONCE]
      return {
        sizeBytes: found.ContentLength ?? 0,
        version: this.#versionOf(found.ETag),
        modifiedMs: found.LastModified?.getTime() ?? 0,
        ...(nonce !== undefined && { nonce }),
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw await this.#refusedRead(error, key)
    }
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ version: string }> {
    checkKey(key)
    options.signal?.throwIfAborted()
    const { ifAbsent, ifMatch, signal } = options
    if (ifMatch !== undefined) return this.#putMatching(key, bytes, ifMatch, options)
    if (ifAbsent !== true && bytes.length > limits.storePartBytes) return this.#putParts(key, bytes, signal)
    return this.#putOnce(key, bytes, options, undefined)
  }

  async #putOnce(key: string, bytes: Uint8Array, { ifAbsent, nonce, signal }: PutOptions, match: string | undefined): Promise<{ version: string }> {
    const command = new this.#sdk.PutObjectCommand({
      ...this.#at(key),
      Body: bytes,
      ContentLength: bytes.length,
      ...(ifAbsent === true && { IfNoneMatch: '*' }),
      ...(match !== undefined && { IfMatch: match }),
      ...(nonce !== undefined && { Metadata: { [NONCE]: nonce } }),
    })
    try {
      return { version: this.#versionOf((await this.#client.send(command, { abortSignal: signal })).ETag) }
    } catch (error) {
      if (statusOf(error) === 412) throw preconditionFailed(key, ifAbsent === true ? IS_THERE : IS_CHANGED)
      if (match !== undefined && isMissing(error)) throw preconditionFailed(key, IS_GONE)
      throw this.#translated(error, 'write', key, signal)
    }
  }

  /** A refusal although the etag is the one that was given means that this server compares it without its quotes. */
  async #putMatching(key: string, bytes: Uint8Array, version: string, options: PutOptions): Promise<{ version: string }> {
    try {
      return await this.#settled(this.#putOnce(key, bytes, options, this.#quoted(version)))
    } catch (error) {
      if (this.#quotesKnown || !(error instanceof CairnError && error.code === 'ERR_PRECONDITION')) throw error
      if ((await this.head(key))?.version !== version) throw error
      this.#quotes = this.#quotes === 'keep' ? 'strip' : 'keep'
      return await this.#settled(this.#putOnce(key, bytes, options, this.#quoted(version)))
    }
  }

  async #settled(put: Promise<{ version: string }>): Promise<{ version: string }> {
    const done = await put
    this.#quotesKnown = true
    return done
  }

  #quoted(version: string): string {
    return this.#quotes === 'keep' ? `"${version}"` : version
  }

  async #putParts(key: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<{ version: string }> {
    const request = { sdk: this.#sdk, client: this.#client, at: this.#at(key), retry: this.#retry, signal }
    const etag = await putInParts(request, partsOf(bytes), error => this.#translated(error, 'write', key, signal))
    return { version: this.#versionOf(etag) }
  }

  /** That the object is missing is asked before it is sent and before it comes to be, by a HEAD each; AWS looks at the condition itself. */
  async putParts(key: string, parts: Parts, { nonce, signal }: Pick<PutOptions, 'nonce' | 'signal'> = {}): Promise<{ version: string }> {
    checkKey(key)
    const checkAbsent = async (): Promise<void> => {
      if ((await this.#retry.run(() => this.head(key), signal)) !== undefined) throw preconditionFailed(key, IS_THERE)
    }
    await checkAbsent()
    const etag = await putInParts(
      {
        sdk: this.#sdk,
        client: this.#client,
        at: this.#at(key),
        retry: this.#retry,
        signal,
        ...(nonce !== undefined && { metadata: { [NONCE]: nonce } }),
        ...(this.#isAws ? { ifAbsent: true } : { beforeEnd: checkAbsent }),
      },
      parts,
      error => (statusOf(error) === 412 ? preconditionFailed(key, IS_THERE) : this.#translated(error, 'write', key, signal)),
    )
    return { version: this.#versionOf(etag) }
  }

  async list(prefix: string, cursor?: string): Promise<ListPage> {
    checkPrefix(prefix)
    const command = new this.#sdk.ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: this.#prefix + prefix,
      MaxKeys: limits.listPageObjects,
      ...(cursor !== undefined && { ContinuationToken: cursor }),
    })
    try {
      const page = await this.#client.send(command)
      if (page.IsTruncated === undefined && page.Name === undefined) throw this.#otherProtocol()
      const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
        key: Key.slice(this.#prefix.length),
        sizeBytes: Size,
        modifiedMs: LastModified?.getTime() ?? 0,
      }))
      return page.IsTruncated === true ? { objects, cursor: page.NextContinuationToken } : { objects }
    } catch (error) {
      throw this.#translated(error, 'list', '')
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key)
    if (keys.length === 1) return this.#deleteOne(keys[0])
    for (let at = 0; at < keys.length; at += limits.storeDeleteKeys) await this.#deleteMany(keys.slice(at, at + limits.storeDeleteKeys))
  }

  async #deleteOne(key: string): Promise<void> {
    try {
      await this.#client.send(new this.#sdk.DeleteObjectCommand(this.#at(key)))
    } catch (error) {
      if (!isMissing(error)) throw this.#translated(error, 'delete', key)
    }
  }

  async #deleteMany(keys: readonly string[]): Promise<void> {
    const Objects = keys.map(key => ({ Key: this.#prefix + key }))
    let refused: ReadonlyArray<{ Key?: string; Code?: string }>
    try {
      refused = (await this.#client.send(new this.#sdk.DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }))).Errors ?? []
    } catch (error) {
      throw this.#translated(error, 'delete', keys[0])
    }
    const first = refused.find(({ Code }) => Code !== 'NoSuchKey')
    if (first === undefined) return
    const status = first.Code === 'AccessDenied' ? 403 : 500
    throw this.#translated({ name: first.Code, $metadata: { httpStatusCode: status } }, 'delete', (first.Key ?? '').slice(this.#prefix.length))
  }

  /** Whoever may not list is refused what is missing as well: it is the listing then that must be allowed. Cost: one LIST where a read was refused. */
  async #refusedRead(error: unknown, key: string, signal?: AbortSignal): Promise<unknown> {
    const refused = this.#translated(error, 'read', key, signal)
    if (!(refused instanceof CairnError) || refused.code !== 'ERR_STORE_ACCESS') return refused
    return this.list('').then(
      () => refused,
      (other: unknown) => (other instanceof CairnError && other.code === 'ERR_STORE_ACCESS' ? other : refused),
    )
  }

  /** @throws CairnError ERR_STORE_PROTOCOL: what S3 answers has an etag; a page that answers 200 to everything stores nothing */
  #versionOf(etag: string | undefined): string {
    if (etag === undefined || etag === '') throw this.#otherProtocol()
    return etag.replace(/^"|"$/g, '')
  }

  #otherProtocol(): CairnError {
    return otherProtocol(this.description, this.#place.where, 'S3')
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  #translated(error: unknown, doing: Attempted['doing'], key: string, signal?: AbortSignal): unknown {
    if (signal?.aborted === true) return signal.reason
    return translate(error, this.#place, { doing, key })
  }

  async close(): Promise<void> {
    this.#client.destroy()
    closeAgents(this.#agents)
  }
}

/** The key is missing, not the bucket; an answer to HEAD does not say which. */
function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket' && !isPage(error)
}

function bodyOf({ Body, ContentLength }: GetObjectCommandOutput, { signal, into }: GetOptions): Promise<Buffer> {
  return collect(Body as AsyncIterable<Uint8Array> & { destroy(): void }, ContentLength, signal, into)
}
