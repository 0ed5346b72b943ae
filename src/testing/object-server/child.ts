/** An S3 or GCS server in a process of its own, told what to do over IPC: see `spawn.ts`. */

import { GcsServer } from './gcs-server.js'
import { S3Server, type S3ServerOptions } from './s3-server.js'
import type { Count } from './service.js'

export type ChildRequest = { do: 'start'; options: S3ServerOptions; kind?: 's3' | 'gcs' } | { do: 'counts' } | { do: 'reset' } | { do: 'latency'; ms: number }
export type ChildAnswer = { endpoint: string; peak: number; counts: Record<string, Count> }

let server: S3Server | GcsServer | undefined

async function run(request: ChildRequest): Promise<void> {
  if (request.do === 'start') server = await (request.kind === 'gcs' ? new GcsServer(request.options) : new S3Server(request.options)).start()
  if (server === undefined) throw new Error('not started')
  if (request.do === 'reset') server.resetCounts()
  if (request.do === 'latency') server.latencyMs = request.ms
  const answer: ChildAnswer = { endpoint: server.endpoint, peak: server.peak, counts: Object.fromEntries(server.counts) }
  process.send?.(answer)
}

process.on('message', message => void run(message as ChildRequest))
process.on('disconnect', () => process.exit())
