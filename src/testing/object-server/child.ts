/** A server of objects in a process of its own, told what to do over IPC: see `spawn.ts`. */

import type { Fault } from './faults.js'
import { GcsServer, type GcsServerOptions } from './gcs-server.js'
import { S3Server, type S3ServerOptions } from './s3-server.js'
import type { Count } from './service.js'

export type ChildRequest =
  | { do: 'start'; kind: 's3'; options: S3ServerOptions }
  | { do: 'start'; kind: 'gcs'; options: GcsServerOptions }
  | { do: 'counts' }
  | { do: 'reset' }
  | { do: 'latency'; ms: number }
  | { do: 'options'; options: Partial<S3ServerOptions> & Partial<GcsServerOptions> }
  | { do: 'fault'; fault: Omit<Fault, 'random'> }
  | { do: 'heal' }
  | { do: 'keys'; bucket: string }
  | { do: 'forget'; bucket: string }
export type ChildAnswer = { endpoint: string; peak: number; counts: Record<string, Count>; keys: string[] }

let server: S3Server | GcsServer | undefined

function keysOf({ buckets }: S3Server | GcsServer, bucket: string): string[] {
  const found = buckets.get(bucket)
  return found === undefined ? [] : [...('objects' in found ? found.objects : found).keys()].sort()
}

async function run(request: ChildRequest): Promise<void> {
  if (request.do === 'start') server = await (request.kind === 's3' ? new S3Server(request.options) : new GcsServer(request.options)).start()
  if (server === undefined) throw new Error('not started')
  if (request.do === 'reset') server.resetCounts()
  if (request.do === 'latency') server.latencyMs = request.ms
  if (request.do === 'options') server.options = { ...server.options, ...request.options }
  if (request.do === 'options' && request.options.clockSkewMs !== undefined) server.clockSkewMs = request.options.clockSkewMs
  if (request.do === 'fault') server.faults.add(request.fault)
  if (request.do === 'heal') server.faults.clear()
  if (request.do === 'forget') server.buckets.delete(request.bucket)
  const keys = request.do === 'keys' ? keysOf(server, request.bucket) : []
  const answer: ChildAnswer = { endpoint: server.endpoint, peak: server.peak, counts: Object.fromEntries(server.counts), keys }
  process.send?.(answer)
}

process.on('message', message => void run(message as ChildRequest))
process.on('disconnect', () => process.exit())
