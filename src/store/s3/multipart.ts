import { limits } from '../../sys/index.js'
import type { Parts } from '../parts.js'
import type { Retry } from '../wrap/retry.js'
import type { Client, Sdk } from './sdk.js'

export interface PartsRequest {
  sdk: Sdk
  client: Client
  at: { Bucket: string; Key: string }
  /** Kept beside the bytes. */
  metadata?: Record<string, string>
  /** Only where there is no object, as far as the server looks at that. */
  ifAbsent?: boolean
  /** Called before the object comes to be. */
  beforeEnd?: () => Promise<void>
  retry: Retry
  signal: AbortSignal | undefined
}

interface Part {
  PartNumber: number
  ETag: string | undefined
}

/**
 * Puts an object in parts, `limits.storePartsAtOnce` at a time, each made again by itself when it fails. What was begun is aborted when it cannot be
 * finished; what a killed process leaves costs until the bucket's rule for incomplete uploads removes it (docs/stores.md).
 * @returns the etag
 */
export async function putInParts(request: PartsRequest, parts: Parts, translated: (error: unknown) => unknown): Promise<string | undefined> {
  const { sdk, client, at, retry, signal } = request
  const send = <T>(work: () => Promise<T>): Promise<T> =>
    retry.run(async () => {
      try {
        return await work()
      } catch (error) {
        throw translated(error)
      }
    }, signal)
  const begin = { ...at, ...(request.metadata !== undefined && { Metadata: request.metadata }) }
  const { UploadId } = await send(() => client.send(new sdk.CreateMultipartUploadCommand(begin), { abortSignal: signal }))
  const upload = { ...at, UploadId }
  try {
    const uploadPart = (number: number): Promise<Part> => {
      const from = (number - 1) * limits.storePartBytes
      return parts.use(from, Math.min(from + limits.storePartBytes, parts.size), async Body => {
        const command = { ...upload, PartNumber: number, Body, ContentLength: Body.length }
        const { ETag } = await send(() => client.send(new sdk.UploadPartCommand(command), { abortSignal: signal }))
        return { PartNumber: number, ETag }
      })
    }
    const Parts = await severalAtOnce(Math.ceil(parts.size / limits.storePartBytes), limits.storePartsAtOnce, uploadPart)
    await request.beforeEnd?.()
    return await complete(request, upload, Parts, send)
  } catch (error) {
    // What matters is the first error; an upload that stays is the bucket's to remove.
    await client.send(new sdk.AbortMultipartUploadCommand(upload)).catch(() => undefined)
    throw error
  }
}

/** A lost answer to it shows as a missing upload when it is asked again: then the object is there, with the etag that the parts make. */
async function complete(
  { sdk, client, at, ifAbsent, signal }: PartsRequest,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
  Parts: Part[],
  send: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<string | undefined> {
  let attempts = 0
  return send(async () => {
    attempts++
    try {
      const command = { ...upload, MultipartUpload: { Parts }, ...(ifAbsent === true && { IfNoneMatch: '*' }) }
      const { ETag } = await client.send(new sdk.CompleteMultipartUploadCommand(command), { abortSignal: signal })
      // Ceph's gateway does not always say it.
      if (ETag !== undefined && ETag !== '') return ETag
    } catch (error) {
      if (attempts === 1 || (error as Error).name !== 'NoSuchUpload') throw error
    }
    return (await client.send(new sdk.HeadObjectCommand(at))).ETag
  })
}

/** Runs `work` for 1 … count, so many at once; the first failure ends it when those that run are done. */
async function severalAtOnce<T>(count: number, atOnce: number, work: (number: number) => Promise<T>): Promise<T[]> {
  const results: T[] = new Array(count)
  let next = 1
  let failed = false
  const run = async (): Promise<void> => {
    while (next <= count && !failed) {
      const number = next++
      try {
        results[number - 1] = await work(number)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(atOnce, count) }, run))
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  return results
}
