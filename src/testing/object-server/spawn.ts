import { fork } from 'node:child_process'
import { once } from 'node:events'
import { entry } from '../../sys/entry.js'
import type { ChildAnswer, ChildRequest } from './child.js'
import type { Fault } from './faults.js'
import type { GcsServerOptions } from './gcs-server.js'
import type { S3ServerOptions } from './s3-server.js'

/** A server of objects in a process of its own: what it costs is not measured with its client, and a client that blocks does not block it. Runs what is compiled. */
export interface SpawnedServer<Options> {
  endpoint: string
  pid: number
  /** Requests and bytes by operation since the last reset, and the most requests at once. */
  counts(): Promise<ChildAnswer>
  reset(): Promise<ChildAnswer>
  setLatency(ms: number): Promise<ChildAnswer>
  /** From now on it behaves so. */
  set(options: Partial<Options>): Promise<ChildAnswer>
  fault(fault: Omit<Fault, 'random'>): Promise<ChildAnswer>
  /** No more faults. */
  heal(): Promise<ChildAnswer>
  keys(bucket: string): Promise<string[]>
  /** The bucket is gone, with all that is in it. */
  forget(bucket: string): Promise<ChildAnswer>
  close(): Promise<void>
}

export type SpawnedS3 = SpawnedServer<S3ServerOptions>
export type SpawnedGcs = SpawnedServer<GcsServerOptions>

/** @param options as of `S3Server`; buckets, latency and so on */
export function spawnS3Server(options: S3ServerOptions = {}): Promise<SpawnedS3> {
  return spawn({ do: 'start', kind: 's3', options })
}

export function spawnGcsServer(options: GcsServerOptions = {}): Promise<SpawnedGcs> {
  return spawn({ do: 'start', kind: 'gcs', options })
}

async function spawn<Options extends object>(start: ChildRequest): Promise<SpawnedServer<Options>> {
  const child = fork(entry('testing/object-server/child'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
  // One request at a time.
  const ask = async (request: ChildRequest): Promise<ChildAnswer> => {
    child.send(request)
    return ((await once(child, 'message')) as [ChildAnswer])[0]
  }
  const { endpoint } = await ask(start)
  return {
    endpoint,
    pid: child.pid ?? 0,
    counts: () => ask({ do: 'counts' }),
    reset: () => ask({ do: 'reset' }),
    setLatency: ms => ask({ do: 'latency', ms }),
    set: options => ask({ do: 'options', options }),
    fault: fault => ask({ do: 'fault', fault }),
    heal: () => ask({ do: 'heal' }),
    keys: async bucket => (await ask({ do: 'keys', bucket })).keys,
    forget: bucket => ask({ do: 'forget', bucket }),
    async close() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}
