import { fork } from 'node:child_process'
import { once } from 'node:events'
import { entry } from '../../sys/index.js'
import type { ChildAnswer, ChildRequest } from './child.js'
import type { GcsServerOptions } from './gcs-server.js'
import type { S3ServerOptions } from './s3-server.js'

/** An S3 server in a process of its own, so that what it costs is not measured with its client. Runs what is compiled. */
export interface SpawnedS3 {
  endpoint: string
  /** Requests and bytes by operation since the last reset, and the most requests at once. */
  counts(): Promise<ChildAnswer>
  reset(): Promise<ChildAnswer>
  setLatency(ms: number): Promise<ChildAnswer>
  close(): Promise<void>
}

/** @param options as of `S3Server`; buckets, latency and so on */
export function spawnS3Server(options: S3ServerOptions = {}): Promise<SpawnedS3> {
  return spawnServer('s3', options)
}

/** The same of Google's. */
export function spawnGcsServer(options: GcsServerOptions = {}): Promise<SpawnedS3> {
  return spawnServer('gcs', options)
}

async function spawnServer(kind: 's3' | 'gcs', options: S3ServerOptions): Promise<SpawnedS3> {
  const child = fork(entry('testing/object-server/child'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  // One request at a time.
  const ask = async (request: ChildRequest): Promise<ChildAnswer> => {
    child.send(request)
    return ((await once(child, 'message')) as [ChildAnswer])[0]
  }
  const { endpoint } = await ask({ do: 'start', options, kind })
  return {
    endpoint,
    counts: () => ask({ do: 'counts' }),
    reset: () => ask({ do: 'reset' }),
    setLatency: ms => ask({ do: 'latency', ms }),
    async close() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}
